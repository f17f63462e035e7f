"""Pairing: the code, the four messages in their order, and the card that closes."""

import sl1
from cast import EPOCH_2, LAPTOP, LIBRARY, PHONE, Stored, book, flip, rnd
from sl1 import base32, sha256, u16

ID, OTHER_ID, ASK, OTHER_ASK = (rnd(label, 16) for label in ("pairing", "pairing 2", "ask", "ask 2"))
CODE, OTHER_CODE = rnd("pairing code", 10), rnd("another pairing code", 10)
NONCE = rnd("pairing nonce")
# The new device is the one of the keyring; the phone invites.
UNLOCK = rnd("unlock key")


def code_vectors():
    words = sl1.pairing_words_of_code(CODE)
    listed = words.split()
    facts = {"words": words, "secret": sl1.pairing_secret(CODE, ID).hex()}

    def add(id, words, fault=None):
        book.add(f"pairing-code/{id}", "pairing-code", {"words": words, "id": base32(ID)}, fault,
                 None if fault else facts)

    add("good", words)
    add("typed-untidily", " " + words.upper().replace(" ", "\n ") + "\t")
    add("swapped", " ".join([listed[1], listed[0]] + listed[2:]), "words-checksum")
    add("unknown", " ".join(listed[:7] + ["safelight"]), "unknown-word")
    add("seven", " ".join(listed[:7]), "word-count")
    add("nine", words + " abandon", "word-count")
    book.add("pairing-code/local-name", "pairing-local-name", {"words": words}, None,
             {"local_name": sl1.pairing_local_name(CODE)})


