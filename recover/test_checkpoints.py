"""Reads the fixtures of checkpoints (crates/model/tests/golden) as sl1-history §8.7 says, without the code that made them.

safelight_recover needs no checkpoint: segments stay. This shows that the text is enough to read one."""
import hashlib
import hmac
import unittest
import zlib
from pathlib import Path

import safelight_recover as sl

GOLDEN = Path(__file__).resolve().parent.parent / "crates/model/tests/golden/checkpoint-1.txt"
EPOCH, SECRET, LIBRARY = bytes([0x11] * 16), bytes([0x22] * 32), bytes([0x33] * 20)


def secret_of(epoch, _data=None):
    sl.demand(epoch == EPOCH, "unknown-key")
    return sl.expand(SECRET, "safelight/1 epoch sealing")


def name(label, digest):
    return hmac.new(sl.expand(SECRET, "safelight/1 epoch naming"), label + digest, hashlib.sha256).digest()[:20]


class Checkpoints(unittest.TestCase):
    def setUp(self):
        lines = (line.split() for line in GOLDEN.read_text().splitlines())
        self.fixture = {key: bytes.fromhex(value) for key, value in lines}

    def pages(self):
        for key, body in self.fixture.items():
            if key.endswith("-body"):
                yield key.removesuffix("-body"), body

    def test_pages_open_under_the_name_of_their_body(self):
        for page, body in self.pages():
            with self.subTest(page):
                own = self.fixture[page + "-name"]
                self.assertEqual(name(b"page", sl.H(body)), own)
                sealed = self.fixture[page + "-sealed"]
                content = sl.open_carried(sealed, 6, secret_of, LIBRARY, "page/" + sl.id_text(own))
                rest = content[1:]
                self.assertEqual(rest if content[0] == 0 else zlib.decompress(rest, -15), body)
                version, bucket, entries = sl.cbor_decode(body)
                keys = [key for key, _ in entries]
                self.assertEqual((version, f"page-{bucket}", keys), (1, page, sorted(set(keys))))
                self.assertEqual(all(key[0] in (1, 3) for key in keys), bucket >= 2)

    def test_the_root_is_signed_and_names_every_page(self):
        own = self.fixture["root-name"]
        content = sl.open_carried(self.fixture["root-sealed"], 5, secret_of, LIBRARY, "ckpt/" + sl.id_text(own))
        self.assertEqual(name(b"checkpoint", sl.H(content)), own)
        self.assertEqual(content[:4], b"SLCP")
        sl.verify(self.fixture["verifying-key"], 5, LIBRARY + content[:-64], content[-64:])
        root = sl.cbor_decode(content[20:-64])
        self.assertEqual((root[0], root[1], sorted(root)), (1, 1, list(range(6))))
        self.assertEqual(root[3], sorted(set(root[3])))
        expected = []
        for _, body in self.pages():
            _, bucket, entries = sl.cbor_decode(body)
            expected.append([bucket, len(entries), len(body), EPOCH, sl.H(body)])
        self.assertEqual(root[4], sorted(expected, key=lambda page: (page[0], page[4])))


if __name__ == "__main__":
    unittest.main()
