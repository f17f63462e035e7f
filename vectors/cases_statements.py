"""Statements and what a roster makes of them."""

import sl1
from cast import EPOCH, LAPTOP, LIBRARY, OTHER_LIBRARY, OTHER_WORDS, PHONE, WORDS, book, flip, rnd
from sl1 import base32, sha256, u16, u32


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


STATEMENTS, FILES = make_statements()


def statement_vectors():
    birth = sha256(STATEMENTS["root"])
    laptop = sl1.by_device(LAPTOP)

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
    # The phone was given both secrets with the later epoch, which it was given a file of; the earlier has none for it.
    first = state(laptop, LAPTOP.signing, 2, 6, rnd("earlier epoch")[:16] + u16(1) + words + rnd("its file"),
                  after=[sha256(STATEMENTS["admit-laptop"])])
    add("earlier-epoch-than-one-of-who-left", history + [first, revoke], revoked)
    later_epoch = rnd("later epoch")[:16]
    last = state(laptop, LAPTOP.signing, 10, 6, later_epoch + u16(1) + words + rnd("another file"), after=[sha256(revoke)])
    add("epoch-after-leaving", history + [revoke, last], {**revoked, "sealing_epoch": base32(later_epoch)})
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

    new_words = state(words, WORDS.signing, 9, 1, OTHER_WORDS.card)
    old_speak = state(words, WORDS.signing, 10, 7, b"old", after=[sha256(new_words)])
    add("new-words", history + [new_words, old_speak],
        {"words": base32(OTHER_WORDS.id), "sealing_epoch": None, "refused": refused((old_speak, "not-allowed"))})
    epoch = rnd("epoch of new words")[:16]
    recipients = sorted([laptop, phone, sl1.by_words(OTHER_WORDS)])
    files = epoch + u16(3) + b"".join(recipient + rnd("file of new words") for recipient in recipients)
    begun = state(laptop, LAPTOP.signing, 9, 6, files, after=[sha256(new_words)])
    add("new-words-and-their-epoch", history + [begun, new_words],
        {"words": base32(OTHER_WORDS.id), "sealing_epoch": base32(epoch)})
    third = sl1.Words(rnd("third words"))
    meanwhile = state(words, WORDS.signing, 8, 1, third.card)
    add("new-words-at-once", history + [new_words, meanwhile, begun],
        {"words": base32(third.id), "sealing_epoch": None, "refused": refused((new_words, "not-allowed"))})
    same_date = state(words, WORDS.signing, 9, 1, third.card)
    first, second = sorted([(sha256(new_words), new_words, OTHER_WORDS), (sha256(same_date), same_date, third)],
                           key=lambda one: one[0])
    add("new-words-at-once-of-one-date", history + [second[1], first[1]],
        {"words": base32(first[2].id), "sealing_epoch": None, "refused": refused((second[1], "not-allowed"))})
    taken_over = state(laptop, LAPTOP.signing, 9, 1, OTHER_WORDS.card)
    still_speak = state(words, WORDS.signing, 10, 7, b"still", after=head)
    add("new-words-by-a-device", history + [taken_over, still_speak],
        {"features": ["still"], "refused": refused((taken_over, "not-allowed"))})
