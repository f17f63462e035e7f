"""SL1 in Python, written from docs/spec/sl1.md and nothing else: the second implementation that the vectors come from.

Every writer takes what a correct program would compute itself (keys, salts, lengths, flags) as an argument that
may be overridden, so that make_vectors.py can break exactly one rule at a time. Slow, without randomness of its own,
and not for use with anything secret.
"""

import base64
import hashlib
import hmac
import unicodedata

from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from kyber_py.ml_kem import ML_KEM_768
from mnemonic import Mnemonic

RAW = (Encoding.Raw, PublicFormat.Raw)


# --- 1.1 Notation -----------------------------------------------------------------------------------------------

def u8(n): return n.to_bytes(1, "big")
def u16(n): return n.to_bytes(2, "big")
def u32(n): return n.to_bytes(4, "big")
def u64(n): return n.to_bytes(8, "big")
def lp(b): return u32(len(b)) + b
def sha256(b): return hashlib.sha256(b).digest()
def mac256(key, b): return hmac.new(key, b, hashlib.sha256).digest()
def base32(b): return base64.b32encode(b).decode().rstrip("=").lower()
def b64(b): return base64.b64encode(b).decode()


def extract(salt, secret):
    return mac256(salt, secret)


def expand(prk, info, length=32):
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = mac256(prk, block + info + bytes([counter]))
        out += block
        counter += 1
    return out[:length]


def hkdf(secret, salt, info, length=32):
    return expand(extract(salt, secret), info, length)


def gcm(key, nonce, plain):
    return AESGCM(key).encrypt(nonce, plain, None)


# --- 1.3 Signatures, 1.4 X-Wing -----------------------------------------------------------------------------------

ROOT_CARD, STATEMENT, SEGMENT_SIGNATURE, HEAD, CHECKPOINT_SIGNATURE, INBOX, EXPORT, SUCCESSOR, PAIR = range(1, 10)


class SigningKey:
    def __init__(self, seed):
        self.seed = seed
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.key.public_key().public_bytes(*RAW)

    def sign(self, domain, message):
        return self.key.sign(b"safelight/1 sign" + u8(domain) + message)


class KemKey:
    """X-Wing, draft-connolly-cfrg-xwing-kem-06."""

    def __init__(self, seed):
        self.seed = seed
        expanded = hashlib.shake_256(seed).digest(96)
        self.ml_public, self.ml_secret = ML_KEM_768.key_derive(expanded[:64])
        self.x_secret = X25519PrivateKey.from_private_bytes(expanded[64:])
        self.x_public = self.x_secret.public_key().public_bytes(*RAW)
        self.public = self.ml_public + self.x_public


def encapsulate(public, randomness):
    ml_public, x_public = public[:1184], public[1184:]
    ml_shared, ml_ciphertext = ML_KEM_768._encaps_internal(ml_public, randomness[:32])
    ephemeral = X25519PrivateKey.from_private_bytes(randomness[32:64])
    x_ciphertext = ephemeral.public_key().public_bytes(*RAW)
    x_shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(x_public))
    shared = hashlib.sha3_256(ml_shared + x_shared + x_ciphertext + x_public + rb"\.//^\ "[:6]).digest()
    return ml_ciphertext + x_ciphertext, shared


# --- 1.2 Recovery words, 1.5 devices, 1.6 epochs -------------------------------------------------------------------

class Words:
    def __init__(self, entropy):
        self.entropy = entropy
        self.text = Mnemonic("english").to_mnemonic(entropy)
        prk = extract(b"safelight/1 words", entropy)
        self.signing = SigningKey(expand(prk, b"signing"))
        self.kem = KemKey(expand(prk, b"kem"))
        self.slot_secret = expand(prk, b"slot")
        self.card = self.signing.public + self.kem.public
        self.id = sha256(self.card)[:20]


