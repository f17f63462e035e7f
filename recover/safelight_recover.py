#!/usr/bin/env python3
"""Opens a copy of a Safelight bucket with the 24 recovery words, or shares of them, and writes every original out, bit for bit.

    safelight_recover.py list    BUCKET [--words-file FILE]        what is there
    safelight_recover.py verify  BUCKET [--words-file FILE]        read everything, write nothing
    safelight_recover.py restore BUCKET DIR [--words-file FILE]    write the originals into DIR

BUCKET is a folder with root/, keys/, log/, o/, s/ ... as a remote holds them, or a library folder.
Needs Python 3.9 or newer and `pip install cryptography`. Nothing else: no network, no database, no Safelight.

Written from docs/spec/sl1.md and docs/spec/sl1-history.md alone, of which it is the second reader; the section
signs below are theirs ("history" is the second file). The codes of refusals are the specification's, too.
"""
import argparse, base64, collections, contextlib, errno, hashlib, hmac, json, mmap, os, re, stat, struct, sys, tarfile, time, zlib

try:
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
except ImportError:
    sys.exit("safelight-recover needs the Python package 'cryptography': pip install cryptography")

MIB = 1 << 20
PART = 32 * MIB


class Refused(Exception):
    """A broken rule: `code` is the specification's name for it."""

    def __init__(self, code, detail=""):
        super().__init__(code + (": " + detail if detail else ""))
        self.code = code

def demand(holds, code, detail=""):
    if not holds:
        raise Refused(code, detail)

# ---- Primitives (§1.1) ---------------------------------------------------------------------------------

def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def lp(x):
    return struct.pack(">I", len(x)) + x

def extract(salt, secret):
    return hmac.new(salt, secret, hashlib.sha256).digest()

def expand(key, info):
    info = info.encode() if isinstance(info, str) else info
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()  # one block of HKDF is all we need

def aead_open(key, nonce, sealed, code):
    try:
        return AESGCM(key).decrypt(nonce, sealed, None)
    except InvalidTag:
        raise Refused(code) from None

def id_text(x):
    return base64.b32encode(x).decode().lower().rstrip("=")

def id_bytes(text):
    try:
        x = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        raise Refused("bad-field", "not an id") from None
    demand(id_text(x) == text, "bad-field", "not an id")
    return x


class Reader:
    """Takes fixed fields off the front; the end must be reached exactly."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        demand(n <= len(self.data) - self.at, "truncated")
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def end(self):
        demand(self.at == len(self.data), "trailing-bytes")

# ---- Signatures (§1.3) ---------------------------------------------------------------------------------

P = 2**255 - 19
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER_Y = {0, 1, P - 1, _Y8, P - _Y8}  # the points of order 1, 2, 4 and 8

def verify(key, domain, message, signature):
    demand((int.from_bytes(key, "little") & (2**255 - 1)) % P not in SMALL_ORDER_Y, "bad-public-key")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, b"safelight/1 sign" + bytes([domain]) + message)
    except (InvalidSignature, ValueError):
        raise Refused("bad-signature") from None

# ---- X-Wing: X25519 + ML-KEM-768 (§1.4; FIPS 203, draft-connolly-cfrg-xwing-kem-06) --------------------

Q = 3329
_REVERSED = [int(f"{i:07b}"[::-1], 2) for i in range(128)]
ZETA = [pow(17, r, Q) for r in _REVERSED]
GAMMA = [pow(17, 2 * r + 1, Q) for r in _REVERSED]

def ntt(f):
    f, k, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            for j in range(start, start + length):
                t = ZETA[k] * f[j + length] % Q
                f[j], f[j + length] = (f[j] + t) % Q, (f[j] - t) % Q
            k += 1
        length //= 2
    return f

def inverse_ntt(f):
    f, k, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            for j in range(start, start + length):
                a, b = f[j], f[j + length]
                f[j], f[j + length] = (a + b) % Q, ZETA[k] * (b - a) % Q
            k -= 1
        length *= 2
    return [x * 3303 % Q for x in f]

def multiply(f, g):
    h = []
    for i in range(128):
        a, b, c, d = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h += [(a * c + b * d * GAMMA[i]) % Q, (a * d + b * c) % Q]
    return h

def add(*polynomials):
    return [sum(column) % Q for column in zip(*polynomials)]

def inner(fs, gs):
    return add(*[multiply(f, g) for f, g in zip(fs, gs)])

def pack_bits(f, d):
    return sum(x << (d * i) for i, x in enumerate(f)).to_bytes(32 * d, "little")

def unpack_bits(data, d):
    number = int.from_bytes(data, "little")
    return [(number >> (d * i)) & ((1 << d) - 1) for i in range(256)]

def compress(f, d):
    return [((x << d) + Q // 2) // Q % (1 << d) for x in f]

def decompress(f, d):
    return [(x * Q + (1 << (d - 1))) >> d for x in f]

def uniform(seed, i, j):
    stream, out = hashlib.shake_128(seed + bytes([i, j])).digest(3 * 168 * 4), []
    for k in range(0, len(stream), 3):
        b = stream[k:k + 3]
        out += [x for x in (b[0] | (b[1] & 15) << 8, b[1] >> 4 | b[2] << 4) if x < Q]
    return out[:256]  # 2,016 bytes give fewer than 256 coefficients once in 2^200 times

def noise(seed, n):
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([n])).digest(128), "little")
    bit = lambda i: bits >> i & 1
    return [(bit(4 * i) + bit(4 * i + 1) - bit(4 * i + 2) - bit(4 * i + 3)) % Q for i in range(256)]

def kem_encrypt(public, message, coins):
    t = [unpack_bits(public[384 * i:384 * (i + 1)], 12) for i in range(3)]
    y = [ntt(noise(coins, n)) for n in range(3)]
    u = [add(inverse_ntt(inner([uniform(public[1152:], i, j) for j in range(3)], y)), noise(coins, 3 + i))
         for i in range(3)]
    v = add(inverse_ntt(inner(t, y)), noise(coins, 6), decompress(unpack_bits(message, 1), 1))
    return b"".join(pack_bits(compress(p, 10), 10) for p in u) + pack_bits(compress(v, 4), 4)


class XWingKey:
    """The key pair of a 32-byte seed."""

    def __init__(self, seed):
        stream = hashlib.shake_256(seed).digest(96)
        rho_sigma = hashlib.sha3_512(stream[:32] + b"\x03").digest()
        rho, sigma, self.reject = rho_sigma[:32], rho_sigma[32:], stream[32:64]
        self.s = [ntt(noise(sigma, n)) for n in range(3)]
        t = [add(inner([uniform(rho, j, i) for j in range(3)], self.s), ntt(noise(sigma, 3 + i))) for i in range(3)]
        self.kem_public = b"".join(pack_bits(p, 12) for p in t) + rho
        self.x = X25519PrivateKey.from_private_bytes(stream[64:])
        self.x_public = self.x.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = self.kem_public + self.x_public

    def decapsulate(self, encapsulation):
        c, x_ephemeral = encapsulation[:1088], encapsulation[1088:]
        u = [ntt(decompress(unpack_bits(c[320 * i:320 * (i + 1)], 10), 10)) for i in range(3)]
        w = add(decompress(unpack_bits(c[960:], 4), 4), [-x for x in inverse_ntt(inner(self.s, u))])
        message = pack_bits(compress(w, 1), 1)
        shared_coins = hashlib.sha3_512(message + hashlib.sha3_256(self.kem_public).digest()).digest()
        shared = shared_coins[:32]
        if not hmac.compare_digest(kem_encrypt(self.kem_public, message, shared_coins[32:]), c):
            shared = hashlib.shake_256(self.reject + c).digest(32)
        try:
            x_shared = self.x.exchange(X25519PublicKey.from_public_bytes(x_ephemeral))
        except ValueError:  # a point of small order: the secret is then zero, and opens nothing
            x_shared = bytes(32)
        return hashlib.sha3_256(shared + x_shared + x_ephemeral + self.x_public + b"\\.//^\\").digest()

def check_kem_public(key):
    for i in range(3):
        demand(max(unpack_bits(key[384 * i:384 * (i + 1)], 12)) < Q, "bad-public-key")

# ---- Recovery words (§1.2) -----------------------------------------------------------------------------

def word_bits(words, before=0):
    numbers = {word: n for n, word in enumerate(WORD_LIST.split())}
    bits = 0
    for place, word in enumerate(words, before + 1):
        demand(word in numbers, "unknown-word", f"word {place} is not in the list")
        bits = bits << 11 | numbers[word]
    return bits

def gf_times(one, other):
    product = 0
    while other:
        product ^= one if other & 1 else 0
        one = one << 1 ^ (0x11b if one & 0x80 else 0)
        other >>= 1
    return product

def gf_over(one, other):
    return next(q for q in range(256) if gf_times(q, other) == one)

def read_share(words, before):
    """(set and threshold, number, values) of a share (§1.2.1)."""
    bits = word_bits(words, before)
    body = (bits >> 17).to_bytes(35, "big")
    demand(int.from_bytes(H(b"safelight/1 share" + body)[:3], "big") >> 7 == bits & 0x1ffff
           and body[2] >> 4 >= 2 and body[2] & 15, "share-checksum",
           f"the words of share {before // 27 + 1} do not belong together: one is mistaken")
    return (body[:2], body[2] >> 4), body[2] & 15, body[3:]

def combined(words):
    shares = [read_share(words[at:at + 27], at) for at in range(0, len(words), 27)]
    values = {number: value for _, number, value in shares}
    threshold = shares[0][0][1]
    belong = len({kind for kind, _, _ in shares}) == 1 and all(values[number] == value for _, number, value in shares)
    demand(belong, "shares-of-several", "these shares do not belong together")
    demand(len(values) >= threshold, "too-few-shares", f"{len(values)} of {threshold} shares are here")
    needed = sorted(values)[:threshold]

    def at(place):
        sum = bytes(32)
        for number in needed:
            weight = 1
            for other in needed:
                if other != number:
                    weight = gf_times(weight, gf_over(place ^ other, number ^ other))
            sum = bytes(a ^ gf_times(b, weight) for a, b in zip(sum, values[number]))
        return sum

    demand(all(at(number) == values[number] for number in values), "shares-of-several", "these shares do not belong together")
    return at(0)

class Words:
    """The 24 words, or as many shares of 27 words as are needed."""
    def __init__(self, text):
        words = text.lower().split()
        if words and len(words) % 27 == 0:
            entropy = combined(words)
        else:
            demand(len(words) == 24, "word-count", f"{len(words)} words instead of 24")
            bits = word_bits(words)
            entropy = (bits >> 8).to_bytes(32, "big")
            demand(H(entropy)[0] == bits & 255, "words-checksum", "the words do not belong together: one is mistaken")
        bits = int.from_bytes(entropy, "big") << 8 | H(entropy)[0]
        self.text = " ".join(WORD_LIST.split()[bits >> 11 * at & 2047] for at in reversed(range(24)))
        p = extract(b"safelight/1 words", entropy)
        self.kem = XWingKey(expand(p, "kem"))
        signing = Ed25519PrivateKey.from_private_bytes(expand(p, "signing"))
        self.verifying = signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = H(self.verifying, self.kem.public)[:20]

# ---- The envelope (§2) ---------------------------------------------------------------------------------

ORIGINAL, ENTRY, INDEX, SEGMENT, KEYS_FILE = 1, 2, 3, 4, 8

def padme(n):
    if n < 2:
        return n
    e = n.bit_length() - 1
    step = 1 << max(e - e.bit_length(), 0)
    return -(-n // step) * step

def sealed_body(plain, segment):
    return plain + 16 * -(-plain // segment)

def check_header(data, wanted):
    """§2.2, in its order; returns the segment size. The secret is looked up by the caller, next."""
    demand(len(data) >= 136, "truncated")
    demand(data[:4] == b"SLO1", "bad-magic")
    demand(1 <= data[4] <= 10, "unknown-kind")
    demand(data[5] == 1, "unknown-suite")
    demand(data[6] in (16, 20), "bad-segment-size")
    demand(data[7] == 0, "unknown-flags")
    demand(data[4] == wanted, "wrong-kind")
    return 1 << data[6]

def open_segments(data, segment, body, secret, library, name, part=0, parts=1, total=0):
    """Yields the plaintext, segment by segment, padding and all (§2.3, §2.6). `data` is the whole object."""
    bound = bytes(data[:56])
    context = lp(library) + lp(name.encode()) + lp(struct.pack(">I", part)) + lp(struct.pack(">I", parts)) \
        + lp(struct.pack(">Q", total))
    wrap = expand(extract(bound[24:], secret), b"safelight/1" + bound + context)
    key = aead_open(wrap, bytes(12), bytes(data[56:104]), "wrong-context")
    demand(hmac.compare_digest(expand(key, b"commit" + bound), bytes(data[104:136])), "commitment-mismatch")
    cipher = AESGCM(expand(key, "enc"))
    for i, at in enumerate(range(body, len(data), segment + 16)):
        piece = data[at:at + segment + 16]
        last = at + segment + 16 >= len(data)
        try:
            yield cipher.decrypt(i.to_bytes(11, "big") + bytes([last]), bytes(piece), None)
        except InvalidTag:
            raise Refused("segment-damaged", f"segment {i}") from None

def open_carried(data, kind, secret_of, library, name, *where):
    """The content of an object that carries its length (§2.5). `secret_of(key id, data)` gives the secret."""
    segment = check_header(data, kind)
    body = 136 + (1120 if kind in (8, 9) else 0)
    secret = secret_of(bytes(data[8:24]), data)
    length = len(data) - body
    demand(length >= 17 and not 1 <= length % (segment + 16) <= 16, "truncated")
    plain = b"".join(open_segments(data, segment, body, secret, library, name, *where))
    demand(len(plain) >= 8, "bad-padding")
    count = int.from_bytes(plain[-8:], "big")
    demand(count <= len(plain) - 8 and not any(plain[count:-8]), "bad-padding")
    fitting = max(padme(count + 8), 4096)
    demand(len(plain) == fitting or kind == INDEX and len(plain) > count + 8, "bad-padding")
    return plain[:count]

def part_of(length, part):
    """(how many parts an original has, the plaintext length of one of them), padding included (§2.5)."""
    padded = max(padme(length), 1024)
    return -(-padded // PART), min(PART, padded - part * PART)

def open_original_part(data, secret_of, library, name, part, parts, total):
    segment = check_header(data, ORIGINAL)
    count, plain = part_of(total, part)
    demand(parts == count and part < parts, "no-such-part")
    secret = secret_of(bytes(data[8:24]), data)
    demand(len(data) == 136 + sealed_body(plain, segment), "size-mismatch")
    left = max(total - part * PART, 0)
    for piece in open_segments(data, segment, 136, secret, library, name, part, parts, total):
        content, padding = piece[:left], piece[left:]
        demand(not any(padding), "bad-padding")
        left -= len(content)
        yield content

# ---- Pack entries, remote packs, local packs (§3.3 – §3.5) ---------------------------------------------

Record = collections.namedtuple("Record", "epoch content kind recipe length hash")
RECORD = struct.Struct(">16s32sBHQ32s")

def entry_size(length):
    """(bytes of a sealed entry, bytes of plaintext in it)"""
    demand(length <= 64 * MIB, "too-large")
    n = max(length, 1)
    size = -(-(112 + n + 16 * -(-n // 65536)) // 1024) * 1024
    while 1 <= (size - 112) % 65552 <= 16:
        size += 1024
    return size, size - 112 - 16 * -(-(size - 112) // 65552)

def open_entry(sealed, record, secret_of, library):
    demand(len(sealed) == entry_size(record.length)[0], "size-mismatch")
    data = b"SLO1\x02\x01\x10\x00" + record.epoch + sealed
    name = f"entry/{id_text(record.content)}/{record.kind}/{record.recipe}"
    secret = secret_of(record.epoch, data)
    plain = b"".join(open_segments(data, 65536, 136, secret, library, name, 0, 1, record.length))
    demand(not any(plain[record.length:]), "bad-padding")
    content = plain[:record.length]
    demand(H(content) == record.hash, "content-mismatch")
    return content

def read_pack(data, secret_of, library, name):
    """Every (record, offset, size) that a remote pack's index lists."""
    check_header(bytes(data[:24]) + bytes(112), ENTRY)
    secret = secret_of(bytes(data[8:24]), data)
    mask = expand(secret, "safelight/1 pack tail" + name)[:8]
    length = int.from_bytes(data[-8:], "big") ^ int.from_bytes(mask, "big")
    start = len(data) - 8 - length
    demand(start >= 24, "entry-outside")
    index = Reader(open_carried(data[start:-8], INDEX, secret_of, library, name))
    demand(index.number(2) == 1, "unknown-version")
    count = index.number(4)
    demand(count * RECORD.size == len(index.data) - 6, "bad-field")
    at, entries = 24, []
    for _ in range(count):
        record = Record(*RECORD.unpack(index.take(RECORD.size)))
        size = entry_size(record.length)[0]
        entries.append((record, at, size))
        at += size
    demand(at == start, "entry-outside")
    return entries

