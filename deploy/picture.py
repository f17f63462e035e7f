#!/usr/bin/env python3
"""Draws PNG pictures for the tests of this folder, each of another colour: picture.py FILE…"""
import struct
import sys
import zlib

WIDTH, HEIGHT = 640, 480


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(seed: int) -> bytes:
    rows = b"".join(b"\0" + bytes((x * seed + y) % 251 for x in range(WIDTH * 3)) for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


for number, name in enumerate(sys.argv[1:], start=1):
    with open(name, "wb") as file:
        file.write(picture(number))
