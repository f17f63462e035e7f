"""Asks safelight_recover the questions of the format's test vectors (vectors/json), as the Rust crates are asked."""
import json
import unittest
from pathlib import Path

import safelight_recover as sl

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def pieces(value):
    """Bytes as vectors write them: hex, a piece, or a list of pieces."""
    if isinstance(value, str):
        return bytes.fromhex(value)
    if isinstance(value, list):
        return b"".join(map(pieces, value))
    if "hex" in value:
        return bytes.fromhex(value["hex"])
    if "text" in value:
        return value["text"].encode()
    if "fill" in value:
        return bytes([value["fill"]]) * value["len"]
    if "pattern" in value:
        return bytes((i + i // 251) % 256 for i in range(value["pattern"]))
    return (VECTORS / "data" / value["file"]).read_bytes()[value.get("from"):value.get("to")]


def digest(content):
    return {"len": len(content), "sha256": sl.H(content).hex()}


def secrets(vector):
    held = {e["id"]: sl.expand(bytes.fromhex(e["secret"]), "safelight/1 epoch sealing") for e in vector["epochs"]}

    def secret_of(epoch, _data=None):
        sl.demand(sl.id_text(epoch) in held, "unknown-key")
        return held[sl.id_text(epoch)]
    return secret_of


def show(record):
    name = f"entry/{sl.id_text(record.content)}/{record.kind}/{record.recipe}"
    return [name, sl.id_text(record.epoch), record.length, record.hash.hex()]


def words(v):
    read = sl.Words(v["words"])
    return {"words": read.text, "verifying_key": read.verifying.hex(),
            "kem_public_sha256": sl.H(read.kem.public).hex(), "id": sl.id_text(read.id)}


def device_card(v):
    device, verifying = sl.read_device_card(pieces(v["card"]))
    return {"id": sl.id_text(device), "verifying_key": verifying.hex()}


def verify(v):
    sl.verify(pieces(v["key"]), v["domain"], pieces(v["message"]), pieces(v["signature"]))


def root_card(v):
    card = sl.read_root_card(pieces(v["card"]), sl.id_bytes(v["words_id"]))
    return {"library": sl.id_text(card["library"]), "statements": card["statements"].hex(), "millis": card["date"]}


def statement(v):
    s = sl.Statement(pieces(v["statement"]))
    sl.verify(pieces(v["key"]), 2, s.data[:-64], s.signature)
    return {"id": s.id.hex(), "author": sl.id_text(s.author[1]), "millis": s.date, "after": [i.hex() for i in s.after]}


def roster(v):
    statements = [sl.Statement(pieces(s)) for s in v["statements"]]
    replayed = sl.Roster(statements, sl.id_bytes(v["library"]))
    if replayed.words is None:
        return {"roster": None}
    return {"roster": {
        "words": sl.id_text(replayed.words),
        "members": {sl.id_text(device): known[1] for device, known in replayed.devices.items()},
        "features": sorted(replayed.features),
        "refused": sorted(f"{s.id.hex()} {code}" for s, code in replayed.refused)}}


def lengths(v):
    entry = None if v["length"] > 64 * sl.MIB else sl.entry_size(v["length"])[0]
    return {"padme": sl.padme(v["length"]), "original": max(sl.padme(v["length"]), 1024), "entry": entry}


def open_object(v):
    data, library, name = pieces(v["sealed"]), sl.id_bytes(v["library"]), v["name"]
    if v["kind"] == sl.ORIGINAL:
        part, parts, total = v.get("part") or 0, v.get("parts") or 1, v.get("total") or 0
        return digest(b"".join(sl.open_original_part(data, secrets(v), library, name, part, parts, total)))
    where = (v.get("part") or 0, v.get("parts") or 1, v.get("total") or 0)
    return digest(sl.open_carried(data, v["kind"], secrets(v), library, name, *where))


def keys_file(v):
    epoch, library = sl.id_bytes(v["epoch"]), sl.id_bytes(v["library"])
    read = sl.read_keys_file(pieces(v["sealed"]), sl.Words(v["words"]), library, epoch, v["recipient"])
    return [[sl.id_text(epoch), secret.hex()] for epoch, secret in read.items()]


def entry(v):
    r = v["record"]
    record = sl.Record(sl.id_bytes(r["epoch"]), pieces(r["content"]), r["rendition"], r["recipe"], r["content_len"],
                       pieces(r["sha256"]))
    return digest(sl.open_entry(pieces(v["entry"]), record, secrets(v), sl.id_bytes(v["library"])))


def pack(v):
    data, library = pieces(v["pack"]), sl.id_bytes(v["library"])
    entries = sl.read_pack(data, secrets(v), library, v["name"])
    for record, at, size in entries:
        sl.open_entry(data[at:at + size], record, secrets(v), library)
    return [[at, show(record)] for record, at, size in entries]


def local_pack(v):
    entries, damaged, end = sl.scan_local_pack(pieces(v["file"]), secrets(v), sl.id_bytes(v["library"]))
    return {"entries": [[at, show(record)] for record, at, _ in entries], "damaged": [list(d) for d in damaged],
            "end": end}


QUESTIONS = {"words": words, "device-card": device_card, "verify": verify, "root-card": root_card, "roster": roster,
             "statement": statement, "lengths": lengths, "open": open_object, "keys-file": keys_file, "entry": entry,
             "pack": pack, "local-pack": local_pack}
# What recovery has no use for: pairing, ways to unlock a device, inbox items, the names and secrets of writers, ranged reads.
NOT_ASKED = {"slot", "keyring", "open-inbox", "open-item", "names", "epoch", "open-range", "original",
             "pairing-code", "pairing", "pairing-closed", "pairing-local-name", "pairing-places"}


def agrees(found, expected):
    """Whether what recovery knows is what the vector expects; it may know less."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return all(key in expected and agrees(value, expected[key]) for key, value in found.items() if value is not None
                   or expected.get(key) is None)
    return found == expected


class Vectors(unittest.TestCase):
    def test_recovery_answers_the_vectors_as_the_format_says(self):
        asked, unknown = 0, set()
        for file in sorted((VECTORS / "json").glob("*.json")):
            for vector in json.loads(file.read_text())["vectors"]:
                if vector["op"] in NOT_ASKED:
                    continue
                if vector["op"] not in QUESTIONS:
                    unknown.add(vector["op"])
                    continue
                asked += 1
                with self.subTest(vector["id"]):
                    expect = vector["expect"]
                    try:
                        found = QUESTIONS[vector["op"]](vector["input"])
                    except sl.Refused as refusal:
                        self.assertEqual({"fault": refusal.code}, expect)
                    else:
                        self.assertIn("ok", expect, f"took {found}")
                        self.assertTrue(agrees(found, expect["ok"]), f"{found} is not {expect['ok']}")
        self.assertEqual(unknown, set(), "operations that recovery does not know")
        self.assertGreater(asked, 400)


if __name__ == "__main__":
    unittest.main()
