#!/usr/bin/env python3
"""Writes the SL1 test vectors: json/*.json, and data/*.bin for what is too large to stand in JSON.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python make_vectors.py

Running it again gives the same bytes. Each vector breaks one rule and expects the one fault that names it.
"""

import copy
import json
import shutil
from pathlib import Path

import sl1
from sl1 import base32, u8, u16, u32, u64, lp, sha256

HERE = Path(__file__).parent


def rnd(label, length=32):
    """Bytes that look random and are the same at every run."""
    out, counter = b"", 0
    while len(out) < length:
        out += sha256(b"vectors " + label.encode() + u32(counter))
        counter += 1
    return out[:length]


def pattern(length):
    return bytes((i + i // 251) & 0xff for i in range(length))


def digest(content):
    return {"len": len(content), "sha256": sha256(content).hex()}


def flip(data, place, mask=1):
    place %= len(data)
    return data[:place] + bytes([data[place] ^ mask]) + data[place + 1:]


class Stored:
    """Bytes in a file of data/, of which vectors take pieces."""

    def __init__(self, name, data):
        self.name, self.data = f"{name}.bin", data
        (HERE / "data" / self.name).write_bytes(data)

    def __len__(self):
        return len(self.data)

    def piece(self, start=None, end=None):
        piece = {"file": self.name}
        if start:
            piece["from"] = start
        if end is not None:
            piece["to"] = end
        return piece

    def changed(self, data):
        """`data`, written as what it shares with the file and the bytes between."""
        limit = min(len(data), len(self.data))
        start = next((i for i in range(limit) if data[i] != self.data[i]), limit)
        tail = next((i for i in range(limit - start) if data[-1 - i] != self.data[-1 - i]), limit - start)
        pieces = [self.piece(0, start), {"hex": data[start:len(data) - tail].hex()},
                  self.piece(len(self.data) - tail)]
        return pieces

    def flipped(self, place, mask=1):
        return self.changed(flip(self.data, place, mask))


class Book:
    def __init__(self):
        self.files = {}
        self.ids = set()

    def add(self, id, op, input, fault=None, ok=None):
        assert id not in self.ids, id
        self.ids.add(id)
        expect = {"fault": fault} if fault else {"ok": ok}
        self.files.setdefault(id.split("/")[0], []).append({"id": id, "op": op, "input": input, "expect": expect})

    def write(self):
        for name, vectors in self.files.items():
            lines = ",\n".join(json.dumps(vector, separators=(",", ":"), ensure_ascii=False) for vector in vectors)
            text = f'{{"spec":"sl1","vectors":[\n{lines}\n]}}\n'
            (HERE / "json" / f"{name}.json").write_text(text, encoding="utf-8")
        print(len(self.ids), "vectors in", len(self.files), "files")


book = Book()

# The cast: one library with its words, two devices, two epochs.
WORDS = sl1.Words(rnd("words"))
OTHER_WORDS = sl1.Words(rnd("other words"))
LIBRARY = WORDS.id
OTHER_LIBRARY = OTHER_WORDS.id
LAPTOP = sl1.Device(rnd("laptop sign"), rnd("laptop kem"))
PHONE = sl1.Device(rnd("phone sign"), rnd("phone kem"))
EPOCH = sl1.Epoch(rnd("epoch id", 16), rnd("epoch secret"))
EPOCH_2 = sl1.Epoch(rnd("epoch 2 id", 16), rnd("epoch 2 secret"))
STRANGE_EPOCH = sl1.Epoch(EPOCH.id, rnd("another secret under the same id"))


def held(*epochs):
    return [{"id": base32(epoch.id), "secret": epoch.secret.hex()} for epoch in epochs]


def wanted(kind, name, library=LIBRARY, epochs=(EPOCH,), **extent):
    return {"kind": kind, "library": base32(library), "name": name, "epochs": held(*epochs), **extent}


# --- Words, cards, signatures ------------------------------------------------------------------------------------

def words_vectors():
    def facts(words):
        return {"words": words.text, "verifying_key": words.signing.public.hex(),
                "kem_public_sha256": sha256(words.kem.public).hex(), "id": base32(words.id)}

    book.add("words/good", "words", {"words": WORDS.text}, ok=facts(WORDS))
    book.add("words/typed-untidily", "words", {"words": "  " + WORDS.text.upper().replace(" ", "\n\t") + " "},
             ok=facts(WORDS))
    book.add("words/all-zero", "words", {"words": " ".join(["abandon"] * 23 + ["art"])}, ok=facts(sl1.Words(bytes(32))))
    book.add("words/checksum", "words", {"words": " ".join(["abandon"] * 24)}, "words-checksum")
    listed = WORDS.text.split()
    book.add("words/swapped", "words", {"words": " ".join([listed[1], listed[0]] + listed[2:])}, "words-checksum")
    book.add("words/unknown", "words", {"words": " ".join(listed[:5] + ["safelight"] + listed[6:])}, "unknown-word")
    book.add("words/twelve", "words", {"words": " ".join(["abandon"] * 11 + ["about"])}, "word-count")
    book.add("words/twenty-five", "words", {"words": WORDS.text + " abandon"}, "word-count")
    book.add("words/none", "words", {"words": ""}, "word-count")


def device_vectors():
    facts = {"id": base32(LAPTOP.id), "verifying_key": LAPTOP.signing.public.hex()}
    card = Stored("device-card", LAPTOP.card)
    book.add("device/good", "device-card", {"card": card.piece()}, ok=facts)
    book.add("device/id-of-another", "device-card",
             {"card": [PHONE.id.hex(), card.piece(16)]}, "keys-not-of-id")
    book.add("device/signing-key-of-another", "device-card",
             {"card": [card.piece(0, 16), PHONE.signing.public.hex(), card.piece(48)]}, "keys-not-of-id")
    book.add("device/kem-key-flipped", "device-card", {"card": card.flipped(len(card) - 1)}, "keys-not-of-id")
    book.add("device/kem-key-not-reduced", "device-card",
             {"card": [card.piece(0, 48), "ffffff", card.piece(51)]}, "bad-public-key")
    book.add("device/truncated", "device-card", {"card": card.piece(0, len(card) - 1)}, "truncated")
    book.add("device/trailing", "device-card", {"card": [card.piece(), "00"]}, "trailing-bytes")


def signature_vectors():
    message = b"a message"
    for domain in range(1, 9):
        signature = LAPTOP.signing.sign(domain, message)
        input = {"domain": domain, "key": LAPTOP.signing.public.hex(), "message": message.hex(),
                 "signature": signature.hex()}
        book.add(f"signature/domain-{domain}", "verify", input)
        book.add(f"signature/domain-{domain}-as-another", "verify", {**input, "domain": domain % 8 + 1},
                 "bad-signature")
    book.add("signature/empty-message", "verify",
             {"domain": 7, "key": LAPTOP.signing.public.hex(), "message": "",
              "signature": LAPTOP.signing.sign(7, b"").hex()})
    input = {"domain": 3, "key": LAPTOP.signing.public.hex(), "message": message.hex()}
    signature = LAPTOP.signing.sign(3, message)
    for place in (0, 31, 32, 63):
        book.add(f"signature/flipped-{place}", "verify", {**input, "signature": flip(signature, place).hex()},
                 "bad-signature")
    order = 2**252 + 27742317777372353535851937790883648493
    raised = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    book.add("signature/not-reduced", "verify", {**input, "signature": raised.hex()}, "bad-signature")
    book.add("signature/another-message", "verify",
             {**input, "message": b"another".hex(), "signature": signature.hex()}, "bad-signature")
    book.add("signature/another-key", "verify",
             {**input, "key": PHONE.signing.public.hex(), "signature": signature.hex()}, "bad-signature")
    # The neutral point verifies everything for a lax verifier.
    book.add("signature/weak-key", "verify",
             {**input, "key": "01" + "00" * 31, "signature": "01" + "00" * 63}, "bad-public-key")


def card_vectors():
    hash = sl1.statements_hash(STATEMENTS.values())
    good = sl1.root_card(WORDS, LIBRARY, hash, 1_790_000_000_000)
    card = Stored("root-card", good)
    at = {"keys": 6, "library": 1254, "statements": 1274, "millis": 1306, "signature": 1314}

    def add(id, data, fault=None, ok=None, words=WORDS):
        book.add(f"root-card/{id}", "root-card", {"card": data, "words_id": base32(words.id)}, fault, ok)

    add("good", card.piece(), ok={"library": base32(LIBRARY), "statements": hash.hex(), "millis": 1_790_000_000_000})
    replaced = sl1.root_card(OTHER_WORDS, LIBRARY, hash, 5)
    add("new-words-same-library", card.changed(replaced), words=OTHER_WORDS,
        ok={"library": base32(LIBRARY), "statements": hash.hex(), "millis": 5})
    add("under-another-id", card.piece(), "keys-not-of-id", words=OTHER_WORDS)
    forged = sl1.root_card(OTHER_WORDS, LIBRARY, hash, 5)
    add("forged-with-own-keys", card.changed(forged), "keys-not-of-id")
    forged = sl1.root_card(WORDS, LIBRARY, hash, 5, signer=OTHER_WORDS.signing)
    add("forged-with-own-signature", card.changed(forged), "bad-signature")
    body = good[:-64]
    add("signed-as-a-statement", [card.piece(0, len(card) - 64), WORDS.signing.sign(2, body).hex()], "bad-signature")
    add("another-library", card.flipped(at["library"]), "bad-signature")
    add("other-statements", card.flipped(at["statements"]), "bad-signature")
    add("another-date", card.flipped(at["millis"] + 7), "bad-signature")
    add("verifying-key-flipped", card.flipped(at["keys"]), "keys-not-of-id")
    add("kem-key-flipped", card.flipped(at["keys"] + 40), "keys-not-of-id")
    add("signature-flipped", card.flipped(at["signature"]), "bad-signature")
    add("another-magic", card.flipped(0), "bad-magic")
    add("version-2", card.changed(sl1.root_card(WORDS, LIBRARY, hash, 5, version=2)), "unknown-version")
    add("empty", "", "truncated")
    add("truncated", card.piece(0, len(card) - 1), "truncated")
    add("trailing", [card.piece(), "00"], "trailing-bytes")


# --- Statements -----------------------------------------------------------------------------------------------------

def make_statements():
    """A short history: birth, two devices, an epoch, a feature, a revocation."""
    made, order = {}, []

    def state(id, author, signing, kind, body, after=None):
        after = [sha256(made[order[-1]])] if after is None else after
        made[id] = sl1.statement(LIBRARY, author, signing, 1_790_000_000_000 + len(order), after, kind, body)
        order.append(id)

    words, laptop = sl1.by_words(WORDS), sl1.by_device(LAPTOP)
    state("root", words, WORDS.signing, 1, WORDS.card, after=[])
    state("admit-laptop", words, WORDS.signing, 2, LAPTOP.card)
    state("admit-phone", laptop, LAPTOP.signing, 2, PHONE.card)
    files = sorted((recipient, rnd(f"keys file {recipient.hex()}"))
                   for recipient in (laptop, sl1.by_device(PHONE), words))
    state("epoch", laptop, LAPTOP.signing, 6,
          EPOCH.id + u16(3) + b"".join(recipient + hash for recipient, hash in files))
    state("require-feature", laptop, LAPTOP.signing, 7, b"erasure-2")
    state("lapse", laptop, LAPTOP.signing, 5, PHONE.id)
    state("unknown", laptop, LAPTOP.signing, 900, b"from a later version")
    return made, files


def statement_vectors():
    birth = sha256(STATEMENTS["root"])
    words, laptop = sl1.by_words(WORDS), sl1.by_device(LAPTOP)

    def says(id):
        return {"root": {"root": base32(WORDS.id)},
                "admit-laptop": {"admit": base32(LAPTOP.id)}, "admit-phone": {"admit": base32(PHONE.id)},
                "epoch": {"epoch": base32(EPOCH.id),
                          "files": [[base32(recipient[1:]), hash.hex()] for recipient, hash in FILES]},
                "require-feature": {"require_feature": "erasure-2"}, "lapse": {"lapse": base32(PHONE.id)},
                "unknown": {"unknown": 900, "bytes": b"from a later version".hex()}}[id]

    order = list(STATEMENTS)
    for index, (id, data) in enumerate(STATEMENTS.items()):
        by_words = index < 2
        ok = {"id": sha256(data).hex(), "author": base32(WORDS.id if by_words else LAPTOP.id),
              "millis": 1_790_000_000_000 + index,
              "after": [sha256(STATEMENTS[order[index - 1]]).hex()] if index else [], "says": says(id)}
        key = (WORDS if by_words else LAPTOP).signing.public.hex()
        book.add(f"statement/{id}", "statement", {"statement": data.hex(), "key": key}, ok=ok)

    def add(id, data, fault=None, ok=None, key=LAPTOP.signing):
        book.add(f"statement/{id}", "statement", {"statement": data.hex(), "key": key.public.hex()}, fault, ok)

    def laptop_says(kind, body, after=(birth,), **broken):
        return sl1.statement(LIBRARY, laptop, LAPTOP.signing, 7, list(after), kind, body, **broken)

    def ok(data, says, after=(birth,)):
        return {"id": sha256(data).hex(), "author": base32(LAPTOP.id), "millis": 7,
                "after": [one.hex() for one in after], "says": says}

    retire = laptop_says(3, PHONE.id + u32(41))
    add("retire", retire, ok=ok(retire, {"retire": base32(PHONE.id), "last_seq": 41}))
    revoke = laptop_says(4, PHONE.id + u32(41) + rnd("root 41"))
    add("revoke", revoke, ok=ok(revoke, {"revoke": base32(PHONE.id), "last_seq": 41, "last_root": rnd("root 41").hex()}))
    two = tuple(sorted((birth, rnd("another head"))))
    merged = laptop_says(5, PHONE.id, two)
    add("after-two", merged, ok=ok(merged, {"lapse": base32(PHONE.id)}, two))

    lapse = STATEMENTS["lapse"]
    add("signature-flipped", flip(lapse, len(lapse) - 1), "bad-signature")
    add("another-key", lapse, "bad-signature", key=PHONE.signing)
    add("another-library", flip(lapse, 6), "bad-signature")
    add("another-author", flip(lapse, 27), "bad-signature")
    add("another-date", flip(lapse, 27 + 16 + 7), "bad-signature")
    add("another-body", flip(lapse, len(lapse) - 65), "bad-signature")
    add("signed-as-a-segment", laptop_says(5, PHONE.id, domain=3), "bad-signature")
    add("another-magic", flip(lapse, 0), "bad-magic")
    add("version-2", laptop_says(5, PHONE.id, version=2), "unknown-version")
    add("author-of-no-kind", lapse[:26] + b"\x03" + lapse[27:], "bad-field")
    add("after-unsorted", laptop_says(5, PHONE.id, two[::-1], sort=False), "bad-field")
    add("after-doubled", laptop_says(5, PHONE.id, (birth, birth)), "bad-field")
    add("truncated", lapse[:-1], "truncated")
    add("trailing", lapse + b"\0", "trailing-bytes")
    add("empty", b"", "truncated")
    add("body-too-short", laptop_says(5, PHONE.id[:-1]), "truncated")
    add("body-too-long", laptop_says(5, PHONE.id + b"\0"), "trailing-bytes")
    add("body-over-limit", lapse[:-64 - 16 - 4] + u32(2 << 20), "too-large")
    add("admit-id-of-another", laptop_says(2, LAPTOP.id + PHONE.card[16:]), "keys-not-of-id")
    unsorted = EPOCH.id + u16(3) + b"".join(recipient + hash for recipient, hash in reversed(FILES))
    add("epoch-files-unsorted", laptop_says(6, unsorted), "bad-field")
    doubled = EPOCH.id + u16(2) + (FILES[0][0] + FILES[0][1]) * 2
    add("epoch-file-doubled", laptop_says(6, doubled), "bad-field")
    add("feature-upper-case", laptop_says(7, b"Erasure"), "bad-field")
    add("feature-empty", laptop_says(7, b""), "bad-field")
    add("feature-too-long", laptop_says(7, b"a" * 65), "bad-field")


def roster_vectors():
    laptop, phone, words = sl1.by_device(LAPTOP), sl1.by_device(PHONE), sl1.by_words(WORDS)
    history = [STATEMENTS[id] for id in ("root", "admit-laptop", "admit-phone", "epoch")]
    head = [sha256(history[-1])]
    active = {base32(LAPTOP.id): "active", base32(PHONE.id): "active"}

    def add(id, statements, roster, library=LIBRARY):
        full = {"words": base32(WORDS.id), "members": active, "features": [], "sealing_epoch": base32(EPOCH.id),
                "refused": [], **roster} if roster is not None else None
        input = {"library": base32(library), "statements": [one.hex() for one in statements]}
        book.add(f"roster/{id}", "roster", input, ok={"hash": sl1.statements_hash(statements).hex(), "roster": full})

    def state(author, signing, millis, kind, body, after=head, library=LIBRARY):
        return sl1.statement(library, author, signing, millis, after, kind, body)

    def refused(*pairs):
        return sorted(f"{sha256(data).hex()} {fault}" for data, fault in pairs)

    add("good", history, {})
    add("in-any-order", history[::-1], {})
    add("doubled", history + history, {})
    add("without-birth", history[1:], None)
    add("of-another-library", history, None, library=OTHER_LIBRARY)

    revoke = state(laptop, LAPTOP.signing, 9, 4, PHONE.id + u32(7) + rnd("root 7"))
    trap = state(phone, PHONE.signing, 1, 7, b"trap")
    revoked = {"members": {**active, base32(PHONE.id): "revoked"}, "sealing_epoch": None}
    add("revoked", history + [revoke], revoked)
    add("revoked-says-something-meanwhile", history + [trap, revoke],
        {**revoked, "refused": refused((trap, "not-allowed"))})
    later = state(phone, PHONE.signing, 10, 7, b"later", after=[sha256(revoke)])
    add("revoked-says-something-later", history + [revoke, later],
        {**revoked, "refused": refused((later, "not-allowed"))})
    retire = state(laptop, LAPTOP.signing, 9, 3, PHONE.id + u32(7))
    add("retired", history + [retire], {"members": {**active, base32(PHONE.id): "retired"}, "sealing_epoch": None})
    lapse = state(laptop, LAPTOP.signing, 9, 5, PHONE.id)
    add("lapsed", history + [lapse], {"members": {**active, base32(PHONE.id): "lapsed"}})
    back = state(phone, PHONE.signing, 10, 7, b"back", after=[sha256(lapse)])
    add("lapsed-and-back", history + [lapse, back], {"features": ["back"]})

    stranger = sl1.Device(rnd("stranger sign"), rnd("stranger kem"))
    admits_itself = state(sl1.by_device(stranger), stranger.signing, 9, 2, stranger.card)
    add("stranger", history + [admits_itself], {"refused": refused((admits_itself, "not-allowed"))})
    forged = flip(state(laptop, LAPTOP.signing, 9, 7, b"x"), -1)
    add("forged", history + [forged], {"refused": refused((forged, "bad-signature"))})
    elsewhere = state(laptop, LAPTOP.signing, 9, 7, b"x", library=OTHER_LIBRARY)
    add("about-another-library", history + [elsewhere], {"refused": refused((elsewhere, "not-allowed"))})
    orphan = state(laptop, LAPTOP.signing, 9, 7, b"x", after=[rnd("never made")])
    add("names-a-missing-one", history + [orphan], {"refused": refused((orphan, "missing-statement"))})
    rootless = state(laptop, LAPTOP.signing, 9, 7, b"x", after=[])
    add("after-nothing", history + [rootless], {"refused": refused((rootless, "not-allowed"))})

    new_words = state(laptop, LAPTOP.signing, 9, 1, OTHER_WORDS.card)
    old_speak = state(words, WORDS.signing, 10, 7, b"old", after=[sha256(new_words)])
    add("new-words", history + [new_words, old_speak],
        {"words": base32(OTHER_WORDS.id), "sealing_epoch": None, "refused": refused((old_speak, "not-allowed"))})


# --- Epochs, names, lengths -------------------------------------------------------------------------------------------

def epoch_vectors():
    for number, epoch in enumerate((EPOCH, EPOCH_2), 1):
        facts = {"sealing": epoch.sealing.hex(), "naming": epoch.naming.hex(),
                 "inbox_public_sha256": sha256(sl1.KemKey(epoch.inbox).public).hex()}
        book.add(f"epoch/derived-{number}", "epoch", {"epochs": held(epoch)}, ok=facts)
    content = sha256(b"a photo")
    for part, seq in ((0, 1), (1, 4_294_967_295), (255, 10), (256, 1_000_000_000)):
        original = base32(EPOCH.original(content, part))
        facts = {"original": f"o/{original}", "shard": original[:2],
                 "checkpoint": f"ckpt/{base32(EPOCH.name(b'checkpoint', content))}",
                 "page": f"page/{base32(EPOCH.name(b'page', content))}",
                 "thumbnails": f"t/{base32(EPOCH.name(b'pack', content))}",
                 "segment": f"log/{base32(LAPTOP.id)}/{seq:010}", "head": f"head/{base32(LAPTOP.id)}",
                 "keys_file": f"keys/{base32(EPOCH.id)}/{base32(LAPTOP.id)}",
                 "entry": sl1.entry_name(content, 1, 258)}
        book.add(f"names/part-{part}", "names", {"epochs": held(EPOCH), "content": content.hex(), "part": part,
                                                 "device": base32(LAPTOP.id), "seq": seq}, ok=facts)


def length_vectors():
    edges = [0, 1, 2, 3, 8, 9, 912, 913, 1023, 1024, 1025, 4096, 4097, 65_423, 65_424, 65_425, 65_535, 65_536, 65_537,
             1_000_000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (32 << 20) - 1, 32 << 20, (32 << 20) + 1, 5 << 30]
    for length in edges:
        facts = {"padme": sl1.padme(length), "original": sl1.padded_original(length),
                 "parts": sl1.original_parts(length), "entry": sl1.entry_len(length)}
        book.add(f"lengths/{length}", "lengths", {"length": length}, ok=facts)


# --- The envelope -------------------------------------------------------------------------------------------------------

SEGMENT_NAME = f"log/{base32(LAPTOP.id)}/0000000001"


def sealed_segment(label, content, name=SEGMENT_NAME, library=LIBRARY, epoch=EPOCH, kind=sl1.SEGMENT, plain=None,
                   log2=sl1.KIB64, **broken):
    return sl1.seal(kind, epoch.id, epoch.sealing, sl1.context(library, name),
                    sl1.carried(content) if plain is None else plain, rnd(label + " key"), rnd(label + " salt"), log2,
                    **broken)


def add_open(id, sealed, fault=None, content=None, kind=sl1.SEGMENT, name=SEGMENT_NAME, **rest):
    ok = None if content is None else digest(content)
    book.add(id, "open", {**wanted(kind, name, **rest), "sealed": sealed}, fault, ok)


def header_vectors():
    content = b"a batch of operations"
    small = Stored("segment", sealed_segment("small", content))
    add_open("header/good", small.piece(), content=content)
    faults = (["bad-magic"] * 4 + ["wrong-kind", "unknown-suite", "bad-segment-size", "unknown-flags"]
              + ["unknown-key"] * 16 + ["wrong-context"] * 80 + ["commitment-mismatch"] * 32)
    for place, fault in enumerate(faults):
        add_open(f"header/flip-{place:03}", small.flipped(place), fault)
    add_open("header/kind-0", small.flipped(4, 4), "unknown-kind")
    add_open("header/kind-132", small.flipped(4, 0x80), "unknown-kind")
    add_open("header/suite-2", small.flipped(5, 3), "unknown-suite")
    add_open("header/segment-size-0", small.flipped(6, 16), "bad-segment-size")
    add_open("header/segment-size-63", small.flipped(6, 16 ^ 63), "bad-segment-size")
    add_open("header/segment-size-20", small.flipped(6, 4), "wrong-context")
    add_open("header/every-flag", small.flipped(7, 255), "unknown-flags")
    add_open("header/key-id-of-another-epoch", [small.piece(0, 8), EPOCH_2.id.hex(), small.piece(24)],
             "wrong-context", epochs=(EPOCH, EPOCH_2))
    other = sealed_segment("other", content)
    add_open("header/wrapped-key-of-another", [small.piece(0, 56), other[56:104].hex(), small.piece(104)],
             "wrong-context")
    add_open("header/commitment-of-another", [small.piece(0, 104), other[104:136].hex(), small.piece(136)],
             "commitment-mismatch")
    add_open("header/commits-to-another-key", small.changed(
        sealed_segment("small", content, committed_key=rnd("other key"))), "commitment-mismatch")
    add_open("header/of-another-object", [other[:136].hex(), small.piece(136)], "segment-damaged")


def context_vectors():
    content = b"a batch of operations"
    small = Stored("context", sealed_segment("context", content))
    add_open("context/good", small.piece(), content=content)
    add_open("context/good-among-epochs", small.piece(), content=content, epochs=(EPOCH_2, EPOCH))
    add_open("context/another-name", small.piece(), "wrong-context", name=SEGMENT_NAME[:-1] + "2")
    add_open("context/empty-name", small.piece(), "wrong-context", name="")
    add_open("context/another-library", small.piece(), "wrong-context", library=OTHER_LIBRARY)
    add_open("context/another-kind", small.piece(), "wrong-kind", kind=sl1.CHECKPOINT)
    add_open("context/another-epoch", small.piece(), "unknown-key", epochs=(EPOCH_2,))
    add_open("context/no-epoch", small.piece(), "unknown-key", epochs=())
    add_open("context/another-secret", small.piece(), "wrong-context", epochs=(STRANGE_EPOCH,))
    add_open("context/part-1", small.piece(), "wrong-context", part=1)
    add_open("context/2-parts", small.piece(), "wrong-context", parts=2)
    add_open("context/total-1", small.piece(), "wrong-context", total=1)
    # Fields are length-prefixed, so bytes cannot wander from one to the next.
    wandering = sl1.seal(sl1.SEGMENT, EPOCH.id, EPOCH.sealing,
                         lp(LIBRARY + b"l") + lp(SEGMENT_NAME[1:].encode()) + lp(u32(0)) + lp(u32(1)) + lp(u64(0)),
                         sl1.carried(content), rnd("wander key"), rnd("wander salt"))
    add_open("context/field-boundary-moved", small.changed(wandering), "wrong-context")
    for kind, label in ((5, "checkpoint"), (6, "page"), (10, "share")):
        sealed = sealed_segment(label, content, name=f"{label}/x", kind=kind)
        add_open(f"context/kind-{label}", small.changed(sealed), content=content, kind=kind, name=f"{label}/x")

    # Originals: part, parts and length are bound too.
    photo = pattern(1000)
    name = base32(EPOCH.original(sha256(photo), 0))

    def part(label, bound_part=0, bound_parts=1, bound_total=1000, plain=photo + bytes(24)):
        bound = sl1.context(LIBRARY, f"o/{name}", bound_part, bound_parts, bound_total)
        return sl1.seal(sl1.ORIGINAL_PART, EPOCH.id, EPOCH.sealing, bound, plain, rnd(label + " key"),
                        rnd(label + " salt"), sl1.MIB1)

    stored = Stored("original-part", part("part"))

    def add(id, sealed, fault=None, part=0, parts=1, total=1000, ok=None):
        add_open(f"context/original-{id}", sealed, fault, ok, kind=sl1.ORIGINAL_PART, name=f"o/{name}", part=part,
                 parts=parts, total=total)

    add("good", stored.piece(), ok=photo)
    add("sealed-as-part-1", stored.changed(part("as part 1", bound_part=1)), "wrong-context")
    add("sealed-as-one-of-2", stored.changed(part("as one of 2", bound_parts=2)), "wrong-context")
    add("sealed-for-999-bytes", stored.changed(part("as 999", bound_total=999)), "wrong-context")
    add("wanted-with-999-bytes", stored.piece(), "wrong-context", total=999)
    add("wanted-with-1025-bytes", stored.piece(), "size-mismatch", total=1025)
    add("wanted-as-part-1", stored.piece(), "no-such-part", part=1)
    add("wanted-of-2-parts", stored.piece(), "no-such-part", parts=2)
    add("wanted-with-absurd-length", stored.piece(), "no-such-part", total=1 << 62)
    add("one-byte-short", stored.piece(0, len(stored) - 1), "size-mismatch")
    add("one-byte-long", [stored.piece(), "00"], "size-mismatch")
    add("header-only", stored.piece(0, 136), "size-mismatch")
    add("padding-not-zero", stored.changed(part("pad", plain=photo + bytes(23) + b"\1")), "bad-padding")
    add("padding-starts-not-zero", stored.changed(part("pad start", plain=photo + b"\1" + bytes(23))), "bad-padding")
    whole = {"library": base32(LIBRARY), "epochs": held(EPOCH), "content": sha256(photo).hex(), "size": 1000}
    book.add("context/original-whole", "original", {**whole, "parts": [{"name": name, "sealed": stored.piece()}]},
             ok=digest(photo))
    insider = part("insider", plain=pattern(999) + b"!" + bytes(24))
    book.add("context/original-swapped-by-an-insider", "original",
             {**whole, "parts": [{"name": name, "sealed": stored.changed(insider)}]}, "content-mismatch")
    book.add("context/original-without-parts", "original", {**whole, "parts": []}, "out-of-order")
    book.add("context/original-part-doubled", "original",
             {**whole, "parts": [{"name": name, "sealed": stored.piece()}] * 2}, "no-such-part")

    # The second part of an original of two: 32 MiB and 1,000 bytes.
    total, rest = (32 << 20) + 1000, pattern(1000)
    name_1 = base32(EPOCH.original(rnd("two parts"), 1))
    plain = rest + bytes(sl1.padded_original(total) - (32 << 20) - 1000)
    sealed = sl1.seal(sl1.ORIGINAL_PART, EPOCH.id, EPOCH.sealing, sl1.context(LIBRARY, f"o/{name_1}", 1, 2, total),
                      plain, rnd("part 1 key"), rnd("part 1 salt"), sl1.MIB1)
    second = Stored("original-part-1", sealed)
    for id, part_number, fault in (("good", 1, None), ("wanted-as-part-0", 0, "size-mismatch")):
        add_open(f"context/second-part-{id}", second.piece(), fault, None if fault else rest,
                 kind=sl1.ORIGINAL_PART, name=f"o/{name_1}", part=part_number, parts=2, total=total)


def segment_vectors():
    content = pattern(150_000)
    good = sealed_segment("three", content)
    three = Stored("three-segments", good)
    full = (1 << 16) + 16
    at = [136, 136 + full, 136 + 2 * full, len(good)]
    plain = sl1.carried(content)
    pieces = [three.piece(at[i], at[i + 1]) for i in range(3)]
    head = three.piece(0, 136)

    def add(id, sealed, fault=None, ok=None):
        add_open(f"segments/{id}", sealed, fault, ok)

    add("good", three.piece(), ok=content)
    for end in (0, 1, 3, 23, 24, 25, 55, 56, 103, 104, 135, 136, 137, 151, 152):
        add(f"truncated-at-{end}", three.piece(0, end), "truncated")
    for end in (153, 1000, at[1] - 17, at[1] - 16, at[1] - 1, at[1], at[1] + 17, at[2] - 1, at[2], at[2] + 17,
                at[3] - 17, at[3] - 16, at[3] - 1):
        add(f"truncated-at-{end}", three.piece(0, end), "segment-damaged")
    for end in (at[1] + 1, at[1] + 16, at[2] + 1, at[2] + 16):
        add(f"truncated-at-{end}", three.piece(0, end), "truncated")
    add("one-byte-more", [three.piece(), "00"], "segment-damaged")
    add("sixteen-bytes-more", [three.piece(), "00" * 16], "segment-damaged")
    for i in range(3):
        add(f"first-byte-of-{i}", three.flipped(at[i]), "segment-damaged")
        add(f"last-byte-of-{i}", three.flipped(at[i + 1] - 17), "segment-damaged")
        add(f"tag-of-{i}", three.flipped(at[i + 1] - 1), "segment-damaged")
    add("swapped-0-1", [head, pieces[1], pieces[0], pieces[2]], "segment-damaged")
    add("dropped-0", [head, pieces[1], pieces[2]], "segment-damaged")
    add("dropped-1", [head, pieces[0], pieces[2]], "segment-damaged")
    add("dropped-last", [head, pieces[0], pieces[1]], "segment-damaged")
    add("doubled-0", [head, pieces[0], pieces[0], pieces[1], pieces[2]], "segment-damaged")
    add("doubled-1", [head, pieces[0], pieces[1], pieces[1], pieces[2]], "segment-damaged")
    add("doubled-last", [head, *pieces, pieces[2]], "segment-damaged")
    other = sealed_segment("four", content)
    add("one-of-another-object", [head, pieces[0], other[at[1]:at[1] + 64].hex(), three.piece(at[1] + 64)],
        "segment-damaged")

    # Honest bytes, except for the flags; only the segments that come out otherwise need a file of their own.
    for id, flags in (("last-flag-missing", (0, 0, 0)), ("last-flag-doubled", (0, 1, 1)),
                      ("last-flag-everywhere", (1, 1, 1)), ("last-flag-2", (0, 0, 2))):
        sealed = sealed_segment("three", content, last_flags=flags)
        parts = [sealed[at[i]:at[i + 1]] for i in range(3)]
        same = [part == good[at[i]:at[i + 1]] for i, part in enumerate(parts)]
        add(id, [head] + [pieces[i] if same[i] else Stored(f"{id}-{i}", part).piece()
                          for i, part in enumerate(parts)], "segment-damaged")
    # A cut that no correct writer makes: the last segment is empty.
    exact = sl1.carried(pattern(2 * 65_536 - 8), plain_len=2 * 65_536)
    empty_last = sealed_segment("empty last", b"", plain=exact, cuts=[exact[:65_536], exact[65_536:], b""])
    add("last-is-empty", Stored("last-is-empty", empty_last).piece(), "truncated")
    short_first = sealed_segment("short first", b"", plain=exact, cuts=[exact[:65_535], exact[65_535:]])
    small = Stored("short-first", short_first)
    add("first-is-short", small.piece(), "segment-damaged")

    for start, end in ((0, 1), (0, 150_000), (65_535, 65_537), (131_071, 131_073), (149_999, 150_000), (70_000, 70_000)):
        part = content[start:end]
        first, last = start // 65_536, -(-end // 65_536)
        sealed = [at[first], at[last]] if end > first * 65_536 and last > first else [136, 136]
        book.add(f"segments/range-{start}-{end}", "open-range",
                 {**wanted(sl1.SEGMENT, SEGMENT_NAME), "sealed": three.piece(), "from": start, "to": end},
                 ok={"sealed": sealed, "content": digest(part)})
    book.add("segments/range-in-a-damaged-segment", "open-range",
             {**wanted(sl1.SEGMENT, SEGMENT_NAME), "sealed": three.flipped(at[1]), "from": 65_536, "to": 65_537},
             "segment-damaged")
    book.add("segments/range-beside-a-damaged-segment", "open-range",
             {**wanted(sl1.SEGMENT, SEGMENT_NAME), "sealed": three.flipped(at[1]), "from": 5, "to": 6},
             ok={"sealed": [at[0], at[1]], "content": digest(content[5:6])})


def size_vectors():
    for length in (0, 1, 4087, 4088, 4089, 65_527, 65_528, 65_529, 65_535, 65_536, 65_537):
        content = pattern(length)
        stored = Stored(f"size-{length}", sealed_segment(f"size {length}", content))
        add_open(f"sizes/segment-{length}", stored.piece(), content=content)
    mib = 1 << 20
    for length in (0, 1, 1023, 1024, 1025, 65_535, 65_536, 65_537, mib - 1, mib, mib + 1):
        content = pattern(length)
        name = base32(EPOCH.original(sha256(content), 0))
        plain = content + bytes(sl1.padded_original(length) - length)
        sealed = sl1.seal(sl1.ORIGINAL_PART, EPOCH.id, EPOCH.sealing, sl1.context(LIBRARY, f"o/{name}", 0, 1, length),
                          plain, rnd(f"original {length} key"), rnd(f"original {length} salt"), sl1.MIB1)
        stored = Stored(f"original-{length}", sealed)
        book.add(f"sizes/original-{length}", "original",
                 {"library": base32(LIBRARY), "epochs": held(EPOCH), "content": sha256(content).hex(), "size": length,
                  "parts": [{"name": name, "sealed": stored.piece()}]}, ok=digest(content))
    # Two segments: the last flag stands where the part ends, not where the content does.
    content = pattern(mib + 1)
    name = base32(EPOCH.original(sha256(content), 0))
    input = {"library": base32(LIBRARY), "epochs": held(EPOCH), "content": sha256(content).hex(), "size": mib + 1}
    book.add("sizes/original-second-segment-dropped", "original",
             {**input, "parts": [{"name": name, "sealed": stored.piece(0, 136 + mib + 16)}]}, "size-mismatch")
    book.add("sizes/original-second-segment-flipped", "original",
             {**input, "parts": [{"name": name, "sealed": stored.flipped(136 + mib + 16)}]}, "segment-damaged")


def padding_vectors():
    content = b"padded"
    base = Stored("padding", sealed_segment("padding", content))

    def add(id, plain, fault="bad-padding", ok=None):
        add_open(f"padding/{id}", base.changed(sealed_segment(f"padding {id}", b"", plain=plain)), fault, ok)

    add("good", sl1.carried(content), None, content)
    add("not-zero-first", sl1.carried(content, padding=b"\1"))
    add("not-zero-last", content + bytes(4096 - 8 - 6 - 1) + b"\1" + u64(6))
    add("longer-than-padme", sl1.carried(content, plain_len=4097))
    add("a-whole-step-longer", sl1.carried(content, plain_len=8192))
    add("shorter-than-4096", sl1.carried(content, plain_len=4095))
    add("none-at-all", sl1.carried(content, plain_len=14))
    add("length-too-large", sl1.carried(content, length=4089))
    add("length-of-everything", sl1.carried(content, length=4088), None, content + bytes(4088 - 6))
    add("length-absurd", sl1.carried(content, length=(1 << 64) - 1))
    add("length-too-small", sl1.carried(content, length=5))
    add("too-short-for-a-length", b"1234567")


# --- KEM kinds, keyring, slots --------------------------------------------------------------------------------------------

def kem_vectors():
    epochs = (EPOCH, EPOCH_2)

    def keys_file(label, recipient=WORDS, library=LIBRARY, newest=EPOCH_2, content=None, kind=sl1.KEYS_FILE):
        name = f"keys/{base32(newest.id)}/{base32(recipient.id)}"
        encapsulation, shared = sl1.encapsulate(recipient.kem.public, rnd(label + " encapsulate", 64))
        return sl1.seal(kind, newest.id, shared, sl1.context(library, name),
                        sl1.carried(sl1.epoch_list(epochs) if content is None else content), rnd(label + " key"),
                        rnd(label + " salt"), encapsulation=encapsulation)

    stored = Stored("keys-file", keys_file("keys"))
    input = {"library": base32(LIBRARY), "epoch": base32(EPOCH_2.id), "recipient": base32(WORDS.id),
             "words": WORDS.text}
    facts = [[base32(epoch.id), epoch.sealing.hex()] for epoch in epochs]

    def add(id, sealed, fault=None, ok=None, **changed):
        book.add(f"keys-file/{id}", "keys-file", {**input, "sealed": sealed, **changed}, fault, ok)

    add("good", stored.piece(), ok=facts)
    add("by-another-recipient", stored.piece(), "wrong-context", words=OTHER_WORDS.text)
    add("named-for-another-recipient", stored.piece(), "wrong-context", recipient=base32(OTHER_WORDS.id))
    add("of-another-epoch", stored.piece(), "wrong-context", epoch=base32(EPOCH.id))
    add("of-another-library", stored.piece(), "wrong-context", library=base32(OTHER_LIBRARY))
    for place, what in ((136, "ml-kem-first"), (136 + 1087, "ml-kem-last"), (136 + 1088, "x25519-first"),
                        (136 + 1119 - 1, "x25519-last")):
        add(f"encapsulation-{what}-byte", stored.flipped(place), "wrong-context")
    add("encapsulation-of-another", [stored.piece(0, 136), keys_file("keys 2")[136:1256].hex(), stored.piece(1256)],
        "wrong-context")
    add("segment-flipped", stored.flipped(1256), "segment-damaged")
    for end in (135, 136, 1255, 1256, 1272):
        add(f"truncated-at-{end}", stored.piece(0, end), "truncated")
    add("truncated-at-1273", stored.piece(0, 1273), "segment-damaged")
    add("of-another-kind", stored.changed(keys_file("kind", kind=sl1.INBOX_ITEM)), "wrong-kind")
    add("count-too-large", stored.changed(keys_file("count", content=u32(3) + sl1.epoch_list(epochs)[4:])), "truncated")
    add("count-absurd", stored.changed(keys_file("absurd", content=b"\xff" * 4)), "truncated")
    add("trailing", stored.changed(keys_file("trail", content=sl1.epoch_list(epochs) + b"\0")), "trailing-bytes")
    add("empty", stored.changed(keys_file("none", content=sl1.epoch_list(()))), "bad-field")
    add("newest-not-last", stored.changed(keys_file("order", content=sl1.epoch_list(epochs[::-1]))), "bad-field")

    photo = pattern(2000)
    encapsulation, shared = sl1.encapsulate(sl1.KemKey(EPOCH.inbox).public, rnd("inbox encapsulate", 64))
    name = f"inbox/{base32(PHONE.id)}/1"
    item = Stored("inbox-item", sl1.seal(sl1.INBOX_ITEM, EPOCH.id, shared, sl1.context(LIBRARY, name),
                                         sl1.carried(photo), rnd("inbox key"), rnd("inbox salt"), sl1.MIB1, encapsulation))
    for id, sealed, epoch, fault in (("good", item.piece(), EPOCH, None),
                                     ("with-another-epoch", item.piece(), EPOCH_2, "wrong-context"),
                                     ("flipped", item.flipped(2000), EPOCH, "segment-damaged")):
        book.add(f"inbox/{id}", "open-inbox",
                 {"library": base32(LIBRARY), "name": name, "epochs": held(epoch), "sealed": sealed}, fault,
                 None if fault else digest(photo))


def keyring_vectors():
    unlock, catalog = rnd("unlock key"), rnd("catalog")

    def keyring(label, content=None, library=LIBRARY, key=unlock):
        content = content or sl1.keyring_content(LIBRARY, WORDS.card, LAPTOP, catalog, (EPOCH, EPOCH_2))
        return sl1.seal(sl1.KEYRING, sl1.generation(key), sl1.unlock_sealing(key), sl1.context(library, "keyring"),
                        sl1.carried(content), rnd(label + " key"), rnd(label + " salt"))

    stored = Stored("keyring", keyring("keyring"))
    facts = {"generation": base32(sl1.generation(unlock)), "device": base32(LAPTOP.id), "words": base32(WORDS.id),
             "epochs": [base32(EPOCH.id), base32(EPOCH_2.id)],
             "catalog_key": sl1.expand(catalog, b"safelight/1 catalog.db").hex(),
             "device_database_key": sl1.expand(catalog, b"safelight/1 device.db").hex(),
             "library_toml_mac": sl1.mac256(sl1.mac_key(catalog, "library.toml"), b"version = 1\n").hex()}

    def add(id, sealed, fault=None, ok=None, key=unlock, library=LIBRARY):
        book.add(f"keyring/{id}", "keyring", {"sealed": sealed, "unlock_key": key.hex(), "library": base32(library)},
                 fault, ok)

    def content(**broken):
        return sl1.keyring_content(**{"library": LIBRARY, "words_card": WORDS.card, "device": LAPTOP,
                                      "catalog": catalog, "epochs": (EPOCH,), **broken})

    add("good", stored.piece(), ok=facts)
    add("another-unlock-key", stored.piece(), "unknown-key", key=rnd("another unlock key"))
    add("another-library", stored.piece(), "wrong-context", library=OTHER_LIBRARY)
    add("flipped", stored.flipped(500), "segment-damaged")
    add("truncated", stored.piece(0, len(stored) - 1), "segment-damaged")
    add("another-magic", stored.changed(keyring("magic", content(magic=b"SLKX"))), "bad-magic")
    add("version-2", stored.changed(keyring("version", content(version=2))), "unknown-version")
    add("without-epoch", stored.changed(keyring("no epoch", content(epochs=()))), "bad-field")
    add("trailing", stored.changed(keyring("trail", content() + b"\0")), "trailing-bytes")
    add("cut", stored.changed(keyring("cut", content()[:-1])), "truncated")
    add("naming-another-library", stored.changed(keyring("other", content(library=OTHER_LIBRARY))), "bad-field")
    add("bad-kem-key", stored.changed(keyring("kem", content(words_card=WORDS.card[:32] + b"\xff" * 1216))),
        "bad-public-key")


def slot_vectors():
    unlock = rnd("unlock key")
    cheap = (19 << 10, 2, 1)
    key_file = pattern(64)

    def make(kind, secret, label="a slot", **rest):
        return sl1.slot(LIBRARY, rnd(f"slot {kind}", 16), kind, label, secret, rnd(f"slot salt {kind}"), unlock,
                        rnd(f"slot randomness {kind}", 64), **rest)

    salt = rnd("slot salt passphrase")
    by_passphrase = make("passphrase", sl1.argon2id("Café crème", salt, *cheap), "éclair", cost=cheap)
    by_file = make("key-file", sl1.extract(rnd("slot salt key-file"), key_file))
    by_words = make("recovery", WORDS.slot_secret)

    def add(id, slot, secret, fault=None, library=LIBRARY):
        book.add(f"slot/{id}", "slot", {"library": base32(library), "slot": slot, **secret}, fault,
                 None if fault else unlock.hex())

    def altered(slot, **fields):
        return {**copy.deepcopy(slot), **fields}

    def flipped(slot, field, place):
        import base64
        return altered(slot, **{field: sl1.b64(flip(base64.b64decode(slot[field]), place))})

    passphrase, file, words = {"passphrase": "Café crème"}, {"key_file": key_file.hex()}, {"words": WORDS.text}
    add("passphrase", by_passphrase, passphrase)
    add("passphrase-decomposed", by_passphrase, {"passphrase": "Cafe\u0301 cre\u0300me"})
    lanes = (32 << 10, 3, 4)
    add("passphrase-four-lanes", make("passphrase", sl1.argon2id("x", salt, *lanes), cost=lanes), {"passphrase": "x"})
    add("key-file", by_file, file)
    add("recovery", by_words, words)
    add("passphrase-wrong", by_passphrase, {"passphrase": "Café creme"}, "wrong-secret")
    add("passphrase-of-another-case", by_passphrase, {"passphrase": "café crème"}, "wrong-secret")
    add("key-file-wrong", by_file, {"key_file": flip(key_file, 63).hex()}, "wrong-secret")
    add("key-file-longer", by_file, {"key_file": (key_file + b"\n").hex()}, "wrong-secret")
    add("key-file-too-short", by_file, {"key_file": key_file[:31].hex()}, "key-file-size")
    add("recovery-wrong", by_words, {"words": OTHER_WORDS.text}, "wrong-secret")
    add("another-kind-of-secret", by_file, words, "wrong-secret")
    add("another-library", by_file, file, "wrong-secret", library=OTHER_LIBRARY)
    add("another-id", altered(by_file, id=base32(rnd("another", 16))), file, "wrong-secret")
    add("salt-altered", flipped(by_file, "salt", 0), file, "wrong-secret")
    add("public-key-planted", make("key-file", b"", recipient=OTHER_WORDS.kem.public), file, "wrong-secret")
    add("public-key-not-valid", altered(by_file, public_key=sl1.b64(b"\xff" * 1216)), file, "bad-public-key")
    add("encapsulation-altered", flipped(by_file, "sealed", 0), file, "not-authentic")
    add("sealed-key-altered", flipped(by_file, "sealed", 1120), file, "not-authentic")
    add("sealed-tag-altered", flipped(by_file, "sealed", 1167), file, "not-authentic")
    add("label-altered", altered(by_file, label="another"), file, "not-authentic")
    add("generation-altered", altered(by_file, generation=base32(rnd("another", 16))), file, "not-authentic")
    add("mac-altered", flipped(by_file, "mac", 31), file, "not-authentic")
    cost = by_passphrase["cost"]
    add("cost-altered", altered(by_passphrase, cost={**cost, "passes": 3}), passphrase, "wrong-secret")
    for field, value in (("memory_kib", (19 << 10) - 1), ("memory_kib", (1 << 20) + 1), ("passes", 1), ("passes", 17),
                         ("lanes", 0), ("lanes", 17)):
        add(f"cost-{field}-{value}", altered(by_passphrase, cost={**cost, field: value}), passphrase,
            "cost-out-of-bounds")
    add("version-2", altered(by_file, version=2), file, "unknown-version")


# --- Packs ------------------------------------------------------------------------------------------------------------------

def entry(number, length, epoch=EPOCH, rendition=1, recipe=2, content=None, plain=None, of=None):
    return sl1.Entry(LIBRARY, epoch, sha256(f"photo {of or number}".encode()), rendition, recipe,
                     pattern(length) if content is None else content, rnd(f"entry {number} key"),
                     rnd(f"entry {number} salt"), plain)


def record_of(entry, **changed):
    return {"content": entry.content_sha256.hex(), "rendition": entry.rendition, "recipe": entry.recipe,
            "epoch": base32(entry.epoch.id), "content_len": len(entry.content), "sha256": sha256(entry.content).hex(),
            **changed}


def entry_vectors():
    one = entry(1, 5000)
    stored = Stored("entry", one.bytes)

    def add(id, data, fault=None, record=None, library=LIBRARY, epochs=(EPOCH,), ok=None):
        book.add(f"entry/{id}", "entry", {"entry": data, "record": record or record_of(one), "library": base32(library),
                                          "epochs": held(*epochs)}, fault, None if fault else digest(one.content if ok is None else ok))

    add("good", stored.piece())
    for length in (0, 1, 65_423, 65_424, 65_425, 65_535, 65_536, 65_537):
        other = entry(f"of {length}", length)
        add(f"of-{length}", Stored(f"entry-{length}", other.bytes).piece(), record=record_of(other), ok=other.content)
    add("another-photo", stored.piece(), "wrong-context", record_of(one, content=sha256(b"another").hex()))
    add("another-rendition", stored.piece(), "wrong-context", record_of(one, rendition=2))
    add("another-recipe", stored.piece(), "wrong-context", record_of(one, recipe=3))
    add("another-length-same-size", stored.piece(), "wrong-context", record_of(one, content_len=4999))
    add("another-size", stored.piece(), "size-mismatch", record_of(one, content_len=7000))
    add("another-library", stored.piece(), "wrong-context", library=OTHER_LIBRARY)
    add("another-epoch", stored.piece(), "wrong-context", record_of(one, epoch=base32(EPOCH_2.id)),
        epochs=(EPOCH, EPOCH_2))
    add("epoch-not-held", stored.piece(), "unknown-key", epochs=(EPOCH_2,))
    add("content-swapped-by-an-insider", stored.piece(), "content-mismatch", record_of(one, sha256=sha256(b"x").hex()))
    for place, what, fault in ((0, "salt", "wrong-context"), (32, "wrapped-key", "wrong-context"),
                               (80, "commitment", "commitment-mismatch"), (112, "segment", "segment-damaged"),
                               (len(stored) - 1, "tag", "segment-damaged")):
        add(f"{what}-flipped", stored.flipped(place), fault)
    add("one-byte-short", stored.piece(0, len(stored) - 1), "size-mismatch")
    add("one-unit-long", [stored.piece(), {"fill": 0, "len": 1024}], "size-mismatch")
    padded = one.content + bytes(sl1.padded_entry(5000) - 5001) + b"\1"
    add("padding-not-zero", stored.changed(entry(1, 5000, plain=padded).bytes), "bad-padding")


def pack_vectors():
    entries = [entry(1, 5000), entry(2, 5100), entry(3, 300, EPOCH_2), entry(4, 70_000)]
    key, salt = rnd("pack key"), rnd("pack salt")
    data, name, index_at, index_len = sl1.pack(LIBRARY, EPOCH, "t", entries, key, salt)
    stored = Stored("pack", data)
    places, at = [], 24
    for one in entries:
        places.append(at)
        at += len(one.bytes)
    assert len(entries[0].bytes) == len(entries[1].bytes) and at == index_at

    def add(id, pack, fault=None, ok=None, name=name, library=LIBRARY, epochs=(EPOCH, EPOCH_2)):
        book.add(f"pack/{id}", "pack", {"pack": pack, "name": name, "library": base32(library), "epochs": held(*epochs)},
                 fault, ok)

    shown = [[place, one.shown()] for place, one in zip(places, entries)]
    add("good", stored.piece(), ok=shown)
    empty, empty_name, _, _ = sl1.pack(LIBRARY, EPOCH, "p", [], rnd("empty key"), rnd("empty salt"))
    add("empty", empty.hex(), ok=[], name=empty_name)
    # Entries move between packs as they are.
    moved, moved_name, _, _ = sl1.pack(LIBRARY, EPOCH_2, "s", [entries[1], entries[0]], rnd("moved key"),
                                       rnd("moved salt"))
    add("entries-of-another-pack", Stored("pack-moved", moved).piece(), name=moved_name,
        ok=[[24, entries[1].shown()], [24 + len(entries[1].bytes), entries[0].shown()]])

    def part(i):
        return stored.piece(places[i], places[i] + len(entries[i].bytes))

    rest = stored.piece(places[2])
    add("entries-swapped", [stored.piece(0, 24), part(1), part(0), rest], "wrong-context")
    add("entry-doubled-over-another", [stored.piece(0, 24), part(0), part(0), rest], "wrong-context")
    add("entry-dropped", [stored.piece(0, 24), part(1), rest], "entry-outside")
    add("entry-inserted", [stored.piece(0, 24), part(0), stored.piece(24)], "entry-outside")
    add("kilobyte-inserted", [stored.piece(0, 24), {"fill": 0, "len": 1024}, stored.piece(24)], "entry-outside")
    add("entry-flipped", stored.flipped(places[1] + 200), "segment-damaged")
    add("another-name", stored.piece(), "entry-outside", name=name[:-1] + ("a" if name[-1] != "a" else "b"))
    add("another-tier", stored.piece(), "entry-outside", name="p" + name[1:])
    add("another-library", stored.piece(), "wrong-context", library=OTHER_LIBRARY)
    add("epoch-not-held", stored.piece(), "unknown-key", epochs=(EPOCH_2,))
    add("entry-epoch-not-held", stored.piece(), "unknown-key", epochs=(EPOCH,))
    for place, fault in ((0, "bad-magic"), (4, "wrong-kind"), (5, "unknown-suite"), (6, "bad-segment-size"),
                         (7, "unknown-flags"), (8, "unknown-key")):
        add(f"head-flip-{place}", stored.flipped(place), fault)
    for offset, what, fault in ((0, "magic", "bad-magic"), (8, "key-id", "unknown-key"), (24, "salt", "wrong-context"),
                                (56, "wrapped-key", "wrong-context"), (104, "commitment", "commitment-mismatch"),
                                (136, "segment", "segment-damaged"), (index_len - 1, "tag", "segment-damaged")):
        add(f"index-{what}-flipped", stored.flipped(index_at + offset), fault)
    add("tail-off-by-one", stored.flipped(len(stored) - 1), "bad-magic")
    add("tail-absurd", stored.flipped(len(stored) - 8, 0x80), "entry-outside")
    add("tail-missing", stored.piece(0, len(stored) - 8), "entry-outside")
    add("truncated-to-7", stored.piece(0, 7), "truncated")
    add("truncated-to-24", stored.piece(0, 24), "entry-outside")

    def with_index(id, content, fault, plain=None, body=None):
        broken, broken_name, _, _ = sl1.pack(LIBRARY, EPOCH, "t", entries, key, salt, index_content=content,
                                             index_plain=plain, body=body)
        add(id, stored.changed(broken), fault, name=broken_name)

    records = [one.record for one in entries]
    with_index("index-version-2", sl1.pack_index_content(records, version=2), "unknown-version")
    with_index("index-count-too-large", sl1.pack_index_content(records, count=5), "bad-field")
    with_index("index-count-too-small", sl1.pack_index_content(records, count=3), "bad-field")
    with_index("index-entry-missing", sl1.pack_index_content(records[:3]), "entry-outside")
    with_index("index-entry-doubled", sl1.pack_index_content(records + records[-1:]), "entry-outside")
    huge = records[0][:51] + u64((64 << 20) + 1) + records[0][59:]
    with_index("index-entry-too-large", sl1.pack_index_content([huge] + records[1:]), "too-large")
    content = sl1.pack_index_content(records)
    with_index("index-padding-not-zero", content, "bad-padding",
               plain=lambda body: content + b"\1" + bytes(sl1.plain_of_body(body, 16) - len(content) - 9)
               + u64(len(content)))


def local_vectors():
    entries = [entry(1, 5000), entry(2, 100, EPOCH_2), entry(3, 2000)]
    data, places = b"SLLP\0\1\0\0", []
    for one in entries:
        data += one.frame(LIBRARY)
        places.append(len(data))
        data += one.bytes
    stored = Stored("local-pack", data)
    shown = [[place, one.shown()] for place, one in zip(places, entries)]
    ends = [place + len(one.bytes) for place, one in zip(places, entries)]

    def add(id, file, entries=shown, damaged=(), end=ends[2], library=LIBRARY, epochs=(EPOCH, EPOCH_2)):
        book.add(f"local-pack/{id}", "local-pack",
                 {"file": file, "library": base32(library), "epochs": held(*epochs)},
                 ok={"entries": entries, "damaged": [list(one) for one in damaged], "end": end})

    add("good", stored.piece())
    add("empty-file", "", [], end=0)
    add("header-only", stored.piece(0, 8), [], end=8)
    for cut, what in ((ends[1] + 1, "in-marker"), (ends[1] + 127, "in-frame"), (places[2], "before-entry"),
                      (places[2] + 31, "in-salt"), (places[2] + 900, "in-entry"), (ends[2] - 1, "one-byte-short")):
        add(f"torn-{what}", stored.piece(0, cut), shown[:2], end=ends[1])
    add("zeros-behind", [stored.piece(), {"fill": 0, "len": 5000}])
    add("header-damaged", stored.flipped(0), damaged=[(0, 8)])
    gap = [(ends[0], ends[1])]
    for offset, what in ((-128, "marker"), (-124, "length"), (-120, "epoch"), (-104, "record"), (-1, "tag"), (0, "salt")):
        add(f"second-frame-{what}-flipped", stored.flipped(places[1] + offset), [shown[0], shown[2]], gap)
    add("second-frame-gone", [stored.piece(0, ends[0]), stored.piece(ends[1])],
        [shown[0], [places[2] - ends[1] + ends[0], shown[2][1]]], end=ends[2] - ends[1] + ends[0])
    # The entry itself is not opened by the scan; opening it finds the damage.
    add("entry-flipped", stored.flipped(places[1] + 500))
    add("epoch-not-held", stored.piece(), [shown[0], shown[2]], gap, epochs=(EPOCH,))
    add("another-library", stored.piece(), [], end=8, library=OTHER_LIBRARY)


for folder in ("json", "data"):
    shutil.rmtree(HERE / folder, ignore_errors=True)
    (HERE / folder).mkdir()

STATEMENTS, FILES = make_statements()
words_vectors()
device_vectors()
signature_vectors()
card_vectors()
statement_vectors()
roster_vectors()
epoch_vectors()
length_vectors()
header_vectors()
context_vectors()
segment_vectors()
size_vectors()
padding_vectors()
kem_vectors()
keyring_vectors()
slot_vectors()
entry_vectors()
pack_vectors()
local_vectors()
book.write()
