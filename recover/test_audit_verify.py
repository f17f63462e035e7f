"""python3 -m unittest test_audit_verify     makes exports of its own, breaks them, and looks what is found."""
import base64, contextlib, copy, functools, hashlib, io, json, os, random, struct, subprocess, sys, tempfile, unittest

import audit_verify
from audit_verify import L, P

HERE = os.path.dirname(os.path.abspath(__file__))
audit_verify.signature_holds = functools.lru_cache(None)(audit_verify.signature_holds)     # thousands of near-equal files

# ---- Signing, with affine points: slow, and other arithmetic than the verifier's -----------------------------

D = -121665 * pow(121666, -1, P) % P
BASE = (15112221349535400772501151409588531511454012693041857206046113283949847762202,
        46316835694926478169428394003475163141307993866256225615783033603165251855960)

def plus(a, b):
    t = D * a[0] * b[0] * a[1] * b[1] % P
    return ((a[0] * b[1] + a[1] * b[0]) * pow(1 + t, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P)

def times(n, point):
    sum_ = (0, 1)
    while n:
        sum_, point, n = plus(sum_, point) if n & 1 else sum_, plus(point, point), n >> 1
    return sum_

def packed(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")

def scalar(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L

class Key:
    def __init__(self, seed):
        h = hashlib.sha512(seed).digest()
        self.a, self.prefix = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254, h[32:]
        self.public = packed(times(self.a, BASE))

    @functools.lru_cache(None)
    def sign_raw(self, message):
        r = scalar(self.prefix, message)
        R = packed(times(r, BASE))
        return R + ((r + scalar(R, self.public, message) * self.a) % L).to_bytes(32, "little")

    def sign(self, domain, message):
        return self.sign_raw(b"safelight/1 sign" + bytes([domain]) + message)

# ---- Exports --------------------------------------------------------------------------------------------------

def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def tree(leaves):
    """RFC 6962 as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else H()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return H(b"\1", tree(leaves[:k]), tree(leaves[k:]))

class Device:
    def __init__(self, letter, name):
        self.key, self.kem, self.name = Key(letter.encode() * 32), letter.encode() * 1216, name
        self.raw = H(self.key.public, self.kem)[:16]
        self.id = base64.b32encode(self.raw).decode().lower().rstrip("=")

    def line(self):
        return {"device": self.id, "name": self.name, "verifying_key": self.key.public.hex(),
                "kem_key": self.kem.hex()}

A, B, STRANGER = Device("a", "desk"), Device("b", None), Device("c", "stranger")
LIBRARY, ZEROS = b"l" * 20, bytes(32)

def signed(device, n, before, root, key=None):
    clear = b"SLG1" + device.raw + struct.pack(">I", n) + before + root
    return clear + (key or device.key).sign(3, LIBRARY + clear)

def root_of(line):
    leaves = [bytes.fromhex(leaf) for leaf in line["leaves"]]
    h = H(b"\0", bytes.fromhex(line["header_salt"]), bytes.fromhex(line["header"]))
    return H(b"\2", h, struct.pack(">Q", len(leaves)), tree(leaves))

def number(major, n):
    return bytes([major << 5 | n]) if n < 24 else bytes([major << 5 | 24, n])

def header(device, n, before, read):
    """Where a segment stands, in CBOR."""
    told = b"".join(b"\x83\x50" + other.raw + number(0, far) + b"\x58\x20" + H(b"root") for other, far in read)
    return b"\x85\1\x50" + device.raw + number(0, n) + b"\x58\x20" + before + number(4, len(read)) + told

def segment(device, n, before, operations, shown, read=()):
    """The lines of one segment, and its root. `shown`: the places that are there in full."""
    entries, leaves = [], []
    for place in range(operations):
        op = device.raw[:8] + struct.pack(">I", 10 * n + place)
        data = b"\x84\x4c" + op + b"\x1b" + struct.pack(">Q", (1_700_000_000_999 + (n > 0)) << 16) + b"\1\xa0"
        salt = H(op)[:16]
        leaves.append(H(b"\0", salt, data))
        entries.append({"op": f"{op[:8].hex()}-{10 * n + place}", "when": "2023-11-14T22:13:" + ("20Z" if n == 0 else "21Z"),
                        "device": device.id, "device_name": device.name, "sort": "edit", "what": "wrote \u00fc \"x\"",
                        "entry": place, "salt": salt.hex(), "bytes": data.hex()})
    line = {"segment": n, "device": device.id, "header": header(device, n, before, read).hex(), "header_salt": H(b"salt")[:16].hex(),
            "leaves": [leaf.hex() for leaf in leaves]}
    root = root_of(line)
    return [dict(line, signed=signed(device, n, before, root).hex())] + [entries[i] for i in shown], root

FIRST = {"safelight_audit": 1, "library": LIBRARY.hex(), "exported": "2026-01-02T03:04:05Z"}
a1, root_a1 = segment(A, 1, ZEROS, 3, [0, 2])
b1, root_b1 = segment(B, 1, ZEROS, 1, [])
a2, root_a2 = segment(A, 2, root_a1, 0, [])
a3, root_a3 = segment(A, 3, root_a2, 5, [0, 1, 2, 3, 4])
b2, root_b2 = segment(B, 2, root_b1, 2, [1])
GOOD = [FIRST, A.line(), B.line()] + a1 + b1 + a2 + a3 + b2     # a1 is at 3, b1 at 6, a2 at 7, a3 at 8, b2 at 14

def plain(lines):
    return b"".join(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n" for line in lines)

def last(data, exporter=A):
    return {"sha256": H(data).hex(), "device": exporter.id, "verifying_key": exporter.key.public.hex(),
            "signature": exporter.key.sign(7, H(data)).hex()}

def seal(lines, exporter=A):
    data = plain(lines) if isinstance(lines, list) else lines
    return data + plain([last(data, exporter)])

def check(data):
    """(exit code, what was printed)"""
    out, audit = io.StringIO(), audit_verify.Audit()
    with contextlib.redirect_stdout(out):
        audit.read(io.BytesIO(data))
        code = audit.summary()
    return code, out.getvalue()

def another(value):
    """The value with one thing changed, still of its form where that can be."""
    if value is None:
        return "x"
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [another(value[0])] + value[1:] if value else ["00" * 32]
    return value[:-2] + ("b" if value[-2] == "a" else "a") + value[-1]     # base32 ids stay canonical

class Signatures(unittest.TestCase):
    VECTORS = [     # RFC 8032 §7.1: seed, public key, message, signature
        ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]

    def test_vectors_of_the_rfc(self):
        for seed, public, message, signature in self.VECTORS:
            key = Key(bytes.fromhex(seed))
            self.assertEqual(key.public.hex(), public)
            self.assertEqual(key.sign_raw(bytes.fromhex(message)).hex(), signature)

    def test_holds_and_does_not(self):
        for i in range(12):
            key, message = Key(bytes([i]) * 32), bytes(i)
            good = key.sign(3, message)
            self.assertTrue(audit_verify.signature_holds(key.public, 3, message, good))
            self.assertFalse(audit_verify.signature_holds(key.public, 7, message, good))
            self.assertFalse(audit_verify.signature_holds(key.public, 3, message + b"x", good))
            for at in range(0, 64, 7):
                bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]
                self.assertFalse(audit_verify.signature_holds(key.public, 3, message, bad))

    def test_s_beyond_the_order(self):
        good = A.key.sign(3, b"m")
        s = int.from_bytes(good[32:], "little")
        self.assertFalse(audit_verify.signature_holds(A.key.public, 3, b"m", good[:32] + (s + L).to_bytes(32, "little")))

    def test_keys_that_are_none(self):
        for y in [P, P + 1, P + 3, 2**255 - 1, 0, 1, P - 1, 2,      # y >= p; orders 4, 1, 2; no point
                  0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826]:     # order 8
            for sign in (0, 1 << 255):
                self.assertIsNone(audit_verify.public_point((y | sign).to_bytes(32, "little")), y)

    def test_nobody_signs_with_a_small_key(self):
        identity = (1).to_bytes(32, "little")     # with this key, R = B and S = 1 would fit any message
        signature = packed(BASE) + (1).to_bytes(32, "little")
        self.assertFalse(audit_verify.signature_holds(identity, 3, b"anything", signature))

class Holds(unittest.TestCase):
    def assertHolds(self, data):
        code, said = check(data)
        self.assertEqual(code, 0, said)
        return said

    def test_tree(self):
        for n in range(70):
            leaves = [H(bytes([i])) for i in range(n)]
            self.assertEqual(audit_verify.tree_hash(leaves), tree(leaves))

    def test_good(self):
        said = self.assertHolds(seal(GOOD))
        self.assertIn("devices: 2, segments: 5, operations in full: 8, left out (their hash only): 3", said)

    def test_without_the_last_newline(self):
        self.assertHolds(seal(GOOD)[:-1])

    def test_a_library_without_history(self):
        self.assertHolds(seal([FIRST, A.line()]))

    def test_by_another_device(self):
        self.assertHolds(seal(GOOD, B))

    def test_devices_may_be_told_in_turns_or_one_after_the_other(self):
        self.assertHolds(seal([FIRST, A.line(), B.line()] + b1 + b2 + a1 + a2 + a3))

    def test_what_the_document_says_is_not_proven(self):
        self.assertHolds(seal(GOOD[:4] + GOOD[5:]))     # an entry less: its leaf is there, so it counts as left out
        self.assertIn("in full: 7, left out (their hash only): 4", self.assertHolds(seal(GOOD[:4] + GOOD[5:])))
        self.assertHolds(seal(GOOD[:14]))               # the newest segment of a device

    def test_what_only_the_exporter_stands_for(self):
        """Of all fields, exactly these can be changed by who exports, and nothing notices."""
        unnoticed = set()
        for at, line in enumerate(GOOD):
            for field in line:
                lines = copy.deepcopy(GOOD)
                lines[at][field] = another(line[field])
                code, said = check(seal(lines))
                kind = next(kind for kind in audit_verify.SHAPES if kind in line)
                if code == 0:
                    unnoticed.add((kind, field))
                else:
                    self.assertIn("line ", said)
        self.assertEqual(unnoticed, {("safelight_audit", "exported"), ("verifying_key", "name"), ("op", "what"),
                                     ("op", "sort"), ("op", "device_name")})

    def test_what_others_had_read_is_there(self):
        more, _ = segment(A, 4, root_a3, 1, [0], [(B, 2)])
        self.assertHolds(seal(GOOD + more))


class DoesNotHold(unittest.TestCase):
    def test_another_key_under_the_id_of_a_device(self):
        """Who exports and also replaces a device's key could sign anything in its name."""
        forged = dict(A.line(), verifying_key=STRANGER.key.public.hex())
        line = dict(a1[0], signed=signed(A, 1, ZEROS, root_of(a1[0]), STRANGER.key).hex())
        self.assertFound(seal([FIRST, forged, B.line(), line] + a1[1:], B), "line 2: the keys are not those of device")

    def test_a_chain_that_is_left_out_or_cut_although_another_device_had_read_it(self):
        more, _ = segment(A, 2, root_a1, 1, [0], [(B, 2)])
        said = "segment 2 of device " + B.id
        self.assertFound(seal([FIRST, A.line()] + a1 + more), said)
        self.assertFound(seal([FIRST, A.line(), B.line()] + a1 + b1 + more), said)

    def test_a_header_of_another_segment_or_of_none(self):
        for bad in [header(B, 1, ZEROS, []), header(A, 2, ZEROS, []), b"", b"\x85", header(A, 1, ZEROS, []) + b"\0",
                    header(A, 1, ZEROS, [(B, 1)])[:-1]]:
            line = dict(a1[0], header=bad.hex())
            line["signed"] = signed(A, 1, ZEROS, root_of(line)).hex()
            self.assertFound(seal([FIRST, A.line(), B.line(), line] + a1[1:]), "line 4: 'header' is")

    def assertFound(self, data, *words):
        code, said = check(data)
        self.assertEqual(code, 1, said)
        for word in words:
            self.assertIn(word, said)

    def test_every_field_changed_without_a_new_seal(self):
        sealed = [json.loads(line) for line in seal(GOOD).splitlines()]
        for at, line in enumerate(sealed):
            for field in line:
                lines = copy.deepcopy(sealed)
                lines[at][field] = another(line[field])
                self.assertFound(plain(lines), f"line {len(sealed)}: " if at < len(sealed) - 1 else "line ")

    def test_every_single_byte(self):
        data = seal([FIRST, A.line()] + a1)
        for at in range(len(data)):
            for bit in (1, 32):
                changed = bytearray(data)
                changed[at] ^= bit
                self.assertEqual(check(bytes(changed))[0], 1, (at, bit, data[at - 9:at + 9]))

    def test_cut_anywhere(self):
        data = seal([FIRST, A.line()] + a1)
        for at in range(0, len(data) - 1, 3):
            self.assertFound(data[:at])

    def test_removed_lines_without_a_new_seal(self):
        lines = seal(GOOD).splitlines(True)
        for at in range(len(lines)):
            self.assertFound(b"".join(lines[:at] + lines[at + 1:]))

    def test_removed_segments(self):
        self.assertFound(seal(GOOD[:7] + GOOD[8:]), "segment 3 of device", "where 2 belongs")
        self.assertFound(seal(GOOD[:3] + GOOD[6:]), "where 1 belongs")

    def test_swapped_segments(self):
        self.assertFound(seal(GOOD[:3] + a2 + a1 + b1 + a3 + b2), "segment 2 of device", "where 1 belongs")
        self.assertFound(seal(GOOD[:3] + b2 + a1 + a2 + a3 + b1), "where 1 belongs")

    def test_a_segment_twice(self):
        self.assertFound(seal(GOOD[:8] + a2 + GOOD[8:]), "segment 2 of device", "where 3 belongs")

    def test_another_exporter_alters_segments(self):
        for exporter in (B, STRANGER):
            leaf = copy.deepcopy(GOOD)
            leaf[3]["leaves"][1] = "00" * 32
            self.assertFound(seal(leaf, exporter), "line 4: the root that was signed")
            leaf[3]["signed"] = signed(A, 1, ZEROS, root_of(leaf[3]), exporter.key).hex()
            self.assertFound(seal(leaf, exporter), "line 4: the signature of device", "line 8: the root before")
            entry = copy.deepcopy(GOOD)
            entry[4]["bytes"] = entry[4]["bytes"][:-2] + "00"
            self.assertFound(seal(entry, exporter), "line 5: entry 0 is not what the device signed")
        self.assertFound(seal(GOOD, STRANGER), "who exported is no device of this file")
        lent = Device("a", "desk")
        lent.key = STRANGER.key
        self.assertFound(seal(GOOD, lent), "not the one that the file names")

    def test_a_segment_of_another_device_or_library(self):
        lines = copy.deepcopy(GOOD)
        lines[6]["signed"] = lines[3]["signed"]
        self.assertFound(seal(lines), "line 7: another device")
        self.assertFound(seal([dict(FIRST, library="00" * 20)] + GOOD[1:]), "line 4: the signature of device")

    def test_an_honest_device_forks(self):
        """Signed with the true key, but not after the segment before it."""
        other, _ = segment(A, 2, root_b1, 0, [])
        self.assertFound(seal(GOOD[:7] + other + b2), "line 8: the root before is not")
        other, _ = segment(A, 1, root_b1, 0, [])
        self.assertFound(seal([FIRST, A.line()] + other), "line 3: the root before its first segment is not 32 zeros")

    def test_what_was_signed_is_of_another_kind_or_number(self):
        """By the true key, so that only the comparison with the line tells."""
        for clear, word in [(b"SLG2" + A.raw + struct.pack(">I", 1), "SLG1"), (b"SLG1" + A.raw + struct.pack(">I", 9), "number 1")]:
            clear += ZEROS + root_of(a1[0])
            line = dict(a1[0], signed=(clear + A.key.sign(3, LIBRARY + clear)).hex())
            code, said = check(seal([FIRST, A.line(), line]))
            self.assertEqual((code, said.count("line 3: "), word in said), (1, 1, True), said)

    def test_entries_of_an_unusable_segment_are_not_taken_for_those_of_the_one_before(self):
        broken = dict(a1[0], leaves=["00"])
        self.assertFound(seal([FIRST, A.line()] + a1 + [broken] + a1[1:]), "line 6: leaf 0", "line 7: an entry without a usable")

    def test_fields_more_or_twice(self):
        for at, line in enumerate(GOOD):
            self.assertFound(seal(GOOD[:at] + [dict(line, more=1)] + GOOD[at + 1:]), f"line {at + 1}: 'more' does not belong")
            name = next(iter(line))
            twice = plain(GOOD[:at]) + plain([line]).replace(b"{", b'{"' + name.encode() + b'": 0, ', 1) + plain(GOOD[at + 1:])
            self.assertFound(seal(twice), f"line {at + 1}: ", "twice")

    def test_no_line_names_the_device(self):
        self.assertFound(seal(GOOD[:2] + GOOD[3:]), "no line names device")
        self.assertFound(seal([FIRST] + a1 + [A.line()]), "line 2: no line names device")

    def test_device_twice(self):
        self.assertFound(seal(GOOD[:3] + [A.line()] + GOOD[3:]), "line 4: device", "has a line already")

    def test_entries(self):
        self.assertFound(seal(GOOD[:5] + [GOOD[4]] + GOOD[5:]), "line 6: entry 0 a second time")
        self.assertFound(seal(GOOD[:4] + [GOOD[5], GOOD[4]] + GOOD[6:]), "line 6: entry 0 after entry 2")
        self.assertFound(seal(GOOD[:3] + [GOOD[4]] + GOOD[5:]), "an entry without a usable segment")
        for place, word in [(3, "its segment has 3"), (-1, "its segment has 3"), (10**19, "its segment has 3"), (10**30, "a number of 31 digits"), (1, "not what"),
                            (True, "not a whole number"), ("0", "not a whole number"), (None, "not a whole number")]:
            self.assertFound(seal(GOOD[:4] + [dict(GOOD[4], entry=place)] + GOOD[5:]), "line 5: ", word)

    def test_bytes_without_id_and_stamp(self):
        for data in (b"", b"\x84", b"\x84\x4c" + bytes(12) + b"\x1b\0", b"\x84\x4c" + bytes(12) + b"\x1f" + bytes(8)):
            leaf = H(b"\0", bytes(16), data).hex()
            line = dict(a1[0], leaves=[leaf])
            line["signed"] = signed(A, 1, ZEROS, root_of(line)).hex()
            entry = dict(a1[1], salt="00" * 16, bytes=data.hex())
            self.assertFound(seal([FIRST, A.line(), line, entry]), "line 4: 'bytes'")

    def test_around_the_file(self):
        good = seal(GOOD)
        for more in (b"\n", b" ", b"x", b"\0", b"{}\n", good, plain([FIRST])):
            self.assertFound(good + more, "bytes after the last line")
        self.assertFound(plain(GOOD), "there is no last line")
        self.assertFound(b"", "there is no last line")
        self.assertFound(seal(GOOD[1:]), "line 1: the first line does not say")
        self.assertFound(seal(GOOD + [FIRST]), "the first line of an export is somewhere else")
        self.assertFound(seal([dict(FIRST, safelight_audit=2)] + GOOD[1:]), "version 2")
        self.assertFound(b"\xef\xbb\xbf" + good, "no audit export")
        self.assertFound(good.replace(b"\n", b"\r\n"))
        self.assertFound(good.decode().encode("utf-16"), "no audit export")

    def test_hostile_lines(self):
        deep = b'{"op":' + b"[" * 100000 + b"]" * 100000 + b"}"
        near = b'{"op":' + b"[" * 900 + b"]" * 900 + b',"when":1,"device":1,"device_name":1,"sort":1,"what":1,"entry":0,"salt":1,"bytes":1}'
        for line in (b"", b" ", b"null", b"[]", b"{}", b'{"op":1}', b"{", b'{"a":1,"a":1}', b"\xff", b'"', deep, near,
                     b'{"segment":' + b"9" * 100000 + b"}", b'{"segment":1e999}', b'{"segment":NaN}', b'{"segment":-Infinity}',
                     b'{"op":"\\ud800"}', b'{"\\u001b[31m":1,"op":1}', b'{"sha256":{}}', b'{"device":[]}' , b'{"\xc3":1}'):
            self.assertFound(seal(plain(GOOD[:6]) + line + b"\n" + plain(GOOD[6:])), "line 7: ")
            self.assertNotIn("\x1b", check(line + b"\n" + seal(GOOD))[1])

    def test_wrong_types_everywhere(self):
        values = (None, True, 0, -1, 1.5, 10**19, 10**30, "", "x", "\u0661", "\ud800", "0" * 63, "AB" * 32, " " + "00" * 31, "00" * 5000,
                  [], [[]], [None], [0], ["00"], ["x" * 64], {}, {"a": []})
        sealed = [json.loads(line) for line in seal([FIRST, A.line()] + a1).splitlines()]
        free = {"name": (str, type(None)), "device_name": (str, type(None)), "exported": str, "sort": str, "what": str}
        for at, line in enumerate(sealed):
            for field in line:
                for value in values:
                    lines = copy.deepcopy(sealed)
                    lines[at][field] = value
                    again = lines if at == len(sealed) - 1 else lines[:-1] + [last(plain(lines[:-1]))]
                    try:
                        code, said = check(plain(again))
                    except Exception as error:
                        self.fail(f"{field} = {value!r}: {error!r}")
                    same = type(value) is type(line[field]) and value == line[field]
                    if not same and not (field in free and isinstance(value, free[field])):
                        self.assertEqual(code, 1, (field, value, said))

    def test_non_canonical(self):
        for at, field in [(0, "library"), (1, "verifying_key"), (3, "signed"), (3, "header"), (4, "salt"), (4, "bytes")]:
            value = GOOD[at][field]
            for other in (value.upper(), " " + value, value + " ", value + "\n", value[:2] + " " + value[2:], value[:-1], "0x" + value):
                if other != value:
                    self.assertFound(seal(GOOD[:at] + [dict(GOOD[at], **{field: other})] + GOOD[at + 1:]), f"line {at + 1}: ")
        for other in (A.id.upper(), A.id + "======", A.id[:-1] + "b", A.id[:-1], "", "\u00fc" * 26):
            self.assertFound(seal([FIRST, dict(A.line(), device=other)]), "line 2: 'device' is not the id")

    def test_keys_of_small_order(self):
        self.assertFound(seal([FIRST, A.line(), dict(B.line(), verifying_key="01" + "00" * 31)]), "line 3: 'verifying_key'")

    def test_noise(self):
        """Whatever comes: a result, never an exception."""
        dice, good = random.Random(8), seal([FIRST, A.line()] + a1)
        pieces = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\n", b"null", b"-1", b"1e9", b"\\u0000", b"\xff", b'"op":', b'"sha256":']
        for _ in range(3000):
            data = bytearray(good)
            for _ in range(dice.randint(1, 5)):
                at = dice.randrange(len(data))
                data[at:at + dice.choice((0, 1, 9))] = dice.choice(pieces)
            if bytes(data) != good:
                self.assertEqual(check(bytes(data))[0], 1, bytes(data))

    def test_a_line_beyond_the_limit(self):
        before, audit_verify.LINE_LIMIT = audit_verify.LINE_LIMIT, 5000
        try:
            data = plain(GOOD[:6]) + b"x" * 12345 + b"\n" + plain(GOOD[6:])
            code, said = check(seal(data))
            self.assertEqual([line for line in said.splitlines() if line.startswith("line")], ["line 7: longer than 5000 bytes"])
        finally:
            audit_verify.LINE_LIMIT = before

    def test_more_values_than_fit(self):
        self.assertFound(seal(plain(GOOD[:6]) + b'{"op":[' + b"1," * 2100000 + b"1]}\n"), "line 7: more values")

class CommandLine(unittest.TestCase):
    def run_it(self, *files):
        with tempfile.TemporaryDirectory() as folder:
            names = []
            for number, data in enumerate(files):
                names.append(os.path.join(folder, str(number)))
                if data is not None:
                    with open(names[-1], "wb") as file:
                        file.write(data)
            done = subprocess.run([sys.executable, os.path.join(HERE, "audit_verify.py")] + names, capture_output=True,
                                  env=dict(os.environ, PYTHONIOENCODING="ascii"))
        self.assertNotIn(b"Traceback", done.stderr)
        return done.returncode

    def test_codes(self):
        strange = [FIRST, dict(A.line(), name="\u00fc \u2603 \x1b[31m")]
        self.assertEqual(self.run_it(seal(strange)), 0)
        self.assertEqual(self.run_it(plain(GOOD)), 1)
        self.assertEqual(self.run_it(None), 2)
        self.assertEqual(self.run_it(), 2)
        self.assertEqual(self.run_it(b"", b"", b""), 2)

    def test_table(self):
        table = b"when,what\n1,\xff\n"
        good = plain([last(table)])
        self.assertEqual(self.run_it(table, good), 0)
        self.assertEqual(self.run_it(table, good[:-1]), 0)
        for bad_table, signature in [(table + b"\n", good), (b"", good), (table, b""), (table, b"x" * 99999), (table, good + good),
                                     (table, good + b"\n"), (table, good.replace(b'"sha', b'"Sha')), (table, plain([A.line()])),
                                     (table, plain([dict(last(table), signature="00" * 64)])), (table, plain([dict(last(table), sha256=1)]))]:
            self.assertEqual(self.run_it(bad_table, signature), 1, signature)
        self.assertEqual(self.run_it(table, None), 2)

if __name__ == "__main__":
    ended = unittest.main(exit=False).result
    bad = len(ended.failures) + len(ended.errors)
    print(f"{ended.testsRun - bad - len(ended.skipped)} passed, {bad} failed, {len(ended.skipped)} skipped")
    sys.exit(bad > 0)