def scan_local_pack(data, secret_of, library):
    """(every (record, offset, size) of a good frame, every (from, to) that is damaged, where the last good one ends)"""
    entries, damaged = [], []
    at = good = 8 if data[:8] == b"SLLP\x00\x01\x00\x00" else 0
    while len(data) - at >= 160:
        try:
            demand(data[at:at + 4] == b"SLLF", "bad-magic")
            size = int.from_bytes(data[at + 4:at + 8], "big")
            epoch, salt = data[at + 8:at + 24], data[at + 128:at + 160]
            demand(at + 128 + size <= len(data), "truncated")
            info = b"safelight/1 local frame" + library + data[at + 4:at + 8]
            key = expand(extract(salt, secret_of(epoch, None)), info)
            fields = aead_open(key, bytes(12), data[at + 24:at + 128], "not-a-frame")
            record = Record(*RECORD.unpack(epoch + fields[:75]))
            demand(entry_size(record.length)[0] == size and not any(fields[75:]), "size-mismatch")
        except Refused:
            at = data.find(b"SLLF", at + 1)
            if at < 0:
                break
            continue
        if at > good:
            damaged.append((good, at))
        entries.append((record, at + 128, size))
        at = good = at + 128 + size
    return entries, damaged, good

# ---- CBOR, deterministic (history §1) ------------------------------------------------------------------

def cbor_head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    size = next(s for s in (1, 2, 4, 8) if n < 1 << 8 * s)
    return bytes([major << 5 | 23 + size.bit_length()]) + n.to_bytes(size, "big")

def cbor_encode(x):
    if x is None or isinstance(x, bool):
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[x]
    if isinstance(x, int):
        return cbor_head(0, x) if x >= 0 else cbor_head(1, -1 - x)
    if isinstance(x, bytes):
        return cbor_head(2, len(x)) + x
    if isinstance(x, str):
        return cbor_head(3, len(x.encode())) + x.encode()
    if isinstance(x, list):
        return cbor_head(4, len(x)) + b"".join(map(cbor_encode, x))
    if isinstance(x, tuple):    # a key that Python cannot hold, as it came
        return x[1]
    pairs = sorted((cbor_encode(k), cbor_encode(v)) for k, v in x.items())
    return cbor_head(5, len(pairs)) + b"".join(k + v for k, v in pairs)

def cbor_decode(data):
    reader = Reader(data)
    value = _cbor_item(reader, 1)
    reader.end()
    return value

def _cbor_item(reader, depth):
    demand(depth <= 20, "bad-cbor", "nested too deep")  # 16 for a carried value, which lies a few deep itself
    head = reader.number(1)
    major, n = head >> 5, head & 31
    if major == 7:
        demand(n in (20, 21, 22), "bad-cbor", "no such simple value")
        return {20: False, 21: True, 22: None}[n]
    demand(major != 6 and n < 28, "bad-cbor", "a tag, or an indefinite length")
    if n >= 24:
        size = 1 << n - 24
        n = reader.number(size)
        demand(n >= (24 if size == 1 else 1 << 4 * size), "bad-cbor", "not the shortest form")
    if major == 0:
        return n
    if major == 1:
        demand(n < 1 << 63, "bad-cbor", "an integer out of range")
        return -1 - n
    if major == 2:
        return reader.take(n)
    if major == 3:
        try:
            return reader.take(n).decode()
        except UnicodeDecodeError:
            raise Refused("bad-cbor", "text that is not UTF-8") from None
    demand(n <= len(reader.data) - reader.at, "truncated")
    if major == 4:
        return [_cbor_item(reader, depth + 1) for _ in range(n)]
    out, before = {}, None
    for _ in range(n):
        start = reader.at
        key = _cbor_item(reader, depth + 1)
        raw = reader.data[start:reader.at]
        demand(before is None or before < raw, "bad-cbor", "map keys out of order")
        before = raw
        plain = isinstance(key, (int, bytes, str)) and not isinstance(key, bool)
        out[key if plain else ("cbor", raw)] = _cbor_item(reader, depth + 1)
    return out

