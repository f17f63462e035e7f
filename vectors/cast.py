"""What all cases share: the cast, bytes that look random, the book that vectors are written into."""

import json
from pathlib import Path

import sl1
from sl1 import base32, sha256, u32

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