def message_vectors():
    offer = sl1.pairing_offer(LIBRARY, LIBRARY, PHONE, 1_790_000_600_000, NONCE, "Téléphone")
    ask = sl1.pairing_ask(offer, LAPTOP, rnd("ask nonce"), "Laptop")
    reveal = sl1.pairing_reveal(ask, NONCE, PHONE)
    history, storage = "slot seven bring govern glass scan", b"sv=1&sig=2"
    keys_file = sha256(b"a keys file")
    welcome = sl1.pairing_welcome(ask, EPOCH_2.id, keys_file, history, storage, PHONE)

    def under(name, content, code=CODE, id=ID, kind=sl1.PAIRING):
        name = f"pair/{base32(id)}/{name}"
        return sl1.seal(kind, id, sl1.pairing_secret(code, id), sl1.context(bytes(20), name), sl1.carried(content),
                        rnd("pairing object " + name), rnd("pairing salt " + name))

    def to_device(content, device=LAPTOP, id=ID, name="welcome"):
        encapsulation, shared = sl1.encapsulate(device.kem.public, rnd("welcome encapsulate", 64))
        return sl1.seal(sl1.WELCOME, id, shared, sl1.context(bytes(20), f"pair/{base32(id)}/{name}"),
                        sl1.carried(content), rnd("welcome object"), rnd("welcome salt"), encapsulation=encapsulation)

    ask_name = base32(ASK)
    stored = {"offer": Stored("pairing-offer", under("offer", offer)), "ask": Stored("pairing-ask", under(ask_name, ask)),
              "reveal": Stored("pairing-reveal", under("reveal", reveal)),
              "welcome": Stored("pairing-welcome", to_device(welcome))}
    keyring = {"file": "keyring.bin"}
    input = {"words": sl1.pairing_words_of_code(CODE), "id": base32(ID), "ask_name": ask_name, "keyring": keyring,
             "library": base32(LIBRARY), "unlock_key": UNLOCK.hex(),
             **{name: message.piece() for name, message in stored.items()}}
    facts = {"library": base32(LIBRARY), "words_id": base32(LIBRARY), "inviter": base32(PHONE.id),
             "expires_millis": 1_790_000_600_000, "inviter_name": "Téléphone", "device": base32(LAPTOP.id),
             "device_name": "Laptop", "six_words": sl1.pairing_six_words(offer, ask, NONCE), "epoch": base32(EPOCH_2.id),
             "keys_file": keys_file.hex(), "history": history, "storage": storage.hex()}

    def add(vector, fault=None, ok=None, **changed):
        book.add(f"pairing/{vector}", "pairing", {**input, **changed}, fault, ok)

    def other(name, sealed):
        return {name: stored[name].changed(sealed)}

    add("good", ok=facts)
    # Another code, pairing or name.
    add("another-code", "wrong-context", words=sl1.pairing_words_of_code(OTHER_CODE))
    add("another-pairing", "unknown-key", id=base32(OTHER_ID))
    add("ask-under-another-name", "wrong-context", ask_name=base32(OTHER_ASK))
    add("offer-exchanged", "wrong-context", **other("offer", under("offer", offer, code=OTHER_CODE)))
    add("offer-as-ask", "wrong-context", ask=stored["offer"].piece())
    add("reveal-as-welcome", "wrong-kind", welcome=stored["reveal"].piece())
    add("offer-flipped", "segment-damaged", offer=stored["offer"].flipped(200))
    # Signed by somebody else.
    add("offer-forged", "bad-signature", **other("offer", under("offer", flip(offer, -1))))
    add("ask-forged", "bad-signature", **other("ask", under(ask_name, flip(ask, -1))))
    add("reveal-by-another", "bad-signature", **other("reveal", under("reveal", sl1.pairing_reveal(ask, NONCE, LAPTOP))))
    add("welcome-by-another", "bad-signature", **other("welcome", to_device(
        sl1.pairing_welcome(ask, EPOCH_2.id, keys_file, history, storage, LAPTOP))))
    add("welcome-of-another-device", "wrong-context", **other("welcome", to_device(welcome, PHONE)))
    # Of another pairing of the same devices.
    offer_2 = sl1.pairing_offer(LIBRARY, LIBRARY, PHONE, 1_790_000_600_001, NONCE, "Téléphone")
    ask_2 = sl1.pairing_ask(offer, LAPTOP, rnd("ask nonce 2"), "Laptop")
    add("ask-of-another-offer", "bad-field",
        **other("ask", under(ask_name, sl1.pairing_ask(offer_2, LAPTOP, rnd("ask nonce"), "Laptop"))))
    add("reveal-of-another-ask", "bad-field", **other("reveal", under("reveal", sl1.pairing_reveal(ask_2, NONCE, PHONE))))
    add("reveal-not-promised", "bad-field",
        **other("reveal", under("reveal", sl1.pairing_reveal(ask, rnd("pairing nonce 2"), PHONE))))
    add("welcome-of-another-ask", "bad-field", **other("welcome", to_device(
        sl1.pairing_welcome(ask_2, EPOCH_2.id, keys_file, history, storage, PHONE))))
    # The bytes.
    signed = sl1.pairing_signed
    add("offer-version-2", "unknown-version", **other("offer", under("offer", signed(
        PHONE, b"SLPO" + u16(2) + offer[6:-64]))))
    add("offer-another-magic", "bad-magic", **other("offer", under("offer", signed(PHONE, b"SLPX" + offer[4:-64]))))
    add("offer-trailing", "trailing-bytes", **other("offer", under("offer", offer + b"\0")))
    add("offer-cut", "truncated", **other("offer", under("offer", offer[:-1])))

    # Where the library rests, for a device that came over the local network.
    listed = [["nas", "folder:/mnt/nas/my photos"], ["Wolke", "azure://account/container"]]
    places = sl1.pairing_places(ask, listed, PHONE)
    stored_places = Stored("pairing-places", to_device(places, name="places"))

    def add_places(vector, content=None, fault=None, ok=None, name="places", **changed):
        piece = stored_places.piece() if content is None else stored_places.changed(to_device(content, name=name))
        wanted = {key: input[key] for key in ("words", "id", "ask_name", "keyring", "library", "unlock_key", "offer", "ask")}
        book.add(f"pairing/places-{vector}", "pairing-places", {**wanted, "places": piece, **changed}, fault, ok)

    add_places("good", ok={"places": listed})
    add_places("as-welcome", places, "wrong-context", name="welcome")
    add_places("by-another", sl1.pairing_places(ask, listed, LAPTOP), "bad-signature")
    add_places("of-another-ask", sl1.pairing_places(ask_2, listed, PHONE), "bad-field")
    add_places("none", sl1.pairing_places(ask, [], PHONE), "bad-field")
    add_places("too-many", sl1.pairing_places(ask, [["a", "folder:/a"]] * 33, PHONE), "bad-field")
    add_places("name-too-long", sl1.pairing_places(ask, [["a" * 256, "folder:/a"]], PHONE), "too-large")
    add_places("cut", places[:-1], "truncated")
    add_places("trailing", places + b"\0", "trailing-bytes")

    def closed(id, content, fault=None, ok=None, code=CODE):
        book.add(f"pairing/closed-{id}", "pairing-closed", {
            "words": sl1.pairing_words_of_code(code), "id": base32(ID), "closed": under("closed", content).hex()}, fault, ok)

    for number, name in enumerate(("used", "too-many-tries", "expired", "called-off"), 1):
        closed(name, b"SLPC" + u16(1) + bytes([number]), ok=name)
    closed("for-no-reason", b"SLPC" + u16(1) + bytes([5]), "bad-field")
    closed("under-another-code", b"SLPC" + u16(1) + b"\1", "wrong-context", code=OTHER_CODE)