# ---- Root card, statements, roster (§1.5, §1.11, §1.12) ------------------------------------------------

def read_device_card(data):
    reader = Reader(data)
    device, verifying, kem = reader.take(16), reader.take(32), reader.take(1216)
    reader.end()
    check_kem_public(kem)
    demand(H(verifying, kem)[:16] == device, "keys-not-of-id")
    return device, verifying

def read_root_card(data, words_id):
    reader = Reader(data)
    demand(reader.take(4) == b"SLRC", "bad-magic")
    demand(reader.number(2) == 1, "unknown-version")
    card = {"verifying": reader.take(32), "kem": reader.take(1216), "library": reader.take(20),
            "statements": reader.take(32), "date": reader.number(8)}
    signature = reader.take(64)
    reader.end()
    demand(H(card["verifying"], card["kem"])[:20] == words_id, "keys-not-of-id")
    verify(card["verifying"], 1, data[:-64], signature)
    return card

def read_keys_file(data, words, library, epoch, recipient):
    """{epoch: sealing secret} of a keys file sealed to the words (§1.7)."""
    name = f"keys/{id_text(epoch)}/{recipient}"
    secret_of = lambda _epoch, data: words.kem.decapsulate(bytes(data[136:136 + 1120]))
    content, secrets, newest = Reader(open_carried(data, KEYS_FILE, secret_of, library, name)), {}, None
    for _ in range(content.number(4)):
        newest = content.take(16)
        secrets[newest] = expand(content.take(32), "safelight/1 epoch sealing")
    content.end()
    demand(newest == epoch == data[8:24], "bad-field", "the newest epoch is not the last")
    return secrets

ROOT, ADMIT, RETIRE, REVOKE, LAPSE, EPOCH, FEATURE = range(1, 8)

class Statement:
    def __init__(self, data):
        self.data, self.id, reader = data, H(data), Reader(data)
        demand(reader.take(4) == b"SLST", "bad-magic")
        demand(reader.number(2) == 1, "unknown-version")
        self.library = reader.take(20)
        self.author = self.recipient(reader)
        self.date = reader.number(8)
        self.after = [reader.take(32) for _ in range(reader.number(2))]
        demand(self.after == sorted(set(self.after)), "bad-field", "ids are not ascending")
        self.kind = reader.number(2)
        size = reader.number(4)
        demand(size <= MIB, "too-large")
        body = reader.take(size)
        self.signature = reader.take(64)
        reader.end()
        self.read_body(Reader(body))

    @staticmethod
    def recipient(reader):
        kind = reader.number(1)
        demand(kind in (1, 2), "bad-field", "no such kind of author")
        return kind, reader.take(16 if kind == 1 else 20)

    def read_body(self, body):
        if self.kind == ROOT:
            self.verifying, kem = body.take(32), body.take(1216)
            check_kem_public(kem)
            self.words = H(self.verifying, kem)[:20]
        elif self.kind == ADMIT:
            self.device, self.verifying = read_device_card(body.take(16 + 32 + 1216))
        elif self.kind in (RETIRE, REVOKE, LAPSE):
            self.device = body.take(16)
            self.last = body.number(4) if self.kind != LAPSE else None
            self.last_root = body.take(32) if self.kind == REVOKE else None
        elif self.kind == EPOCH:
            self.epoch = body.take(16)
            files = [(self.recipient(body), body.take(32)) for _ in range(body.number(2))]
            recipients = [recipient for recipient, _ in files]
            demand(recipients == sorted(set(recipients)), "bad-field", "recipients are not ascending")
            self.files = dict(files)
        elif self.kind == FEATURE:
            feature = body.take(len(body.data))
            demand(re.fullmatch(rb"[a-z0-9-]{1,64}", feature), "bad-field", "not a feature")
            self.feature = feature.decode()
        else:
            body.take(len(body.data))
        body.end()


class Roster:
    """Replays statements in the one order that they define; `refused` lists (statement, code)."""

    def __init__(self, statements, library):
        self.library, self.words, self.words_key = library, None, None
        self.devices = {}        # id -> [verifying key, standing, last seq, root at last]
        self.keys_files = {}     # (epoch, recipient) -> H(keys file)
        self.features, self.refused, self.accepted = [], [], []
        self.replaced = {}       # words that were in force -> when others came in their place
        waiting, seen = {s.id: s for s in statements}, set()
        births = sorted(s.id for s in statements if self.is_birth(s))
        if births:
            self.accepted.append(waiting.pop(births[0]))
            seen.add(births[0])
            self.words, self.words_key = library, self.accepted[0].verifying
        self.hashes = {H(*sorted(seen))}     # of the statements looked at, after each step
        while births:
            ready = [s for s in waiting.values() if seen.issuperset(s.after)]
            if not ready:
                break
            s = min(ready, key=lambda s: (s.author[0] == 1, s.kind != REVOKE, s.date, s.id))
            del waiting[s.id]
            seen.add(s.id)
            self.hashes.add(H(*sorted(seen)))
            try:
                self.apply(s)
                self.accepted.append(s)
            except Refused as refusal:
                self.refused.append((s, refusal.code))
        self.refused += [(s, "missing-statement") for s in waiting.values()]

    def is_birth(self, s):
        try:
            demand(s.kind == ROOT and not s.after, "not-allowed")
            demand(self.library == s.library == s.words == s.author[1], "not-allowed")
            verify(s.verifying, 2, s.data[:-64], s.signature)
            return True
        except Refused:
            return False

    def apply(self, s):
        demand(s.library == self.library and s.after, "not-allowed")
        kind, author = s.author
        if kind == 2:
            demand(author == self.words, "not-allowed")
            key = self.words_key
        else:
            demand(author in self.devices and self.devices[author][1] in ("active", "lapsed"), "not-allowed")
            key = self.devices[author][0]
        verify(key, 2, s.data[:-64], s.signature)
        target = self.devices.get(getattr(s, "device", None))
        if s.kind == ROOT:
            demand(kind == 2, "not-allowed")     # only words replace words
            self.replaced[author] = s.date
            self.words, self.words_key = s.words, s.verifying
        elif s.kind == ADMIT:
            demand(target is None, "not-allowed")
            self.devices[s.device] = [s.verifying, "active", None, None]
        elif s.kind in (RETIRE, REVOKE, LAPSE):
            standing = {RETIRE: "retired", REVOKE: "revoked", LAPSE: "lapsed"}[s.kind]
            demand(target, "not-allowed")
            demand(target[1] != "revoked" and (target[1] != "retired" or s.kind == REVOKE), "not-allowed")
            target[1:] = [standing, s.last, s.last_root]
        elif s.kind == EPOCH:
            for recipient, digest in s.files.items():
                self.keys_files[s.epoch, recipient] = digest
        elif s.kind == FEATURE:
            self.features.append(s.feature)
        if kind == 1 and self.devices[author][1] == "lapsed" and (s.kind != LAPSE or s.device != author):
            self.devices[author][1] = "active"

# ---- Segments (history §8) -----------------------------------------------------------------------------

BODY_LIMIT = 32 * MIB

def merkle(leaves):
    if not leaves:
        return H(b"")
    while len(leaves) > 1:
        pairs = [H(b"\x01", *leaves[i:i + 2]) if i + 1 < len(leaves) else leaves[i] for i in range(0, len(leaves), 2)]
        leaves = pairs
    return leaves[0]

class Segment:
    def __init__(self, data, secret_of, library, device, seq):
        """Opens the body and compares its root; the signature is for `check_signature`, once the roster is known."""
        demand(len(data) >= 152 + 136, "truncated")
        clear, self.signature = Reader(data[-152:-64]), data[-64:]
        demand(clear.take(4) == b"SLG1", "bad-magic")
        self.device, self.seq, self.prev, self.root = clear.take(16), clear.number(4), clear.take(32), clear.take(32)
        demand((self.device, self.seq) == (device, seq), "wrong-context", "it says that it is another segment")
        self.signed = library + data[-152:-64]
        name = f"log/{id_text(device)}/{seq:010}"
        packed = open_carried(memoryview(data)[:-152], SEGMENT, secret_of, library, name)
        demand(packed[:1] in (b"\0", b"\1"), "bad-field", "packed in an unknown way")
        body = packed[1:]
        if packed[0]:
            inflate = zlib.decompressobj(-15)
            try:
                body = inflate.decompress(body, BODY_LIMIT + 1)
            except zlib.error:
                raise Refused("bad-field", "the packed body is damaged") from None
            demand(inflate.eof and not inflate.unused_data, "bad-field", "the packed body is cut or too long")
        demand(len(body) <= BODY_LIMIT, "too-large")
        body = cbor_decode(body)
        demand(isinstance(body, dict) and list(body) == [0, 1, 2, 3] and body[0] == 1, "unknown-version")
        self.seen, entries = body[1], body[3]
        demand(is_seen(self.seen) and is_bytes(body[2], 16) and isinstance(entries, list) and len(entries) <= 65536,
               "bad-field")
        leaves, self.ops, self.forgotten = [], [], 0
        for entry in entries:
            if is_bytes(entry, 32):
                leaves.append(entry)
                self.forgotten += 1
                continue
            demand(isinstance(entry, list) and len(entry) == 2 and is_bytes(entry[0], 16) and is_bytes(entry[1]),
                   "bad-field")
            leaves.append(H(b"\0", *entry))
            self.ops.append(entry[1])
        header = H(b"\0", body[2], cbor_encode([1, device, seq, self.prev, self.seen]))
        root = H(b"\2", header, struct.pack(">Q", len(entries)), merkle(leaves))
        demand(root == self.root, "root-mismatch")

    def check_signature(self, verifying):
        verify(verifying, 3, self.signed, self.signature)

def is_bytes(x, *lengths):
    return isinstance(x, bytes) and (not lengths or len(x) in lengths)

def is_uint(x, limit=1 << 64):
    return isinstance(x, int) and not isinstance(x, bool) and 0 <= x < limit

def is_seen(x):
    return isinstance(x, list) and len(x) <= 4096 and all(
        isinstance(s, list) and len(s) == 3 and is_bytes(s[0], 16) and is_uint(s[1], 1 << 32) and s[1] > 0
        and is_bytes(s[2], 32) for s in x) and [s[0] for s in x] == sorted({s[0] for s in x})

# ---- Ops and the fold (history §4, §5, §7) -------------------------------------------------------------
# What is folded: originals, trash, purges, merges, what people typed, albums. What programs derived is not.

