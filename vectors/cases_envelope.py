"""The envelope: header, context, segments, sizes, padding."""

import sl1
from cast import (EPOCH, EPOCH_2, LAPTOP, LIBRARY, OTHER_LIBRARY, STRANGE_EPOCH, Stored, book, digest, held,
                  pattern, rnd, wanted)
from sl1 import base32, lp, sha256, u32, u64


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
