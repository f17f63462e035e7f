#!/usr/bin/env python3
"""Checks an audit export of Safelight: that its devices signed these operations, in this order.

    audit_verify.py FILE                      an export as JSON lines
    audit_verify.py FILE.csv FILE.csv.signature    a table and its signature

Needs Python 3.9 or newer and nothing else: no Safelight, no keys, no network. Ends with 0 if all holds, 1 if
anything does not (every fault is named with its line), 2 if there is nothing to read or the call is wrong.

Written from docs/guide/audit.md alone; "rule 1" to "rule 7" below are the seven of its "What to check".
"""
import base64, datetime, functools, hashlib, json, os, struct, sys

# No true line comes near it: with it a hostile file cannot make us hold more than a segment's worth of memory.
LINE_LIMIT = 96 << 20
SEGMENT_DOMAIN, EXPORT_DOMAIN = 3, 7

# ---- Ed25519 (RFC 8032), to verify only: nothing here is secret, so nothing has to take constant time --------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)

def add(a, b):
    """The sum of two points (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z; it holds for equal ones, too (§5.1.4)."""
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    t, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, z - t, z + t, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P

@functools.lru_cache(maxsize=256)     # a device signs many segments with one key
def public_point(key):
    """The point of a public key; None if it is not one, or is one with which anybody could sign (small order)."""
    y, odd = int.from_bytes(key, "little") & (1 << 255) - 1, key[31] >> 7
    if y >= P:
        return None
    u, v = y * y - 1, D * y * y + 1
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (v * x * x - u) % P or x == 0:     # x = 0 are two points of small order
        return None
    x = x if x & 1 == odd else P - x
    point = x, y, 1, x * y % P
    times_8 = point
    for _ in range(3):
        times_8 = add(times_8, times_8)
    return None if times_8[0] == 0 else point

BASE = public_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def signature_holds(key, domain, message, signature):
    point, s = public_point(key), int.from_bytes(signature[32:], "little")
    if point is None or s >= L:
        return False
    message = b"safelight/1 sign" + bytes([domain]) + message
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    minus = P - point[0], point[1], 1, P - point[3]
    choice = None, BASE, minus, add(BASE, minus)
    r = 0, 1, 1, 0
    for bit in range(252, -1, -1):     # r = s·B - k·A, both at once
        r = add(r, r)
        chosen = (s >> bit & 1) | (k >> bit & 1) << 1
        if chosen:
            r = add(r, choice[chosen])
    inverse = pow(r[2], P - 2, P)
    x, y = r[0] * inverse % P, r[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]     # so R is canonical, too

# ---- Reading a line: what it holds must have the shape that the document gives it --------------------------

class Unusable(Exception):
    """Of this line nothing more can be checked; the text says why."""

class NotJson(Unusable):
    pass

# The field that tells a kind of line (the first of them that is there), and all fields of that kind.
SHAPES = {
    "safelight_audit": {"safelight_audit", "library", "exported"},
    "segment": {"segment", "device", "signed", "header", "header_salt", "leaves"},
    "op": {"op", "when", "device", "device_name", "sort", "what", "entry", "salt", "bytes"},
    "sha256": {"sha256", "device", "verifying_key", "signature"},
    "verifying_key": {"device", "name", "verifying_key", "kem_key"},
}