FIELDS = {1: "caption", 2: "title", 3: "rating", 4: "favourite", 5: "hidden", 6: "date", 7: "place", 8: "rotate",
          9: "trashed", 10: "stack", 11: "name", 12: "parent", 13: "cover", 14: "query", 15: "description",
          16: "order", 17: "deleted", 18: "position", 19: "setting", 20: "sync"}
TRASHED, TAGS, ALBUMS = 9, 1, 2
# Statements were replayed before; what a mark says is to leave a place is read all the same while it is there.
IGNORED_EVEN, MARK = {16}, 20

Source = collections.namedtuple("Source", "device root path")
Original = collections.namedtuple("Original", "content size media epoch parts storage source modified")

class Register:
    def __init__(self):
        self.heads, self.superseded = {}, set()

    def write(self, op, stamp, value, supersedes):
        self.superseded.update(supersedes)
        if op not in self.heads or (stamp, cbor_encode(value)) > (self.heads[op][0], cbor_encode(self.heads[op][1])):
            self.heads[op] = (stamp, value)
        self.heads = {i: head for i, head in self.heads.items() if i not in self.superseded}

    def winner(self):
        return max(((stamp, op, value) for op, (stamp, value) in self.heads.items()), key=lambda h: h[:2],
                   default=(0, b"", None))[2]

class Life:
    """One life of an asset; an album or the library uses the fields and sets only."""

    def __init__(self):
        self.additions, self.superseded, self.seen, self.purges = {}, set(), set(), []
        self.fields, self.sets, self.alias = collections.defaultdict(Register), {}, Register()
        self.presences = {}     # source -> the latest word on it: (stamp, op, whether a content of the asset is there)

    def field(self, code):
        return self.fields[(code, b"")].winner() if (code, b"") in self.fields else None

    def set(self, number):
        pairs, _ = self.sets.get(number, (set(), None))
        return [cbor_decode(element) for element in sorted({element for element, _ in pairs})]

    def heads(self):
        gone = {original.content for op, (_, original, is_version) in self.additions.items()
                if not is_version and op in self.superseded}
        heads = [(stamp, op, original) for op, (stamp, original, is_version) in self.additions.items()
                 if op not in self.superseded and (is_version or original.content not in gone)]
        return [original for _, _, original in sorted(heads, key=lambda h: h[:2], reverse=True)]

    def there(self, source):
        return self.presences.get(source, (0, b"", True))[2]

    def lies(self, content, source):
        """Whether a content is still at a source: something of the asset is, and no other content came there later."""
        path = lambda source: (source.device, source.root + b"/" + source.path)
        here = [(stamp, op, original.content) for op, (stamp, original, _) in self.additions.items()
                if path(original.source) == path(source)]
        return self.there(source) and (not here or max(here)[2] == content)

    def placed(self, original):
        """The original at a path at which its content still is, or else at the one that it left last."""
        others = {(other.source, other.modified) for _, other, _ in self.additions.values()
                  if other.content == original.content}
        others |= {(source, modified) for content, source, modified in self.seen if content == original.content}
        every = [(original.source, original.modified), *sorted(others)]
        last = max(every, key=lambda at: (self.there(at[0]), self.presences.get(at[0], ())[:2]))
        source, modified = next((at for at in every if self.lies(original.content, at[0])), last)
        return original._replace(source=source, modified=modified)

    def purged(self):
        trashed = self.fields[(TRASHED, b"")].heads
        return bool(self.additions and trashed) and any(
            all(value is True and op in trash for op, (_, value) in trashed.items())
            and all(op in contents for op in self.additions) for trash, contents in self.purges)

class History:
    def __init__(self):
        self.assets = collections.defaultdict(lambda: collections.defaultdict(Life))    # asset -> life number -> Life
        self.albums, self.library = collections.defaultdict(Life), Life()
        self.statements, self.unknown_kinds = [], set()
        self.forgotten = {}     # asset -> the last life of it of which nothing counts any more
        self.marked = collections.defaultdict(set)      # remote id -> (class, name, generation) of what is marked there

    def fold(self, data):
        demand(len(data) <= MIB, "too-large")
        op = cbor_decode(data)
        demand(isinstance(op, list) and len(op) == 4 and is_bytes(op[0], 12) and is_uint(op[1])
               and is_uint(op[2], 1 << 16) and isinstance(op[3], dict), "bad-field")
        op_id, stamp, kind, body = op
        if kind in (2, 4):
            original = read_original(body.get(2))
            asset = body.get(0, original.content)
            demand(kind == 2 or 0 in body, "bad-field")
            life = self.life(asset, body)
            life.additions[op_id] = (stamp, original, kind == 4)
            life.superseded.update(self.ids(body, 3) if kind == 4 else [])
        elif kind == 5:
            modified = body.get(4)
            demand(isinstance(modified, int), "bad-field")
            seen = (body.get(2, body.get(0)), read_source(body.get(3)), modified)
            demand(is_bytes(seen[0], 32), "bad-field")
            self.life(body.get(0), body).seen.add(seen)
        elif kind == 29:
            life, source, said = self.life(body.get(0), body), read_source(body.get(2)), (stamp, op_id, body.get(3))
            demand(isinstance(said[2], bool), "bad-field")
            life.presences[source] = max(said, life.presences.get(source, said))
        elif kind == 6:
            demand(body.get(2) is None or is_bytes(body[2], 32) and body[2] != body.get(0), "bad-field")
            self.life(body.get(0), body).alias.write(op_id, stamp, body.get(2), self.ids(body, 3))
        elif kind == 8:
            code = body.get(1) if isinstance(body.get(1), list) else [body.get(1), b""]
            demand(2 in body and len(code) == 2 and is_uint(code[0], 1 << 16) and is_bytes(code[1]), "bad-field")
            self.target(body.get(0)).fields[tuple(code)].write(op_id, stamp, body[2], self.ids(body, 3))
        elif kind in (10, 12):
            demand(is_uint(body.get(1), 1 << 16) and 2 in body, "bad-field")
            pairs, removed = self.target(body.get(0)).sets.setdefault(body[1], (set(), set()))
            if kind == 10 and op_id not in removed:
                pairs.add((cbor_encode(body[2]), op_id))
            elif kind == 12:
                removed.update(self.ids(body, 3, required=True))
                pairs.difference_update({pair for pair in pairs if pair[1] in removed})
        elif kind == 14:
            purge = (self.ids(body, 2, required=True), self.ids(body, 3, required=True))
            self.life(body.get(0), body).purges.append(purge)
        elif kind == 18:
            asset, number = body.get(0), body.get(1, 0)
            demand(is_bytes(asset, 32) and is_uint(number) and (1 not in body or number), "bad-field", "asset")
            self.forgotten[asset] = max(number, self.forgotten.get(asset, 0))
            for known in [known for known in self.assets.get(asset, {}) if known <= self.forgotten[asset]]:
                del self.assets[asset][known]
        elif kind == MARK:
            objects = body.get(2)
            demand(is_bytes(body.get(0), 16) and isinstance(objects, list) and all(
                isinstance(o, list) and len(o) == 3 and is_uint(o[0], 256) and is_bytes(o[1], 20)
                and is_uint(o[2], 1 << 32) for o in objects), "bad-field", "objects")
            self.marked[body[0]].update((chr(letter), name, n) for letter, name, n in objects)
        elif kind % 2 == 0 and kind not in IGNORED_EVEN:
            self.unknown_kinds.add(kind)

    @staticmethod
    def ids(body, key, required=False):
        ids = body.get(key, [])
        demand(isinstance(ids, list) and all(is_bytes(i, 12) for i in ids) and ids == sorted(set(ids))
               and (ids or key not in body and not required), "bad-field", "op ids")
        return ids

    def life(self, asset, body):
        number = body.get(1, 0)
        demand(is_bytes(asset, 32) and is_uint(number) and (1 not in body or number), "bad-field", "asset")
        # What is said of a forgotten life, by whoever had not heard of it, counts nowhere.
        return Life() if number <= self.forgotten.get(asset, -1) else self.assets[asset][number]

    def target(self, target):
        demand(isinstance(target, list) and target, "bad-field", "target")
        if target == [0]:
            return self.library
        if target[0] == 1 and len(target) in (2, 3):
            return self.life(target[1], {1: target[2]} if len(target) == 3 else {})
        if target[0] == 2 and len(target) == 2 and is_bytes(target[1], 16):
            return self.albums[target[1]]
        demand(len(target) == 2 and is_uint(target[0], 256) and target[0] > 3 and is_bytes(target[1]), "bad-field")
        return Life()  # of a later version: nothing that we could show

def read_source(x):
    demand(isinstance(x, list) and len(x) == 3 and is_bytes(x[0], 16) and is_bytes(x[1]) and is_bytes(x[2])
           and len(x[2]) <= 32768, "bad-field", "source")
    return Source(*x)

def read_original(x):
    demand(isinstance(x, dict) and list(x)[:8] == list(range(8)), "bad-field", "original")
    demand(is_bytes(x[0], 32) and is_uint(x[1]) and isinstance(x[2], str) and is_bytes(x[3], 16)
           and isinstance(x[4], list) and len(x[4]) <= 32768 and is_uint(x[5], 1 << 16) and isinstance(x[7], int),
           "bad-field", "original")
    for part in x[4]:
        demand(isinstance(part, list) and len(part) in (2, 3) and is_bytes(part[0], 20) and is_uint(part[1])
               and (len(part) == 2 or is_bytes(part[2], 32)), "bad-field", "part")
    return Original(x[0], x[1], x[2], x[3], [part[0] for part in x[4]], x[5], read_source(x[6]), x[7])

# ---- The bucket: a folder that is only read, and never through a link -----------------------------------

NAME = re.compile(r"[a-z2-7]+|[0-9]{10}")   # what follows, like "-2" of a second copy, is the store's business

