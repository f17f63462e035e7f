"""Words, device cards, signatures, root cards, epochs, names, lengths."""

import sl1
from cast import EPOCH, EPOCH_2, LAPTOP, LIBRARY, OTHER_WORDS, PHONE, WORDS, Stored, book, flip, held
from cases_statements import STATEMENTS
from sl1 import base32, sha256


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
    rows = [sha256(b"first row"), sha256(b"second row")]
    three = sl1.shares(WORDS.entropy, b"\x12\x34", 5, rows)
    book.add("words/shares", "words", {"words": "\n".join(three[:3])}, ok=facts(WORDS))
    book.add("words/shares-of-others", "words", {"words": " ".join([three[4], three[0].upper(), three[3]])}, ok=facts(WORDS))
    book.add("words/shares-more-than-needed", "words", {"words": " ".join(three)}, ok=facts(WORDS))
    book.add("words/shares-too-few", "words", {"words": " ".join(three[:2])}, "too-few-shares")
    book.add("words/share-twice", "words", {"words": " ".join([three[0], three[1], three[1]])}, "too-few-shares")
    other = sl1.shares(WORDS.entropy, b"\x12\x35", 5, rows)
    book.add("words/shares-of-two-splittings", "words", {"words": " ".join([three[0], three[1], other[2]])},
             "shares-of-several")
    altered = sl1.share_text(b"\x12\x34", 3, 4, bytes(32))
    book.add("words/share-that-does-not-fit", "words", {"words": " ".join([*three[:3], altered])}, "shares-of-several")
    listed = three[1].split()
    swapped = " ".join([listed[1], listed[0], *listed[2:]])
    book.add("words/share-swapped", "words", {"words": " ".join([three[0], swapped, three[2]])}, "share-checksum")
    unknown = " ".join([*listed[:5], "safelight", *listed[6:]])
    book.add("words/share-unknown", "words", {"words": " ".join([three[0], unknown, three[2]])}, "unknown-word")
    for id, threshold, number in [("one", 1, 1), ("none", 0, 1), ("number-none", 3, 0)]:
        book.add(f"words/share-threshold-{id}", "words",
                 {"words": sl1.share_text(b"\x12\x34", threshold, number, bytes(32))}, "share-checksum")


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
    for domain in range(1, 10):
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
