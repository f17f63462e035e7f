"""What is sealed to a public key, the keyring, key slots."""

import base64
import copy

import sl1
from cast import (EPOCH, EPOCH_2, LAPTOP, LIBRARY, OTHER_LIBRARY, OTHER_WORDS, PHONE, WORDS, Stored, book, digest, flip,
                  held, pattern, rnd)
from sl1 import base32, u32, u64


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

    item_vectors(photo)


def item_vectors(photo):
    """Whole items of an inbox: envelope, then the signature of the device that uploads."""
    def name(counter, piece=0):
        return f"inbox/{base32(PHONE.id)}/{base32(u64(counter) + u32(piece))}"

    def manifest(root=b"/dcim", relative=b"100/IMG_1.jpg", size=len(photo), pieces=(), magic=b"SLIM", version=1,
                 content=None, first=photo):
        return (magic + sl1.u16(version) + sl1.lp(root) + sl1.lp(relative) + (-5 & (1 << 64) - 1).to_bytes(8, "big")
                + u64(size) + sl1.sha256(photo if content is None else content) + u32(len(pieces)) + b"".join(pieces) + first)

    def head(label, content, counter=41, device=PHONE, signs=None, library=LIBRARY):
        encapsulation, shared = sl1.encapsulate(sl1.KemKey(EPOCH.inbox).public, rnd("item encapsulate " + label, 64))
        envelope = sl1.seal(sl1.INBOX_ITEM, EPOCH.id, shared, sl1.context(library, name(counter)), sl1.carried(content),
                            rnd("item key " + label), rnd("item salt " + label), sl1.MIB1, encapsulation)
        message = library + device.id + u64(counter if signs is None else signs) + sl1.sha256(envelope)
        return envelope + device.signing.sign(sl1.INBOX, message)

    good = Stored("inbox-head", head("good", manifest()))
    input = {"library": base32(LIBRARY), "device": base32(PHONE.id), "key": PHONE.signing.public.hex(), "counter": 41,
             "epochs": held(EPOCH), "sealed": good.piece()}
    expect = {"root": b"/dcim".hex(), "relative": b"100/IMG_1.jpg".hex(), "modified": -5, "size": len(photo),
              "content": sl1.sha256(photo).hex(), "pieces": [], "first": digest(photo), "name": name(41)}
    book.add("inbox-item/good", "open-item", input, None, expect)

    def add(id, fault, sealed=None, **changed):
        book.add(f"inbox-item/{id}", "open-item", {**input, **({"sealed": sealed} if sealed else {}), **changed}, fault)

    size = len(good.data)
    for place in (0, 200, 2000, size - 1):
        add(f"flipped-{place}", "bad-signature", good.flipped(place))
    add("cut", "bad-signature", good.piece(0, size - 1))
    add("cut-to-63", "truncated", good.piece(0, 63))
    add("of-another-device", "bad-signature", key=LAPTOP.signing.public.hex())
    add("under-another-counter", "bad-signature", counter=42)
    add("of-another-library", "bad-signature", library=base32(OTHER_LIBRARY))
    add("with-another-epoch", "unknown-key", epochs=held(EPOCH_2))

    def wrong(id, fault, **kinds):
        add(id, fault, good.changed(head(id, manifest(**kinds))))

    wrong("without-path", "bad-field", relative=b"")
    wrong("absolute-path", "bad-field", relative=b"/etc/passwd")
    wrong("piece-too-many", "bad-field", pieces=(bytes(32),))
    wrong("piece-missing", "bad-field", size=(16 << 20) + 1)
    wrong("first-piece-short", "size-mismatch", first=photo[:-1])
    wrong("first-piece-long", "size-mismatch", first=photo + b"\0")
    wrong("another-magic", "bad-magic", magic=b"SLIN")
    wrong("version-2", "unknown-version", version=2)
    wrong("path-too-long", "too-large", relative=b"a" * (32769))


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

    # What a key store wrapped means nothing here: a store of the test gives the secret back for whatever it is asked.
    kept = rnd("secret that a store keeps")
    for kind in ("keystore", "pkcs11", "tpm", "vault"):
        by_store = make(kind, kept, wrapped=rnd(f"wrapped by {kind}", 40))
        add(kind, by_store, {"store": {"kind": kind, "gives": kept.hex()}})
    gives = {"store": {"kind": "vault", "gives": kept.hex()}}
    add("wrapped-secret-altered", flipped(by_store, "wrapped_secret", 39), gives, "not-authentic")
    add("store-of-another-kind", by_store, {"store": {"kind": "tpm", "gives": kept.hex()}}, "wrong-secret")
    add("store-gives-another", by_store, {"store": {"kind": "vault", "gives": flip(kept, 0).hex()}}, "wrong-secret")
    add("store-gives-less", by_store, {"store": {"kind": "vault", "gives": kept[:31].hex()}}, "wrong-secret")
    bare = {name: value for name, value in by_store.items() if name != "wrapped_secret"}
    add("store-without-wrapped-secret", bare, gives, "bad-field")
    add("key-file-with-wrapped-secret", altered(by_file, wrapped_secret=by_store["wrapped_secret"]), file, "bad-field")
    add("wrapped-secret-too-large", altered(by_store, wrapped_secret=sl1.b64(bytes((64 << 10) + 1))), gives, "too-large")

    # What a passkey wrapped is fixed to the byte: any reader that asks a browser can open it.
    credential, asked, output = rnd("credential"), rnd("salt of a passkey"), rnd("output of a passkey")

    def passkey(library=LIBRARY, id=credential, more=b"", **rest):
        return make("passkey", kept, wrapped=sl1.by_passkey(library, id, asked, output, kept, **rest) + more)

    def answer(id=credential, salt=asked, output=output):
        return {"passkey": {"credential": id.hex(), "salt": salt.hex(), "output": output.hex()}}

    add("passkey", passkey(), answer())
    add("passkey-of-one-byte", passkey(id=b"\x07"), answer(b"\x07"))
    add("passkey-of-1023-bytes", passkey(id=pattern(1023)), answer(pattern(1023)))
    add("passkey-wrong", passkey(), answer(output=flip(output, 31)), "key-store")
    add("passkey-another-credential", passkey(), answer(flip(credential, 0)), "key-store")
    add("passkey-another-salt", passkey(), answer(salt=flip(asked, 0)), "key-store")
    add("passkey-sealed-for-another-library", passkey(OTHER_LIBRARY), answer(), "key-store")
    add("passkey-version-2", passkey(version=2), answer(), "key-store")
    add("passkey-longer", passkey(more=b"\0"), answer(), "key-store")
    add("passkey-without-credential", passkey(id=b""), answer(), "key-store")
    add("passkey-credential-too-long", passkey(id=pattern(1024)), answer(), "key-store")
    store = {"store": {"kind": "passkey", "gives": kept.hex()}}
    add("passkey-secret-altered", flipped(passkey(), "wrapped_secret", 116), store, "not-authentic")