class Bucket:
    def __init__(self, path):
        inside = os.path.join(path, "objects")      # a library folder
        self.path = inside if os.path.isdir(inside) and not os.path.islink(inside) else path
        self.index(self.walk())

    def walk(self):
        for folder, folders, files in os.walk(self.path):
            folders.sort()
            for file in sorted(files):
                yield os.path.relpath(os.path.join(folder, file), self.path).replace(os.sep, "/")

    def index(self, files):
        self.objects = collections.defaultdict(list)    # logical name without shard -> files
        for relative in files:
            steps = relative.split("/")
            name = NAME.match(steps[-1])
            if name and len(steps) > 1:
                middle = steps[1:2] if steps[0] in ("keys", "log") and len(steps) > 2 else []
                self.objects["/".join([steps[0], *middle, name.group()])].append(relative)
        self.names = {file: name for name, files in self.objects.items() for file in files}

    def named(self, prefix):
        return sorted((name, files) for name, files in self.objects.items() if name.startswith(prefix + "/"))

    def open(self, relative):
        descriptor = os.open(os.path.join(self.path, relative), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
                             | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise Refused("not-a-file")
        return file

    def read(self, relative, limit):
        try:
            with self.open(relative) as file:
                demand(os.fstat(file.fileno()).st_size <= limit, "too-large")
                return file.read(limit + 1)
        except OSError as error:
            raise Refused("unreadable", error.strerror) from None

    def map(self, relative):
        """The file as bytes that are read when they are touched."""
        try:
            with self.open(relative) as file:
                demand(os.fstat(file.fileno()).st_size >= 24, "truncated")
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise Refused("unreadable", error.strerror) from None

class SealedCopy(Bucket):
    """One file that holds a bucket: a tar, in which the later of two entries with one name counts."""
    def __init__(self, path):
        self.path, self.where = path, {}
        with tarfile.open(path, "r:", ignore_zeros=True) as tar:    # passes over what a damaged sector left of a header
            with contextlib.suppress(tarfile.ReadError):            # a last entry that was cut off
                for entry in tar:
                    if entry.isreg():
                        self.where[entry.name] = entry.offset_data, entry.size
        self.index(sorted(self.where))

    def read(self, relative, limit):
        at, size = self.where[relative]
        demand(size <= limit, "too-large")
        try:
            with open(self.path, "rb") as file:
                file.seek(at)
                data = file.read(size)
        except OSError as error:
            raise Refused("unreadable", error.strerror) from None
        demand(len(data) == size, "truncated")
        return data

    def map(self, relative):
        data = self.read(relative, 64 * MIB)
        demand(len(data) >= 24, "truncated")
        return contextlib.nullcontext(data)

# ---- The library: words -> root card -> keys -> statements -> history -----------------------------------

def day_of(millis):
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(millis / 1000))
    except (TypeError, ValueError, OverflowError, OSError):
        return "a day that is not known"

class Library:
    """Everything that the words open. What is broken on the way is named in `problems`, and survived."""

    def __init__(self, bucket, words, without_statements=False):
        self.bucket, self.words, self.problems, self.trusting = bucket, words, {}, without_statements
        self.secrets, self.history = {}, History()
        self.read_card()
        files = self.read_keys_files()
        segments = self.read_segments(files)
        self.roster = Roster(self.statements, self.id)
        for s, code in self.roster.refused:
            self.problem("statement " + s.id.hex()[:16], code)
        if segments and self.roster.words is None:
            self.problem("history", "the statements of the library's birth are lost, so no signature can be checked; "
                         "--without-statements believes what the keys open")
        if self.roster.words not in (None, self.words.id):
            self.problem("recovery words", "they were replaced by others on " + day_of(self.roster.replaced.get(self.words.id))
                         + ": what came later opens with the newer ones only")
        self.check_card()
        self.count_keys_files(files)
        self.good, self.good_entries = set(), set()     # logical names of which some copy opened; entries that did
        self.fold(segments)
        self.entries, self.packs_read = collections.defaultdict(list), False
        self.originals = collections.defaultdict(list)      # content -> what history says of it
        for lives in self.history.assets.values():
            for life in lives.values():
                for _, original, _ in life.additions.values():
                    if original not in self.originals[original.content]:
                        self.originals[original.content].append(original)

    def problem(self, name, what, entry=None):
        self.problems[name, str(what)] = entry

    def settle(self):
        """Problems of what nothing relies on any more become notes: another copy or generation of the same name opened
        (§3.1), another pack holds the entry, or devices marked it to leave this remote (history §10.1)."""
        self.settled, marked = [], None
        for (file, what), entry in self.problems.items():
            name = self.bucket.names.get(file)
            if name and not what.startswith("note:"):
                if marked is None:
                    marked = self.history.marked.get(self.remote_id(), ())
                if (entry in self.good_entries) if entry else (name in self.good):
                    what = f"note: superseded, another copy of it is whole ({what})"
                elif self.placed(file, name) in marked:
                    what = f"note: superseded, it is marked to leave and nothing relies on it ({what})"
            self.settled.append((file, what))

    def remote_id(self):
        """The id that rests at this remote (history §8.9)."""
        name = "remote/" + id_text(self.id)
        for file in self.bucket.objects.get(name, ()):
            try:
                data = open_carried(memoryview(self.bucket.read(file, MIB)), SEGMENT, self.secret_of, self.id, name)
                demand(len(data) == 20 and data[:4] == b"SLRI", "bad-field", "remote id")
                return data[4:]
            except Refused as refusal:
                self.settled.append((file, str(refusal)))
        return None

    @staticmethod
    def placed(file, name):
        """The object at a remote that a file is: class, name, generation."""
        try:
            letter, text = name.split("/")
            after = file.rsplit("/", 1)[-1][len(text):]
            demand(re.fullmatch(r"(-[1-9][0-9]{0,9})?", after), "bad-field", "no generation")
            return letter, id_bytes(text), int(after[1:] or 0)
        except (Refused, ValueError):
            return None

    def read_card(self):
        self.id, self.card = self.words.id, None
        name = "root/" + id_text(self.words.id)
        for file in self.bucket.objects[name]:
            try:
                self.card = read_root_card(self.bucket.read(file, 1 << 16), self.words.id)
                self.id = self.card["library"]
                return
            except Refused as refusal:
                self.problem(file, refusal)
        if not self.bucket.objects[name]:
            self.problem(name, "missing")

    def read_keys_files(self):
        """[(file, its SHA-256, newest epoch, {epoch: sealing secret})] of the files that open, fullest first."""
        found, recipient = [], id_text(self.words.id)
        for name, files in self.bucket.named("keys"):
            if name.split("/")[-1] != recipient:
                continue
            for file in files:
                try:
                    data, epoch = self.bucket.read(file, 4 * MIB), id_bytes(name.split("/")[1])
                    secrets = read_keys_file(data, self.words, self.id, epoch, recipient)
                    found.append((file, H(data), epoch, secrets))
                except Refused as refusal:
                    self.problem(file, refusal)
        return sorted(found, key=lambda f: -len(f[3]))

    def count_keys_files(self, files):
        """A file counts if a statement names it. Content is checked by hash, so an uncounted one may still help."""
        counted = lambda f: self.roster.keys_files.get((f[2], (2, self.words.id))) == f[1]
        for f in sorted(files, key=counted, reverse=True):
            if not counted(f):
                self.problem(f[0], "no statement names this keys file")
            for epoch, secret in f[3].items():
                self.secrets.setdefault(epoch, secret)

    def verify_other_keys_files(self):
        """Those of devices do not open here; what they must be is known."""
        for name, files in self.bucket.named("keys"):
            for file in files if name.split("/")[-1] != id_text(self.words.id) else []:
                try:
                    demand(H(self.bucket.read(file, 4 * MIB)) in self.roster.keys_files.values(),
                           "no statement names this keys file")
                except Refused as refusal:
                    self.problem(file, refusal)

    def secret_of(self, epoch, _data=None):
        demand(epoch in self.secrets, "unknown-key", "epoch " + id_text(epoch))
        return self.secrets[epoch]

    def read_segments(self, files):
        """Opens every segment; statements are signed each for itself, so they may be taken from any of them."""
        segments, statements = {}, {}
        for name, copies in self.bucket.named("log"):
            refusals = []
            for file in copies:
                for _, _, _, secrets in files:
                    try:
                        device, seq = id_bytes(name.split("/")[1]), int(name.split("/")[2])
                        data = self.bucket.read(file, 48 * MIB)
                        def secret_of(epoch, _data):
                            demand(epoch in secrets, "unknown-key", "epoch " + id_text(epoch))
                            return secrets[epoch]
                        segment = Segment(data, secret_of, self.id, device, seq)
                        segments.setdefault((device, seq), []).append((file, segment))
                        break
                    except (Refused, ValueError, IndexError) as refusal:
                        refusals.append((file, refusal))
                else:
                    self.problem(file, refusals[-1][1] if refusals else "no keys file opens it")
        for copies in segments.values():
            for file, segment in copies:
                for op in segment.ops:
                    if b"SLST" not in op:
                        continue
                    try:
                        _, _, kind, body = cbor_decode(op)
                        if kind == 16:
                            statement = Statement(body[0])
                            statements[statement.id] = statement
                    except (Refused, ValueError, TypeError, LookupError, AttributeError) as refusal:
                        if isinstance(refusal, Refused):
                            self.problem(file, f"a statement is refused: {refusal}")
        self.statements = list(statements.values())
        return segments

    def check_card(self):
        """The card's hash is that of the statements when it was written: one of the steps of the replay."""
        if self.card and self.card["statements"] not in self.roster.hashes:
            self.problem("root/" + id_text(self.words.id), "its statements are not those that were found")

    def fold(self, segments):
        good = {}
        for (device, seq), copies in sorted(segments.items()):
            for file, segment in copies:
                try:
                    verifying, standing, last, last_root = self.roster.devices.get(device, [None] * 4)
                    if not (self.trusting and self.roster.words is None):
                        demand(verifying, "not-allowed", "its device does not belong to the library")
                        segment.check_signature(verifying)
                    if standing in ("revoked", "retired") and seq > last:
                        # What somebody had read of it comes in the chain of whoever did (history §8.11).
                        self.problem(file, f"note: not taken in, its device was {standing} before it")
                        continue
                    demand(standing != "revoked" or seq != last or segment.root == last_root, "fork",
                           "its device was revoked at another segment of this number")
                    good.setdefault((device, seq), (file, segment))
                    self.good.add(self.bucket.names.get(file))
                except Refused as refusal:
                    self.problem(file, refusal)
        carried = self.carried_branches(good)
        known = {}      # how far each device's chain must reach: by its own numbers and by what others have read
        for (device, seq), (file, segment) in good.items():
            for other, number, root in [[device, seq, segment.root], [device, seq - 1, segment.prev], *segment.seen]:
                if (other, number) != (device, seq) and (other, number, root) in carried:
                    continue        # the changes of that branch are in other chains
                known[other] = max(known.get(other, 0), number)
                there = good.get((other, number))
                if there and there[1].root != root or number == 0 and any(root):
                    self.problem(file, f"fork: it follows another log/{id_text(other)}/{number:010} than this one")
        for device, number in sorted(known.items()):
            have, expected = sorted(seq for d, seq in good if d == device), 1
            for seq in [*have, number + 1]:
                if seq > expected:
                    upto = f" to {seq - 1:010}" if seq - 1 > expected else ""
                    self.problem(f"log/{id_text(device)}/{expected:010}{upto}", "missing: its changes are not known")
                expected = seq + 1
        for file, segment in good.values():
            if segment.forgotten:
                self.problem(file, f"note: {segment.forgotten} of its changes were forgotten on purpose")
            for op in segment.ops:
                try:
                    self.history.fold(op)
                except Refused as refusal:
                    self.problem(file, f"a change is refused: {refusal}")
        for kind in sorted(self.history.unknown_kinds):
            self.problem("history", f"changes of kind {kind} need a newer version: what they did is not shown")

    def carried_branches(self, good):
        """The segments of forked chains whose changes other chains carry (history §8.10)."""
        carried = set()
        for _, segment in good.values():
            for op in segment.ops:
                try:
                    _, _, kind, body = cbor_decode(op)
                    if kind == 27:
                        carried.update((device, number, root) for device, number, root in body[0])
                except (Refused, ValueError, TypeError, LookupError, AttributeError):
                    continue        # what is wrong with it is said where it is folded
        return carried

    # -- bytes of originals --

    def read_packs(self):
        """Finds the tiny originals: entries of rendition kind 0 in s/ packs and in local packs."""
        if self.packs_read:
            return
        self.packs_read = True
        for file, record, at, size in self.pack_entries(("s", "local")):
            if record.kind == 0:
                self.entries[record.content].append((file, record, at, size))

    def pack_entries(self, prefixes):
        for prefix in prefixes:
            for name, files in self.bucket.named(prefix):
                for file in files:
                    try:
                        with self.bucket.map(file) as data:
                            if prefix == "local":
                                entries, damaged, end = scan_local_pack(data, self.secret_of, self.id)
                                if end < len(data):
                                    self.problem(file, f"note: what follows byte {end} is no entry, or a torn one")
                                for start, end in damaged:
                                    self.problem(file, f"bytes {start} to {end} are no good entry")
                            else:
                                entries = read_pack(data, self.secret_of, self.id, name)
                                self.good.add(name)
                    except Refused as refusal:
                        self.problem(file, refusal)
                        continue
                    for record, at, size in entries:
                        yield file, record, at, size

    def open_pack_entry(self, file, record, at, size):
        with self.bucket.map(file) as data:
            content = open_entry(data[at:at + size], record, self.secret_of, self.id)
        self.good_entries.add((record.content, record.kind, record.recipe))
        return content

    def open_part(self, name, part, parts, total):
        files = self.bucket.objects["o/" + name]
        demand(files, "missing", "o/" + name)
        for file in files:      # a second copy of a name may be good where the first is not
            try:
                limit = 136 + sealed_body(PART, 1 << 16)
                content = b"".join(open_original_part(self.bucket.read(file, limit), self.secret_of, self.id,
                                                      "o/" + name, part, parts, total))
                self.good.add("o/" + name)
                return content
            except Refused as refusal:
                self.problem(file, refusal)
                failure = Refused(refusal.code, file)
        raise failure

    def copies(self, content):
        """Ways to the content, best first; each is an iterator over its bytes that raises Refused."""
        for original in self.originals[content]:
            if original.parts:
                yield (self.open_part(id_text(name), i, len(original.parts), original.size)
                       for i, name in enumerate(original.parts))
        self.read_packs()
        for entry in self.entries[content]:
            yield (self.open_pack_entry(*e) for e in [entry])

    def write_original(self, content, start):
        """Writes the content to what `start()` gives, once for each way until one is right."""
        failures = []
        for pieces in self.copies(content):
            write, digest = start(), hashlib.sha256()
            try:
                for piece in pieces:
                    digest.update(piece)
                    write(piece)
                demand(digest.digest() == content, "content-mismatch")
                return
            except Refused as refusal:
                failures.append(str(refusal))
        for original in self.originals[content]:        # name every part that is not there or not good
            for i, name in enumerate(original.parts):
                try:
                    self.open_part(id_text(name), i, len(original.parts), original.size)
                except Refused as refusal:
                    if refusal.code == "missing":
                        self.problem("o/" + id_text(name), "missing")
        raise Refused("lost", "; ".join(failures) or "no pack holds it")

    def demand_presence(self, content):
        """Refuses when an object is not there; does not open any."""
        ways = [["o/" + id_text(name) for name in o.parts] for o in self.originals[content] if o.parts]
        whole = any(all(self.bucket.objects[name] for name in way) for way in ways)
        demand(whole or self.entries[content], "missing", ", ".join(
            name for way in ways for name in way if not self.bucket.objects[name]) or "no pack holds it")

    def linked_only(self, content):
        return all(o.storage == 2 and not o.parts for o in self.originals[content]) and not self.entries[content]