def shown(value):
    """Of a value from the file: short, and without anything that a terminal would obey."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value[:100] if isinstance(value, str) else value)
    return text if len(text) <= 90 else text[:87] + "..."

def object_once(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a field stands there twice")     # readers would differ about which one counts
    return dict(pairs)

def whole_number(digits):
    if len(digits) > 20:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)     # refuses 1.0, 1e3 and NaN, which also come here

def parse(line):
    """(kind, fields) of a line. The line is an object from its first byte to its last: nothing hides around it."""
    if len(line) >= LINE_LIMIT:
        raise NotJson(f"longer than {LINE_LIMIT} bytes")
    if line.count(b",") > LINE_LIMIT // 48:     # more than hashes fit: small values, which are large once parsed
        raise NotJson("more values than any segment has")
    body = line[:-1] if line.endswith(b"\n") else line
    if body[:1] != b"{" or body[-1:] != b"}":
        raise NotJson("not a JSON object from its first byte to its last")
    try:
        fields = json.loads(body.decode("utf-8"), object_pairs_hook=object_once, parse_int=whole_number,
                            parse_float=whole_number, parse_constant=whole_number)
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotJson(f"not JSON: {error}") from None
    kind = next((kind for kind in SHAPES if kind in fields), None)
    if kind is None:
        raise Unusable("no kind of line that an export has")
    missing, more = SHAPES[kind] - fields.keys(), fields.keys() - SHAPES[kind]
    if missing or more:
        raise Unusable("; ".join([f"{name!r} is missing" for name in sorted(missing)]
                                 + [f"{shown(name)} does not belong there" for name in sorted(more)][:9]))
    return kind, fields

def text(fields, name, or_null=False):
    value = fields[name]
    if not isinstance(value, str) and not (or_null and value is None):
        raise Unusable(f"{name!r} is not a text, but {shown(value)}")
    return value

def number(fields, name):
    if type(fields[name]) is not int:     # True is an int in Python
        raise Unusable(f"{name!r} is not a whole number, but {shown(fields[name])}")
    return fields[name]

def binary(value, name, size=None):
    try:
        data = bytes.fromhex(value)
    except (TypeError, ValueError):
        data = None
    if data is None or data.hex() != value:     # upper case and blanks are read by fromhex, but not allowed
        raise Unusable(f"{name} is not lower-case hexadecimal, but {shown(value)}")
    if size is not None and len(data) != size:
        raise Unusable(f"{name} has {len(data)} bytes instead of {size}")
    return data

def device_bytes(fields):
    value = text(fields, "device")
    try:
        data = base64.b32decode(value.upper() + "=" * (-len(value) % 8))
    except ValueError:
        data = b""
    if len(data) != 16 or base64.b32encode(data).decode().lower().rstrip("=") != value:
        raise Unusable(f"'device' is not the id of a device, but {shown(value)}")
    return data

# ---- Hashes -----------------------------------------------------------------------------------------------

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def tree_hash(level):
    """RFC 6962 §2.1 over leaves that are hashes already. Joining neighbours level by level, and lifting an odd
    last one as it is, gives the same tree as splitting at the largest power of two."""
    if not level:
        return sha256()
    while len(level) > 1:
        level = [sha256(b"\1", *level[i:i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
    return level[0]

def where_it_stands(header):
    """(device, number, root before, [(device, number)] that its device had read) as a segment's header says in CBOR."""
    at = 0

    def head(major):
        nonlocal at
        first = header[at] if at < len(header) else -1
        if first >> 5 != major or first & 31 > 26:
            raise Unusable("'header' is not that of a segment")
        size = {24: 1, 25: 2, 26: 4}.get(first & 31, 0)
        value = int.from_bytes(header[at + 1:at + 1 + size], "big") if size else first & 31
        at += 1 + size
        return value

    def data(size):
        nonlocal at
        if head(2) != size or at + size > len(header):
            raise Unusable("'header' is not that of a segment")
        at += size
        return header[at - size:at]

    if head(4) != 5 or head(0) != 1:
        raise Unusable("'header' is not that of a segment")
    device, n, before, read = data(16), head(0), data(32), []
    for _ in range(head(4)):
        if head(4) != 3:
            raise Unusable("'header' is not that of a segment")
        read.append((data(16), head(0)))
        data(32)
    if at != len(header):
        raise Unusable("'header' is not that of a segment")
    return device, n, before, read

def begin_of(operation):
    """(id, when) as an operation's bytes begin: a CBOR list of 12 bytes and a number, whose upper 48 bits are
    milliseconds since 1970. `when` is None if a calendar of four-digit years has no such day."""
    if len(operation) < 15 or operation[1] != 0x4C or operation[14] > 0x1B:
        raise Unusable("'bytes' do not begin with the id and the stamp of an operation")
    size = 1 << operation[14] - 24 if operation[14] >= 24 else 0
    if len(operation) < 15 + size:
        raise Unusable("'bytes' end within the stamp")
    stamp = int.from_bytes(operation[15:15 + size], "big")     # below 24 it is in the head itself: 0 ms
    try:
        when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=(stamp >> 16) // 1000)
    except OverflowError:
        when = None
    return f"{operation[2:10].hex()}-{int.from_bytes(operation[10:14], 'big')}", when and when.isoformat() + "Z"

# ---- The file ---------------------------------------------------------------------------------------------

class Device:
    def __init__(self, key, name):
        self.key, self.name = key, name
        self.segments, self.last, self.root = 0, 0, bytes(32)     # rule 3: 32 zeros before the first

