"""Pack entries, remote packs, local packs."""

import sl1
from cast import EPOCH, EPOCH_2, LIBRARY, OTHER_LIBRARY, Stored, book, digest, held, pattern, rnd
from sl1 import base32, sha256, u64


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