# ---- What there is to restore ---------------------------------------------------------------------------

Item = collections.namedtuple("Item", "folder asset original also")

def items(history):
    """(every content once, photos before the trash before older versions; [asset, original] that were purged)"""
    found, purged = [], []
    for asset, lives in sorted(history.assets.items()):
        numbers = [n for n, life in sorted(lives.items()) if life.additions]
        for n in numbers:
            life, current = lives[n], n == numbers[-1]
            every = [life.placed(addition[1]) for _, addition in sorted(life.additions.items())]
            originals = [life.placed(head) for head in life.heads()] + every
            if life.purged():
                purged += [(asset, originals[0])] if current else []
                continue
            sources = {seen[1] for seen in life.seen} | {original.source for original in every}
            also = sorted({source.root + b"/" + source.path for source in sources if life.there(source)})
            main = "trash" if life.field(TRASHED) is True else "photos"
            for i, original in enumerate(originals):
                found.append(Item(main if i == 0 and current else "older", asset, original, also))
    order = ["photos", "trash", "older"]
    found.sort(key=lambda i: (order.index(i.folder), i.original.source.path, i.original.content))
    once = {}
    for item in found:
        once.setdefault(item.original.content, item)
    return list(once.values()), purged

# ---- Names on this disk ---------------------------------------------------------------------------------

DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9\xb9\xb2\xb3]|lpt[0-9\xb9\xb2\xb3]|conin\$|conout\$)(\.|$)")

def escape_byte(match):
    return b"%%%02X" % match.group()[0]

def portable(name):
    """A name that every system takes: what some would refuse is written as %XX."""
    name = b"".join(piece.encode("utf-8", "surrogateescape") if ord(piece) < 0xDC80 or ord(piece) > 0xDCFF
                    else b"%%%02X" % (ord(piece) - 0xDC00) for piece in name.decode("utf-8", "surrogateescape"))
    name = re.sub(rb'[\x00-\x1f\x7f<>:"\\|?*]', escape_byte, name)
    name = re.sub(rb"[. ]$", escape_byte, name)
    return b"_" + name if DEVICE_NAMES.match(name.decode()) else name

def steps_of(path, everywhere):
    """The folders and the name of a recorded path, none of which leads out of where they are put."""
    steps = []
    for step in path.split(b"/"):
        if step in (b"", b"."):
            continue
        step = b"__" if step == b".." else step.replace(b"\0", b"%00")
        steps.append(portable(step) if everywhere else step)
    return steps

def numbered(name, n):
    """The n-th choice for a name, at most 255 bytes long."""
    stem, dot, ending = name.rpartition(b".")
    if not stem or len(ending) > 16:
        stem, dot, ending = name, b"", b""
    tail = (b" (%d)" % n if n > 1 else b"") + dot + ending
    if len(stem) + len(tail) > 255:
        tail = b"~" + H(name).hex()[:8].encode() + tail
        stem = stem[:255 - len(tail)]
        while stem and stem[-1] & 0xC0 == 0x80:     # not within a character
            stem = stem[:-1]
        stem = stem[:-1] if stem and stem[-1] >= 0xC0 else stem
    return stem + tail


class Output:
    """The folder that is written into: nothing in it is overwritten, no link in it is followed."""

    def __init__(self, path, everywhere):
        self.root, self.everywhere, self.claimed, self.folders = os.fsencode(os.path.abspath(path)), everywhere, set(), {}
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        self.temporary = os.path.join(self.root, b".safelight-recover-%d.tmp" % os.getpid())

    def claim(self, path):
        """Whether this run has not used the path yet, thinking of disks that ignore case."""
        key = os.fsdecode(path).casefold() if self.everywhere else path
        return key not in self.claimed and not self.claimed.add(key)

    def folder(self, steps):
        path = self.root
        for step in steps:
            if (path, step) not in self.folders:
                self.folders[path, step] = self.subfolder(path, step)
            path = self.folders[path, step]
        return path

    def subfolder(self, parent, step):
        n = 0
        while True:
            n += 1
            path = os.path.join(parent, numbered(step, n))
            try:
                os.mkdir(path)
                return path
            except FileExistsError:
                if stat.S_ISDIR(os.lstat(path).st_mode):
                    return path

    def write(self, steps, size, content, modified, produce):
        """Puts one file there; returns its path. `produce(start)` writes it and raises Refused if it cannot."""
        parent, n = self.folder(steps[:-1]), 1
        while os.path.lexists(os.path.join(parent, numbered(steps[-1], n))):
            path = os.path.join(parent, numbered(steps[-1], n))
            if self.holds(path, size, content) and self.claim(path):
                return path     # from a run before
            n += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self.temporary, flags, 0o666), "wb") as file:
            try:
                def start():
                    file.seek(0)
                    file.truncate()
                    return file.write
                produce(start)
                file.close()
                try:
                    os.utime(self.temporary, ns=(modified * 10**6, modified * 10**6))
                except (OSError, OverflowError, ValueError):
                    pass    # a time that this disk cannot keep; the report has it
                n = 1
                while True:
                    path = os.path.join(parent, numbered(steps[-1], n))
                    if self.put(path):
                        return path
                    n += 1
            finally:
                file.close()
                if os.path.lexists(self.temporary):
                    os.unlink(self.temporary)

    def put(self, path):
        if os.path.lexists(path) or not self.claim(path):
            return False
        try:
            os.link(self.temporary, path)       # unlike a rename it overwrites nothing
        except FileExistsError:
            return False
        except OSError:
            os.rename(self.temporary, path)     # a disk without links
        return True

    @staticmethod
    def holds(path, size, content):
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return False
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(MIB), b""):
                digest.update(piece)
        return digest.digest() == content

    def text(self, name, text):
        """A report; one of an earlier run stays."""
        n = 1
        while True:
            path = os.path.join(self.root, numbered(name, n))
            try:
                with open(path, "x", encoding="utf-8") as file:
                    file.write(text)
                return path
            except FileExistsError:
                n += 1