class Audit:
    """Holds the devices, the segment that is being read, and sums; never the file."""

    def __init__(self):
        self.where, self.line, self.faults, self.digest = "", 0, 0, hashlib.sha256()
        self.library, self.exported, self.exporter, self.ended = None, None, None, False
        self.devices, self.segment, self.operations, self.in_full = {}, None, 0, 0
        self.read_of = {}     # how far any device had read each device

    def fault(self, said):
        self.faults += 1
        print(f"{self.where}: {said}")

    def read(self, file):
        while True:
            line = file.readline(LINE_LIMIT)
            if not line:
                break
            self.line += 1
            self.where = f"line {self.line}"
            if self.ended:
                return self.fault("bytes after the last line, which nobody signed")
            try:
                self.take(line)
            except Unusable as reason:
                self.fault(reason)
                if self.line == 1 and isinstance(reason, NotJson):
                    return self.fault("so this is no audit export")     # and every other line would be a fault
            self.digest.update(line)
            while len(line) == LINE_LIMIT and not line.endswith(b"\n"):     # the rest of a line that is too long
                line = file.readline(LINE_LIMIT)
                self.digest.update(line)
        self.where = "the end"
        if not self.ended:
            self.fault("there is no last line: the file was cut off, or nobody signed it")
        for raw, n in self.read_of.items():     # rule 6
            device = base64.b32encode(raw).decode().lower().rstrip("=")
            if device not in self.devices or self.devices[device].last < n:
                self.fault(f"segment {n} of device {device} was read by another device, and is not in this file")

    def take(self, line):
        kind, fields = parse(line)
        if (kind == "safelight_audit") != (self.line == 1):
            self.fault("the first line of an export is somewhere else" if self.line > 1 else
                       "the first line does not say that this is an audit export")
        if kind == "safelight_audit":
            self.take_first(fields)
        elif kind == "segment":
            self.segment = None     # if it turns out to be unusable, its entries are not those of the one before
            self.take_segment(fields)
        elif kind == "op":
            self.take_entry(fields)
        elif kind == "sha256":
            self.ended = True
            self.take_last(fields, self.digest.digest())
        else:
            self.take_device(fields)

    def take_first(self, fields):
        if number(fields, "safelight_audit") != 1:
            raise Unusable(f"version {shown(fields['safelight_audit'])} of exports is not known here")
        if self.library is None:
            self.library, self.exported = binary(fields["library"], "'library'", 20), text(fields, "exported")

    def take_device(self, fields):
        raw, device, name = device_bytes(fields), fields["device"], text(fields, "name", or_null=True)
        key, kem_key = binary(fields["verifying_key"], "'verifying_key'", 32), binary(fields["kem_key"], "'kem_key'", 1216)
        if device in self.devices:
            raise Unusable(f"device {device} has a line already")
        if public_point(key) is None:
            self.fault("'verifying_key' is no key of Ed25519 that can be trusted")
        if sha256(key, kem_key)[:16] != raw:     # rule 7: nobody else's key can stand under this id
            self.fault(f"the keys are not those of device {device}")
        self.devices[device] = Device(key, name)

    def take_segment(self, fields):
        """Rules 2, 3 and 4."""
        n, device = number(fields, "segment"), device_bytes(fields)
        signed = binary(fields["signed"], "'signed'", 152)
        header, salt = binary(fields["header"], "'header'"), binary(fields["header_salt"], "'header_salt'", 16)
        if not isinstance(fields["leaves"], list):
            raise Unusable("'leaves' is not a list")
        leaves = [binary(leaf, f"leaf {place}", 32) for place, leaf in enumerate(fields["leaves"])]
        self.segment, self.place = (fields["device"], leaves), -1
        self.operations += len(leaves)

        magic, signer, signed_n, before, root = struct.unpack(">4s16sI32s32s", signed[:88])
        if magic != b"SLG1":
            self.fault("'signed' does not begin with SLG1")
        if signer != device:
            self.fault("another device stands in what was signed")
        if signed_n != n:
            self.fault(f"number {shown(n)} of the line is {signed_n} in what was signed")
        h = sha256(b"\0", salt, header)
        if sha256(b"\2", h, struct.pack(">Q", len(leaves)), tree_hash(leaves)) != root:
            self.fault("the root that was signed is not that of this header and these leaves")
        try:
            stands = where_it_stands(header)
        except Unusable as reason:
            self.fault(reason)
        else:
            if stands[:3] != (device, n, before):
                self.fault("'header' is that of another segment")
            for other, far in stands[3]:
                self.read_of[other] = max(far, self.read_of.get(other, 0))
        author = self.devices.get(fields["device"])
        if author is None:
            raise Unusable(f"no line names device {fields['device']}, so nothing shows who signed")
        if self.library is None:
            self.fault("without the id of the library its signature cannot be checked")
        elif not signature_holds(author.key, SEGMENT_DOMAIN, self.library + signed[:88], signed[88:]):
            self.fault(f"the signature of device {fields['device']} does not hold")
        if n != author.last + 1:
            self.fault(f"segment {shown(n)} of device {fields['device']} where {author.last + 1} belongs")
        elif before != author.root:
            self.fault("the root before is not that of the segment before" if author.last else
                       "the root before its first segment is not 32 zeros")
        author.segments, author.last, author.root = author.segments + 1, n, root     # so that one gap is one fault

    def take_entry(self, fields):
        """Rule 5. Words, sort and name are the exporter's; id, device and time are in what the device signed."""
        if self.segment is None:
            raise Unusable("an entry without a usable segment before it")
        device, leaves = self.segment
        for name in ("op", "when", "device", "sort", "what"):
            text(fields, name)
        text(fields, "device_name", or_null=True)
        place, salt = number(fields, "entry"), binary(fields["salt"], "'salt'", 16)
        operation = binary(fields["bytes"], "'bytes'")
        if not 0 <= place < len(leaves):
            raise Unusable(f"entry {place}, but its segment has {len(leaves)}")
        if place == self.place:
            self.fault(f"entry {place} a second time")
        elif place < self.place:
            self.fault(f"entry {place} after entry {self.place}: not the order in which they were signed")
        if fields["device"] != device:
            self.fault("its device is not that of its segment")
        if sha256(b"\0", salt, operation) != leaves[place]:
            raise Unusable(f"entry {place} is not what the device signed")
        self.in_full += place > self.place
        self.place = max(place, self.place)
        op, when = begin_of(operation)
        if fields["op"] != op:
            self.fault(f"'op' is {shown(fields['op'])}, but what was signed is {op}")
        if when and fields["when"] != when:
            self.fault(f"'when' is {shown(fields['when'])}, but what was signed says {when}")

    def take_last(self, fields, digest, of="before this line"):
        """Rule 1, of an export and of a table's signature."""
        device_bytes(fields)
        key, signed = binary(fields["verifying_key"], "'verifying_key'", 32), binary(fields["sha256"], "'sha256'", 32)
        signature = binary(fields["signature"], "'signature'", 64)
        if signed != digest:
            self.fault(f"something was changed, added or removed: the bytes {of} do not have this hash")
        if not signature_holds(key, EXPORT_DOMAIN, signed, signature):
            self.fault("the signature of who exported does not hold")
        self.exporter = f"{fields['device']}, key {key.hex()}"
        listed = self.devices.get(fields["device"])
        if self.line and (listed is None or listed.key != key):     # a table lists no devices
            self.fault("who exported is no device of this file" if listed is None else
                       "the key of who exported is not the one that the file names for this device")

    def summary(self):
        if self.library is not None:
            print(f"library {self.library.hex()}, exported {shown(self.exported)}")
        for device, known in self.devices.items():
            print(f"device {device}, name {shown(known.name)}, key {known.key.hex()}, segments: {known.segments}")
        if self.line:
            print(f"devices: {len(self.devices)}, segments: {sum(d.segments for d in self.devices.values())}, "
                  f"operations in full: {self.in_full}, left out (their hash only): {self.operations - self.in_full}")
        print(f"exported by {self.exporter or 'nobody that is known'}")
        if self.faults:
            print(f"DOES NOT HOLD, faults: {self.faults}")
        elif self.line:
            print("all holds, if these are your devices, and who exported is one that you expect")
        else:
            print("the table is what was signed; only who exported stands for what it says: is it one that you expect?")
        return 1 if self.faults else 0

def verify_export(path):
    audit = Audit()
    with open(path, "rb") as file:
        audit.read(file)
    return audit.summary()

def verify_table(path, signature_path):
    audit, digest = Audit(), hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    with open(signature_path, "rb") as file:
        line, rest = file.readline(1 << 16), file.read(1)
    audit.where = "the signature"
    try:
        kind, fields = parse(line)
        if kind != "sha256":
            raise Unusable("no signature of a table")
        audit.take_last(fields, digest.digest(), "of the table")
        if rest:
            audit.fault("bytes after the line")
    except Unusable as reason:
        audit.fault(reason)
    return audit.summary()

def main(arguments):
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = verify_export(*arguments) if len(arguments) == 1 else verify_table(*arguments)
        sys.stdout.flush()
        return result
    except BrokenPipeError:     # nobody reads on (| head); not to be taken for "all holds"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 2
    except (OSError, ValueError) as error:     # ValueError: a path with a zero byte in it
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