def times(one, other):
    """The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while other:
        product ^= one if other & 1 else 0
        one = one << 1 ^ (0x11b if one & 0x80 else 0)
        other >>= 1
    return product


def share_text(set, threshold, number, values):
    body = set + bytes([threshold << 4 | number]) + values
    bits = int.from_bytes(body, "big") << 17 | int.from_bytes(sha256(b"safelight/1 share" + body)[:3], "big") >> 7
    words = Mnemonic("english").wordlist
    return " ".join(words[bits >> 11 * at & 2047] for at in reversed(range(27)))


def shares(secret, set, count, rows):
    """The shares of a secret: `rows` are the other coefficients of its polynomials, from the first power on."""
    def value(number, at):
        sum, power = secret[at], 1
        for row in rows:
            power = times(power, number)
            sum ^= times(row[at], power)
        return sum

    return [share_text(set, len(rows) + 1, number, bytes(value(number, at) for at in range(32)))
            for number in range(1, count + 1)]


class Device:
    def __init__(self, signing_seed, kem_seed):
        self.signing = SigningKey(signing_seed)
        self.kem = KemKey(kem_seed)
        keys = self.signing.public + self.kem.public
        self.id = sha256(keys)[:16]
        self.card = self.id + keys


class Epoch:
    def __init__(self, id, secret):
        self.id, self.secret = id, secret
        self.sealing = expand(secret, b"safelight/1 epoch sealing")
        self.naming = expand(secret, b"safelight/1 epoch naming")
        self.inbox = expand(secret, b"safelight/1 epoch inbox")

    def name(self, label, *parts):
        return mac256(self.naming, label + b"".join(parts))[:20]

    def original(self, content_sha256, part):
        return self.name(b"original", content_sha256, u32(part))


# --- 2 The envelope ------------------------------------------------------------------------------------------------

(ORIGINAL_PART, PACK_ENTRY, PACK_INDEX, SEGMENT, CHECKPOINT, PAGE, KEYRING, KEYS_FILE, INBOX_ITEM, SHARE, PAIRING,
 WELCOME) = range(1, 13)
KIB64, MIB1 = 16, 20
PART = 32 << 20


def padme(n):
    if n < 2:
        return n
    e = n.bit_length() - 1
    s = e.bit_length()
    mask = (1 << max(e - s, 0)) - 1
    return (n + mask) & ~mask


def padded_original(total):
    return max(padme(total), 1024)


def original_parts(total):
    return -(-padded_original(total) // PART)


def sealed_body(plain_len, log2):
    return plain_len + 16 * -(-plain_len // (1 << log2))


def plain_of_body(body, log2):
    """Plaintext length that a body of this length holds, or None when no segments have this length."""
    full = (1 << log2) + 16
    last = body % full or full
    if body == 0 or last <= 16:
        return None
    return body - 16 * -(-body // full)


def padded_entry(content_len):
    length = -(-(112 + sealed_body(max(content_len, 1), KIB64)) // 1024) * 1024
    while plain_of_body(length - 112, KIB64) is None:
        length += 1024
    return plain_of_body(length - 112, KIB64)


def entry_len(content_len):
    return 112 + sealed_body(padded_entry(content_len), KIB64)


def carried(content, plain_len=None, padding=b"", length=None):
    """Content with padding and its length at the end."""
    if plain_len is None:
        plain_len = max(padme(len(content) + 8), 4096)
    zeros = bytes(plain_len - len(content) - 8 - len(padding))
    return content + padding + zeros + u64(len(content) if length is None else length)


def prefix(kind, key_id, log2=KIB64, suite=1, flags=0, magic=b"SLO1"):
    return magic + u8(kind) + u8(suite) + u8(log2) + u8(flags) + key_id


def context(library, name, part=0, parts=1, total=0):
    fields = [library, name.encode(), u32(part), u32(parts), u64(total)]
    return b"".join(lp(field) for field in fields)


def header(prefix, secret, context, object_key, salt, committed_key=None):
    bound = prefix + salt
    wrapped = gcm(hkdf(secret, salt, b"safelight/1" + bound + context), bytes(12), object_key)
    return bound + wrapped + expand(committed_key or object_key, b"commit" + bound)


def segments(object_key, plain, log2, last_flags=None, cuts=None):
    """The body. `last_flags` and `cuts` override which segments are flagged last and how the plaintext is cut."""
    key, size = expand(object_key, b"enc"), 1 << log2
    pieces = cuts or [plain[at:at + size] for at in range(0, len(plain), size)]
    flags = last_flags or [index == len(pieces) - 1 for index in range(len(pieces))]
    return [gcm(key, index.to_bytes(11, "big") + bytes([flag]), piece)
            for index, (piece, flag) in enumerate(zip(pieces, flags))]


def seal(kind, key_id, secret, context, plain, object_key, salt, log2=KIB64, encapsulation=b"", committed_key=None,
         last_flags=None, cuts=None):
    head = header(prefix(kind, key_id, log2), secret, context, object_key, salt, committed_key)
    return head + encapsulation + b"".join(segments(object_key, plain, log2, last_flags, cuts))


# --- 1.7 keys files, 1.8 keyring, 1.9 slots -------------------------------------------------------------------------

def epoch_list(epochs):
    return u32(len(epochs)) + b"".join(epoch.id + epoch.secret for epoch in epochs)


def generation(unlock_key):
    return expand(unlock_key, b"safelight/1 unlock generation", 16)


def unlock_sealing(unlock_key):
    return expand(unlock_key, b"safelight/1 unlock sealing")


def keyring_content(library, words_card, device, catalog, epochs, magic=b"SLKR", version=1):
    return (magic + u16(version) + library + words_card + device.signing.seed + device.kem.seed + catalog
            + epoch_list(epochs))


def mac_key(secret, purpose):
    return expand(secret, b"safelight/1 mac " + purpose.encode())


def argon2id(passphrase, salt, memory_kib, passes, lanes):
    text = unicodedata.normalize("NFC", passphrase).encode()
    return hash_secret_raw(text, salt, passes, memory_kib, lanes, 32, Type.ID, 19)


SLOT_KINDS = {"passphrase": 1, "key-file": 2, "recovery": 3, "keystore": 4, "pkcs11": 5, "tpm": 6, "vault": 7,
              "passkey": 8}


def slot(library, id, kind, label, secret, salt, unlock_key, randomness, cost=None, recipient=None, wrapped=b""):
    """A slot as its file holds it. `recipient` plants another public key."""
    info = b"safelight/1 slot key" + library + id + u8(SLOT_KINDS[kind])
    public = recipient or KemKey(hkdf(secret, salt, info)).public
    encapsulation, shared = encapsulate(public, randomness)
    box = hkdf(shared, salt, b"safelight/1 slot box" + library + id + generation(unlock_key))
    sealed = encapsulation + gcm(box, bytes(12), unlock_key)
    memory, passes, lanes = cost or (0, 0, 0)
    authenticated = (b"SLSL" + u16(1) + library + id + u8(SLOT_KINDS[kind]) + lp(label.encode())
                     + generation(unlock_key) + u32(memory) + u32(passes) + u32(lanes) + salt + public + lp(wrapped)
                     + sealed)
    text = {"version": 1, "id": base32(id), "kind": kind, "label": label,
            "generation": base32(generation(unlock_key)), "salt": b64(salt), "public_key": b64(public),
            "sealed": b64(sealed), "mac": b64(mac256(mac_key(unlock_key, "slot"), authenticated))}
    if wrapped:
        text["wrapped_secret"] = b64(wrapped)
    if cost:
        text["cost"] = {"memory_kib": memory, "passes": passes, "lanes": lanes}
    return text


def by_passkey(library, credential, salt, output, secret, version=1):
    """What a passkey wrapped: `output` is what its authenticator gave over `salt`."""
    key = hkdf(output, salt, b"safelight/1 passkey" + library + lp(credential))
    return u8(version) + lp(credential) + salt + gcm(key, bytes(12), secret)


# --- 1.11 root card, 1.12 statements --------------------------------------------------------------------------------

def root_card(words, library, statements, millis, magic=b"SLRC", version=1, card=None, signer=None):
    body = magic + u16(version) + (card or words.card) + library + statements + u64(millis)
    return body + (signer or words.signing).sign(ROOT_CARD, body)


def by_device(device): return u8(1) + device.id
def by_words(words): return u8(2) + words.id


def statement(library, author, signing, millis, after, kind, body, magic=b"SLST", version=1, domain=STATEMENT,
              sort=True):
    after = sorted(after) if sort else after
    message = (magic + u16(version) + library + author + u64(millis) + u16(len(after)) + b"".join(after) + u16(kind)
               + lp(body))
    return message + signing.sign(domain, message)


def statements_hash(statements):
    return sha256(b"".join(sorted({sha256(one) for one in statements})))


# --- 3.3 entries, 3.4 remote packs, 3.5 local packs -----------------------------------------------------------------

def entry_name(content_sha256, rendition, recipe):
    return f"entry/{base32(content_sha256)}/{rendition}/{recipe}"


class Entry:
    def __init__(self, library, epoch, content_sha256, rendition, recipe, content, object_key, salt, plain=None):
        self.epoch, self.content_sha256, self.rendition, self.recipe = epoch, content_sha256, rendition, recipe
        self.content = content
        self.name = entry_name(content_sha256, rendition, recipe)
        plain = plain or content + bytes(padded_entry(len(content)) - len(content))
        bound = context(library, self.name, total=len(content))
        self.salt = salt
        self.bytes = seal(PACK_ENTRY, epoch.id, epoch.sealing, bound, plain, object_key, salt)[24:]
        self.record = (epoch.id + content_sha256 + u8(rendition) + u16(recipe) + u64(len(content)) + sha256(content))

    def frame(self, library):
        key = hkdf(self.epoch.sealing, self.salt, b"safelight/1 local frame" + library + u32(len(self.bytes)))
        record = self.record[16:] + bytes(13)
        return b"SLLF" + u32(len(self.bytes)) + self.epoch.id + gcm(key, bytes(12), record)

    def shown(self):
        return [self.name, base32(self.epoch.id), len(self.content), sha256(self.content).hex()]


def pack_index_content(records, version=1, count=None):
    return u16(version) + u32(len(records) if count is None else count) + b"".join(records)


def pack(library, epoch, tier, entries, object_key, salt, index_content=None, index_plain=None, body=None):
    """A remote pack and its logical name."""
    body = body if body is not None else prefix(PACK_ENTRY, epoch.id) + b"".join(entry.bytes for entry in entries)
    content = index_content or pack_index_content([entry.record for entry in entries])
    name = f"{tier}/{base32(epoch.name(b'pack', sha256(content)))}"
    around = len(body) + 136 + 8
    length = padme(around + sealed_body(len(content) + 8, KIB64))
    while plain_of_body(length - around, KIB64) is None:
        length += 1
    plain = index_plain(length - around) if index_plain else carried(content, plain_of_body(length - around, KIB64))
    index = seal(PACK_INDEX, epoch.id, epoch.sealing, context(library, name), plain, object_key, salt)
    mask = expand(epoch.sealing, b"safelight/1 pack tail" + name.encode(), 8)
    tail = bytes(a ^ b for a, b in zip(u64(len(index)), mask))
    return body + index + tail, name, len(body), len(index)


# --- 1.14 Pairing --------------------------------------------------------------------------------------------------

def listed_words(data, count):
    """The first count × 11 bits of data as words of the list."""
    bits = int.from_bytes(data, "big") >> (8 * len(data) - 11 * count)
    numbers = [bits >> 11 * (count - 1 - place) & 2047 for place in range(count)]
    return " ".join(Mnemonic("english").wordlist[number] for number in numbers)


def pairing_words_of_code(code):
    return listed_words(code + sha256(b"safelight/1 pairing code" + code)[:1], 8)


def pairing_secret(code, id):
    return expand(extract(b"safelight/1 pairing", code), b"sealing" + id)


def pairing_local_name(code):
    return base32(expand(extract(b"safelight/1 pairing", code), b"local network")[:16])


def pairing_signed(device, message):
    return message + device.signing.sign(PAIR, message)


def pairing_offer(library, words_id, inviter, expires, nonce, name):
    commitment = sha256(b"safelight/1 pairing commitment" + nonce)
    return pairing_signed(inviter, b"SLPO" + u16(1) + library + words_id + inviter.card + u64(expires) + commitment
                          + lp(name.encode()))


def pairing_ask(offer, device, random, name):
    return pairing_signed(device, b"SLPA" + u16(1) + sha256(offer) + device.card + random + lp(name.encode()))


def pairing_reveal(ask, nonce, inviter):
    return pairing_signed(inviter, b"SLPR" + u16(1) + sha256(ask) + nonce)


def pairing_welcome(ask, epoch, keys_file, history, storage, inviter):
    return pairing_signed(inviter, b"SLPW" + u16(1) + sha256(ask) + epoch + keys_file + lp(history.encode()) + lp(storage))


def pairing_places(ask, places, inviter):
    return pairing_signed(inviter, b"SLPP" + u16(1) + sha256(ask) + bytes([len(places)]) + b"".join(
        lp(text.encode()) for place in places for text in place))


def pairing_six_words(offer, ask, nonce):
    return listed_words(sha256(b"safelight/1 pairing words" + sha256(offer) + sha256(ask) + nonce), 6)