# ---- Reports --------------------------------------------------------------------------------------------

def shown(text):
    """Names as one printable line, whatever is in them."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)

def as_json(value):
    """A typed value (history §5) for people and programs to read."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list) and value[:1] == [1] and len(value) == 2:
        return as_json(value[1])
    if isinstance(value, list) and value[:1] == [2] and len(value) == 2 and is_bytes(value[1], 16):
        return id_text(value[1])
    if isinstance(value, list) and value[:1] == [3] and len(value) == 4 and isinstance(value[1], int):
        try:
            local = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(value[1]))
        except (OverflowError, ValueError, OSError):
            local = value[1]
        return {"local": local, "offset_minutes": as_json(value[2]), "precision": as_json(value[3])}
    if isinstance(value, list) and value[:1] == [4] and len(value) == 3 and isinstance(value[1], list) \
            and 2 <= len(value[1]) <= 3 and all(isinstance(x, int) for x in value[1]):
        latitude, longitude, *altitude = value[1]
        return {"latitude": latitude / 1e7, "longitude": longitude / 1e7, "name": as_json(value[2]),
                **({"altitude_mm": altitude[0]} if altitude else {})}
    if isinstance(value, list):
        return [as_json(v) for v in value]
    if isinstance(value, dict):
        return {shown(str(k)): as_json(v) for k, v in value.items()}
    return value

def typed(life):
    """What people typed about an entity: {name: value}."""
    out = {}
    for (code, key), register in sorted(life.fields.items()):
        name = FIELDS.get(code, f"field {code}") + (" " + key.hex() if key else "")
        heads = sorted(((stamp, op, value) for op, (stamp, value) in register.heads.items()), key=lambda h: h[:2])
        if heads and heads[-1][2] is not None:
            out[name] = as_json(heads[-1][2])
        others = [as_json(h[2]) for h in heads[:-1] if cbor_encode(h[2]) != cbor_encode(heads[-1][2])]
        if others:
            out.setdefault("conflicts", {})[name] = others
    for number in sorted(life.sets):
        name = {TAGS: "tags", ALBUMS: "albums", 3: "people"}.get(number, f"set {number}")
        if life.set(number):
            out[name] = [as_json(v) for v in life.set(number)]
    return out

def catalogue(library, restored):
    """Albums, tags, captions and where each photo went."""
    history, assets = library.history, []
    for asset, lives in sorted(history.assets.items()):
        numbers = [n for n, life in lives.items() if life.additions]
        if not numbers:
            continue
        life = lives[max(numbers)]
        into = life.alias.winner()
        contents = [original.content for original in life.heads()]
        assets.append({
            "asset": asset.hex(), "purged": life.purged(), "file": restored.get(contents[0] if contents else None),
            "content": contents[0].hex() if contents else None, "other_contents": [c.hex() for c in contents[1:]],
            **({"merged_into": into.hex()} if into else {}), **typed(life)})
    albums = [{"album": id_text(album), **typed(life)} for album, life in sorted(history.albums.items())]
    return {"library": id_text(library.id), "about_library": typed(history.library), "albums": albums, "assets": assets}

def describe(item):
    o = item.original
    raw = o.source.path
    return {"path": shown(raw), **({} if shown(raw).encode() == raw else {"path_bytes": raw.hex()}),
            "root": shown(o.source.root), "size": o.size, "modified_ms": o.modified, "content": o.content.hex(),
            "asset": item.asset.hex(), "state": item.folder,
            "also_at": [shown(p) for p in item.also if p != o.source.root + b"/" + raw]}

# ---- The three verbs ------------------------------------------------------------------------------------

def run(library, verb, output=None, talk=lambda line: None):
    """Does `list`, `verify` or `restore`; returns the report."""
    wanted, purged = items(library.history)
    library.read_packs()
    report = {"library": id_text(library.id), "verb": verb, "originals": [], "lost": [], "linked": [], "purged": []}
    restored = {}
    for count, item in enumerate(wanted, 1):
        row, content = describe(item), item.original.content
        if library.linked_only(content):
            report["linked"].append(row)
            continue
        talk(f"{count}/{len(wanted)} {row['path']}")
        try:
            if verb == "list":
                library.demand_presence(content)
            elif verb == "verify":
                library.write_original(content, lambda: lambda piece: None)
            elif verb == "restore":
                row["file"] = restored[content] = restore(library, output, item)
            report["originals"].append(row)
        except Refused as refusal:
            report["lost"].append({**row, "problem": str(refusal)})
    if verb == "verify":
        library.verify_other_keys_files()
        for file, record, at, size in library.pack_entries(("t", "p", "s", "local")):
            try:
                library.open_pack_entry(file, record, at, size)
            except Refused as refusal:
                library.problem(file, f"entry at {at}: {refusal}", (record.content, record.kind, record.recipe))
    for asset, original in purged:
        report["purged"].append({"asset": asset.hex(), "path": shown(original.source.path)})
    named = {"o/" + id_text(p) for originals in library.originals.values() for o in originals for p in o.parts}
    strangers = [f for name, files in library.bucket.named("o") if name not in named for f in files]
    for file in strangers:
        library.problem(file, "note: no photo in the history names this object; a break during an import leaves such")
    library.settle()
    report["problems"] = [{"object": name, "problem": what} for name, what in library.settled]
    if verb == "restore":
        output.text(b"library.json", json.dumps(catalogue(library, restored), indent=1) + "\n")
        output.text(b"report.json", json.dumps(report, indent=1) + "\n")
        output.text(b"report.txt", as_text(report))
    return report

def restore(library, output, item):
    o = item.original
    fallback = [b"renamed", o.content.hex().encode()]
    choices = [steps_of(o.source.path, output.everywhere), steps_of(o.source.path, True), fallback]
    for i, steps in enumerate(choices):
        steps = [item.folder.encode()] + (steps or fallback)
        try:
            path = output.write(steps, o.size, o.content, o.modified,
                                lambda start: library.write_original(o.content, start))
            return shown(os.path.relpath(path, output.root))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)):
                raise                               # no other name will help
            problem = error.strerror
    raise Refused("not-written", problem)

def as_text(report):
    lines = [f"Library {report['library']}", ""]
    done = {"list": "named by the history", "verify": "read and right", "restore": "restored"}[report["verb"]]
    lines.append(f"{len(report['originals'])} originals {done}, {sum(r['size'] for r in report['originals'])} bytes")
    lines += [f"{r['state']:7}{r['size']:>12}  {r.get('file') or r['path']}" for r in report["originals"]]
    for key, title in (("lost", "cannot be restored"), ("linked", "were only linked; their bytes were never here"),
                       ("purged", "were deleted for good")):
        if report[key]:
            lines += ["", f"{len(report[key])} originals {title}:"]
            lines += [f"  {r['path']}" + (f" ({shown(r['problem'])})" if "problem" in r else "") for r in report[key]]
    for is_note, title in ((False, "objects are missing, damaged or unknown"), (True, "notes, which ask for nothing")):
        named = [p for p in report["problems"] if p["problem"].startswith("note:") == is_note]
        if named:
            lines += ["", f"{len(named)} {title}:"]
            lines += [f"  {shown(p['object'])}: {shown(p['problem'])}" for p in named]
    return "\n".join(lines) + "\n"

def ask_words():
    import getpass
    words = []
    while True:
        more = getpass.getpass(f"Recovery words, or shares ({len(words)} words so far; Enter ends; not shown): ").split()
        words += more
        if len(words) == 24 or words and not more:
            return " ".join(words)

def main(arguments=None):
    parser = argparse.ArgumentParser(prog="safelight_recover.py", description=__doc__.split("\n")[0])
    parser.add_argument("verb", choices=["list", "verify", "restore"])
    parser.add_argument("bucket", help="a copy of a bucket, a library folder, or a sealed copy in one file")
    parser.add_argument("dir", nargs="?", help="where `restore` writes")
    parser.add_argument("--words-file", help="a file with the 24 words; asked for without it")
    parser.add_argument("--portable-names", action="store_true", default=os.name == "nt",
                        help="write only names that every system takes")
    parser.add_argument("--without-statements", action="store_true",
                        help="when the first segment is lost: believe history whose signatures cannot be checked")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    if (options.verb == "restore") != (options.dir is not None):
        parser.error("restore needs DIR, and only restore does")
    is_file = os.path.isfile(options.bucket)
    if not is_file and not os.path.isdir(options.bucket):
        parser.error(f"there is no folder and no file {options.bucket}")
    if is_file and not tarfile.is_tarfile(options.bucket):
        parser.error(f"{options.bucket} is no sealed copy")
    try:
        if options.words_file:
            with open(options.words_file, encoding="utf-8") as file:
                words = Words(file.read())
        else:
            words = Words(ask_words())
    except (Refused, UnicodeDecodeError, EOFError) as refusal:
        print(f"These are not the words: {refusal}", file=sys.stderr)
        return 3
    bucket = SealedCopy(options.bucket) if is_file else Bucket(options.bucket)
    library = Library(bucket, words, options.without_statements)
    if not library.card and not library.secrets:
        print(f"Nothing here belongs to these words (no root/{id_text(words.id)}).", file=sys.stderr)
        return 4
    talk = (lambda line: print(line, file=sys.stderr)) if sys.stderr.isatty() else (lambda line: None)
    output = Output(options.dir, options.portable_names) if options.dir else None
    try:
        report = run(library, options.verb, output, talk)
    except OSError as error:
        print(f"Stopped, and to be started again: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(json.dumps(report, indent=1) + "\n" if options.json else as_text(report))
    return 1 if report["lost"] or any(not p["problem"].startswith("note:") for p in report["problems"]) else 0

# ---- The BIP-39 English word list (MIT licence, The BIP-39 authors) ------------------------------------

WORD_LIST = """
abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid acoustic acquire across act action actor actress actual adapt add addict address adjust admit adult advance advice aerobic
affair afford afraid again age agent agree ahead aim air airport aisle alarm album alcohol alert alien all alley allow almost alone alpha already also alter always amateur amazing among amount amused analyst anchor ancient anger angle angry
animal ankle announce annual another answer antenna antique anxiety any apart apology appear apple approve april arch arctic area arena argue arm armed armor army around arrange arrest arrive arrow art artefact artist artwork ask aspect
assault asset assist assume asthma athlete atom attack attend attitude attract auction audit august aunt author auto autumn average avocado avoid awake aware away awesome awful awkward axis baby bachelor bacon badge bag balance balcony ball
bamboo banana banner bar barely bargain barrel base basic basket battle beach bean beauty because become beef before begin behave behind believe below belt bench benefit best betray better between beyond bicycle bid bike bind biology bird
birth bitter black blade blame blanket blast bleak bless blind blood blossom blouse blue blur blush board boat body boil bomb bone bonus book boost border boring borrow boss bottom bounce box boy bracket brain brand brass brave bread breeze
brick bridge brief bright bring brisk broccoli broken bronze broom brother brown brush bubble buddy budget buffalo build bulb bulk bullet bundle bunker burden burger burst bus business busy butter buyer buzz cabbage cabin cable cactus cage
cake call calm camera camp can canal cancel candy cannon canoe canvas canyon capable capital captain car carbon card cargo carpet carry cart case cash casino castle casual cat catalog catch category cattle caught cause caution cave ceiling
celery cement census century cereal certain chair chalk champion change chaos chapter charge chase chat cheap check cheese chef cherry chest chicken chief child chimney choice choose chronic chuckle chunk churn cigar cinnamon circle citizen
city civil claim clap clarify claw clay clean clerk clever click client cliff climb clinic clip clock clog close cloth cloud clown club clump cluster clutch coach coast coconut code coffee coil coin collect color column combine come comfort
comic common company concert conduct confirm congress connect consider control convince cook cool copper copy coral core corn correct cost cotton couch country couple course cousin cover coyote crack cradle craft cram crane crash crater
crawl crazy cream credit creek crew cricket crime crisp critic crop cross crouch crowd crucial cruel cruise crumble crunch crush cry crystal cube culture cup cupboard curious current curtain curve cushion custom cute cycle dad damage damp
dance danger daring dash daughter dawn day deal debate debris decade december decide decline decorate decrease deer defense define defy degree delay deliver demand demise denial dentist deny depart depend deposit depth deputy derive
describe desert design desk despair destroy detail detect develop device devote diagram dial diamond diary dice diesel diet differ digital dignity dilemma dinner dinosaur direct dirt disagree discover disease dish dismiss disorder display
distance divert divide divorce dizzy doctor document dog doll dolphin domain donate donkey donor door dose double dove draft dragon drama drastic draw dream dress drift drill drink drip drive drop drum dry duck dumb dune during dust dutch
duty dwarf dynamic eager eagle early earn earth easily east easy echo ecology economy edge edit educate effort egg eight either elbow elder electric elegant element elephant elevator elite else embark embody embrace emerge emotion employ
empower empty enable enact end endless endorse enemy energy enforce engage engine enhance enjoy enlist enough enrich enroll ensure enter entire entry envelope episode equal equip era erase erode erosion error erupt escape essay essence
estate eternal ethics evidence evil evoke evolve exact example excess exchange excite exclude excuse execute exercise exhaust exhibit exile exist exit exotic expand expect expire explain expose express extend extra eye eyebrow fabric face
faculty fade faint faith fall false fame family famous fan fancy fantasy farm fashion fat fatal father fatigue fault favorite feature february federal fee feed feel female fence festival fetch fever few fiber fiction field figure file film
filter final find fine finger finish fire firm first fiscal fish fit fitness fix flag flame flash flat flavor flee flight flip float flock floor flower fluid flush fly foam focus fog foil fold follow food foot force forest forget fork
fortune forum forward fossil foster found fox fragile frame frequent fresh friend fringe frog front frost frown frozen fruit fuel fun funny furnace fury future gadget gain galaxy gallery game gap garage garbage garden garlic garment gas
gasp gate gather gauge gaze general genius genre gentle genuine gesture ghost giant gift giggle ginger giraffe girl give glad glance glare glass glide glimpse globe gloom glory glove glow glue goat goddess gold good goose gorilla gospel
gossip govern gown grab grace grain grant grape grass gravity great green grid grief grit grocery group grow grunt guard guess guide guilt guitar gun gym habit hair half hammer hamster hand happy harbor hard harsh harvest hat have hawk
hazard head health heart heavy hedgehog height hello helmet help hen hero hidden high hill hint hip hire history hobby hockey hold hole holiday hollow home honey hood hope horn horror horse hospital host hotel hour hover hub huge human
humble humor hundred hungry hunt hurdle hurry hurt husband hybrid ice icon idea identify idle ignore ill illegal illness image imitate immense immune impact impose improve impulse inch include income increase index indicate indoor industry
infant inflict inform inhale inherit initial inject injury inmate inner innocent input inquiry insane insect inside inspire install intact interest into invest invite involve iron island isolate issue item ivory jacket jaguar jar jazz
jealous jeans jelly jewel job join joke journey joy judge juice jump jungle junior junk just kangaroo keen keep ketchup key kick kid kidney kind kingdom kiss kit kitchen kite kitten kiwi knee knife knock know lab label labor ladder lady
lake lamp language laptop large later latin laugh laundry lava law lawn lawsuit layer lazy leader leaf learn leave lecture left leg legal legend leisure lemon lend length lens leopard lesson letter level liar liberty library license life
lift light like limb limit link lion liquid list little live lizard load loan lobster local lock logic lonely long loop lottery loud lounge love loyal lucky luggage lumber lunar lunch luxury lyrics machine mad magic magnet maid mail main
major make mammal man manage mandate mango mansion manual maple marble march margin marine market marriage mask mass master match material math matrix matter maximum maze meadow mean measure meat mechanic medal media melody melt member
memory mention menu mercy merge merit merry mesh message metal method middle midnight milk million mimic mind minimum minor minute miracle mirror misery miss mistake mix mixed mixture mobile model modify mom moment monitor monkey monster
month moon moral more morning mosquito mother motion motor mountain mouse move movie much muffin mule multiply muscle museum mushroom music must mutual myself mystery myth naive name napkin narrow nasty nation nature near neck need negative
neglect neither nephew nerve nest net network neutral never news next nice night noble noise nominee noodle normal north nose notable note nothing notice novel now nuclear number nurse nut oak obey object oblige obscure observe obtain
obvious occur ocean october odor off offer office often oil okay old olive olympic omit once one onion online only open opera opinion oppose option orange orbit orchard order ordinary organ orient original orphan ostrich other outdoor outer
output outside oval oven over own owner oxygen oyster ozone pact paddle page pair palace palm panda panel panic panther paper parade parent park parrot party pass patch path patient patrol pattern pause pave payment peace peanut pear
peasant pelican pen penalty pencil people pepper perfect permit person pet phone photo phrase physical piano picnic picture piece pig pigeon pill pilot pink pioneer pipe pistol pitch pizza place planet plastic plate play please pledge pluck
plug plunge poem poet point polar pole police pond pony pool popular portion position possible post potato pottery poverty powder power practice praise predict prefer prepare present pretty prevent price pride primary print priority prison
private prize problem process produce profit program project promote proof property prosper protect proud provide public pudding pull pulp pulse pumpkin punch pupil puppy purchase purity purpose purse push put puzzle pyramid quality quantum
quarter question quick quit quiz quote rabbit raccoon race rack radar radio rail rain raise rally ramp ranch random range rapid rare rate rather raven raw razor ready real reason rebel rebuild recall receive recipe record recycle reduce
reflect reform refuse region regret regular reject relax release relief rely remain remember remind remove render renew rent reopen repair repeat replace report require rescue resemble resist resource response result retire retreat return
reunion reveal review reward rhythm rib ribbon rice rich ride ridge rifle right rigid ring riot ripple risk ritual rival river road roast robot robust rocket romance roof rookie room rose rotate rough round route royal rubber rude rug rule
run runway rural sad saddle sadness safe sail salad salmon salon salt salute same sample sand satisfy satoshi sauce sausage save say scale scan scare scatter scene scheme school science scissors scorpion scout scrap screen script scrub sea
search season seat second secret section security seed seek segment select sell seminar senior sense sentence series service session settle setup seven shadow shaft shallow share shed shell sheriff shield shift shine ship shiver shock shoe
shoot shop short shoulder shove shrimp shrug shuffle shy sibling sick side siege sight sign silent silk silly silver similar simple since sing siren sister situate six size skate sketch ski skill skin skirt skull slab slam sleep slender
slice slide slight slim slogan slot slow slush small smart smile smoke smooth snack snake snap sniff snow soap soccer social sock soda soft solar soldier solid solution solve someone song soon sorry sort soul sound soup source south space
spare spatial spawn speak special speed spell spend sphere spice spider spike spin spirit split spoil sponsor spoon sport spot spray spread spring spy square squeeze squirrel stable stadium staff stage stairs stamp stand start state stay
steak steel stem step stereo stick still sting stock stomach stone stool story stove strategy street strike strong struggle student stuff stumble style subject submit subway success such sudden suffer sugar suggest suit summer sun sunny
sunset super supply supreme sure surface surge surprise surround survey suspect sustain swallow swamp swap swarm swear sweet swift swim swing switch sword symbol symptom syrup system table tackle tag tail talent talk tank tape target task
taste tattoo taxi teach team tell ten tenant tennis tent term test text thank that theme then theory there they thing this thought three thrive throw thumb thunder ticket tide tiger tilt timber time tiny tip tired tissue title toast tobacco
today toddler toe together toilet token tomato tomorrow tone tongue tonight tool tooth top topic topple torch tornado tortoise toss total tourist toward tower town toy track trade traffic tragic train transfer trap trash travel tray treat
tree trend trial tribe trick trigger trim trip trophy trouble truck true truly trumpet trust truth try tube tuition tumble tuna tunnel turkey turn turtle twelve twenty twice twin twist two type typical ugly umbrella unable unaware uncle
uncover under undo unfair unfold unhappy uniform unique unit universe unknown unlock until unusual unveil update upgrade uphold upon upper upset urban urge usage use used useful useless usual utility vacant vacuum vague valid valley valve
van vanish vapor various vast vault vehicle velvet vendor venture venue verb verify version very vessel veteran viable vibrant vicious victory video view village vintage violin virtual virus visa visit visual vital vivid vocal voice void
volcano volume vote voyage wage wagon wait walk wall walnut want warfare warm warrior wash wasp waste water wave way wealth weapon wear weasel weather web wedding weekend weird welcome west wet whale what wheat wheel when where whip whisper
wide width wife wild will win window wine wing wink winner winter wire wisdom wise wish witness wolf woman wonder wood wool word work world worry worth wrap wreck wrestle wrist write wrong yard year yellow you young youth zebra zero zone
zoo
"""

if __name__ == "__main__":
    sys.exit(main())
