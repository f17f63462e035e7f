#!/usr/bin/env python3
"""Makes things to measure with: large photos, many small ones, movies, one giant.

  make_photos.py large OUT --count 200 --megapixels 12 [--base DIR]   camera-sized JPEGs with EXIF
  make_photos.py small OUT --count 10000 [--side 640] [--base DIR]    distinct JPEGs, of about 4 kB where no side is given
  make_photos.py thumbnails OUT --count 240 [--base DIR]              WebP of 320 pixels in several shapes, named by their size
  make_photos.py movies OUT --count 14 --megabytes 100                MP4 boxes around noise
  make_photos.py giant OUT                                            one JPEG of 210 megapixels
  make_photos.py heic OUT --count 40 [--base DIR]                     HEIC with an embedded thumbnail, as iPhones write

With --base, small photos and thumbnails are parts of the real JPEGs found there, large photos are grown from them and HEIC files are copies of the real
ones, told apart by a `free` box; without, everything is drawn. The same seed makes the same files.
"""
import argparse
import os
import random
import struct
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta

from PIL import Image, ImageEnhance, ImageOps

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import sample_photos  # noqa: E402

CAMERAS = [sample_photos.IPHONE, sample_photos.PIXEL, sample_photos.FUJI, sample_photos.CANON, sample_photos.SONY]
PLACES = [sample_photos.PARIS, sample_photos.REYKJAVIK, sample_photos.TOKYO, sample_photos.LISBON, sample_photos.NEW_YORK,
          sample_photos.SYDNEY, sample_photos.MARRAKESH, sample_photos.KYOTO, sample_photos.BERLIN, None]
SCENES = [(sample_photos.mountains, sample_photos.DAWN), (sample_photos.sea, sample_photos.DUSK), (sample_photos.skyline, sample_photos.NIGHT),
          (sample_photos.forest, sample_photos.SPRING), (sample_photos.dunes, sample_photos.SAND), (sample_photos.flowers, sample_photos.DAY),
          (sample_photos.balloons, sample_photos.DAY), (sample_photos.lights, sample_photos.DUSK)]


def bases(folder):
    """Real JPEGs large enough to grow from."""
    found = []
    for parent, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            path = os.path.join(parent, name)
            if not name.lower().endswith((".jpg", ".jpeg")):
                continue
            try:
                with Image.open(path) as image:
                    image.load()
                    if min(image.size) >= 600:
                        found.append(path)
            except Exception:  # broken ones are there on purpose
                pass
    return found


def large(job):
    index, out, megapixels, seed, base = job
    rng = random.Random(f"{seed}/{index}")
    if base:
        image = ImageOps.exif_transpose(Image.open(base)).convert("RGB")
    else:
        scene, palette = SCENES[index % len(SCENES)]
        image = scene(rng, palette)
    wide, high = image.size
    width, height = int(wide * rng.uniform(0.6, 0.95)), int(high * rng.uniform(0.6, 0.95))
    left, top = rng.randrange(wide - width + 1), rng.randrange(high - height + 1)
    image = image.crop((left, top, left + width, top + height))
    ratio = rng.choice([4 / 3, 4 / 3, 3 / 2, 3 / 4])
    high = int((megapixels * 1e6 / ratio) ** 0.5)
    wide = int(high * ratio)
    image = image.resize((wide, high), Image.BICUBIC)
    half = (wide // 2, high // 2)
    grain = Image.frombytes("L", half, rng.randbytes(half[0] * half[1])).resize((wide, high), Image.BILINEAR).convert("RGB")
    image = ImageEnhance.Brightness(Image.blend(image, grain, 0.09)).enhance(rng.uniform(0.8, 1.2))
    when = datetime(2012, 1, 1) + timedelta(seconds=rng.randrange(13 * 365 * 86400))
    exif = sample_photos.exif(rng, rng.choice(CAMERAS), when, "+01:00", rng.choice(PLACES))
    path = os.path.join(out, f"{when:%Y}", f"{when:%m}", f"IMG_{index:05d}.JPG")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image.save(path, quality=91, exif=exif)


def part(rng, path, ratio):
    """A part of a real photo, in this shape."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    share = rng.uniform(0.6, 1)
    wide = min(image.width, image.height * ratio) * share
    high = wide / ratio
    left, top = rng.uniform(0, image.width - wide), rng.uniform(0, image.height - high)
    return image.crop(tuple(round(at) for at in (left, top, left + wide, top + high)))


def thumbnail(job):
    """A picture as lists show it, in one of the shapes that cameras have."""
    index, out, seed, base = job
    rng = random.Random(f"{seed}/thumbnail/{index}")
    wide, high = rng.choice([(320, 240), (320, 240), (320, 240), (320, 213), (240, 320), (180, 320), (320, 180)])
    if base:
        image = part(rng, base, wide / high).resize((wide, high), Image.LANCZOS)
    else:
        scene, palette = SCENES[index % len(SCENES)]
        image = ImageOps.fit(sample_photos.finish(scene(rng, palette), rng), (wide, high), Image.LANCZOS)
    image.save(os.path.join(out, f"{index:04d}-{wide}x{high}.webp"), quality=75, method=2)


def small(job):
    """A run of small JPEGs: a few drawn ones, each copy with a comment and a date of its own."""
    out, first, last, seed, side, real = job
    rng = random.Random(f"{seed}/small")
    if real:
        drawn = [part(rng, path, 4 / 3).resize((side, side * 3 // 4), Image.LANCZOS) for path in real]
    else:
        drawn = [scene(rng, palette).resize((side, side * 3 // 4), Image.LANCZOS) for scene, palette in SCENES]
    encoded = []
    for index, picture in enumerate(drawn):
        path = os.path.join(out, f".base-{first}-{index}")
        picture.save(path, "JPEG", quality=70)
        encoded.append(open(path, "rb").read())
        os.remove(path)
    for index in range(first, last):
        rng = random.Random(f"{seed}/{index}")
        when = datetime(2010, 1, 1) + timedelta(seconds=rng.randrange(15 * 365 * 86400))
        exif = sample_photos.exif(rng, rng.choice(CAMERAS), when, "+01:00", rng.choice(PLACES))
        body = encoded[index % len(encoded)]
        comment = f"picture {index}".encode()
        data = body[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + body[2:]
        folder = os.path.join(out, f"{index // 500:04d}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"IMG_{index:06d}.JPG"), "wb") as file:
            file.write(data)


def movie(job):
    index, out, megabytes, seed = job
    rng = random.Random(f"{seed}/movie/{index}")
    length = megabytes * 1_000_000
    with open(os.path.join(out, f"MOV_{index:04d}.MP4"), "wb") as file:
        file.write(struct.pack(">I4s16s", 24, b"ftyp", b"isom\0\0\0\1isommp42"))
        file.write(struct.pack(">I4sQ", 1, b"mdat", length + 16))
        left = length
        while left:
            chunk = min(left, 1 << 20)
            file.write(rng.randbytes(chunk))
            left -= chunk
        created = 3_700_000_000 + index * 86_400
        header = struct.pack(">IIIII", 0, created, created, 600, 36_000) + b"\0\1\0\0" + b"\0" * 76
        file.write(struct.pack(">I4s", len(header) + 16, b"moov") + struct.pack(">I4s", len(header) + 8, b"mvhd") + header)


def giant(out):
    Image.MAX_IMAGE_PIXELS = None
    rng = random.Random("giant")
    image = sample_photos.finish(sample_photos.mountains(rng, sample_photos.DAWN), rng)
    image.resize((16760, 12570), Image.BICUBIC).save(os.path.join(out, "panorama 210 MP.jpg"), quality=88,
                                                       exif=sample_photos.exif(rng, sample_photos.CANON, datetime(2020, 5, 5, 12), "+02:00"))


def heic(out, count, base):
    """Distinct HEIC files: real ones where there are some, else one drawn with a thumbnail in it."""
    real = []
    for parent, _, names in sorted(os.walk(base)) if base else []:
        for name in sorted(names):
            data = open(os.path.join(parent, name), "rb").read()
            if name.lower().endswith(".heic") and len(data) > 600_000 and b"Apple" in data[:20_000] and b"thmb" in data[:20_000]:
                real.append(data)
    if not real:
        import pillow_heif
        rng = random.Random("heic")
        image = sample_photos.finish(sample_photos.sea(rng, sample_photos.DAY), rng).resize((4032, 3024), Image.BICUBIC)
        file = pillow_heif.from_pillow(image)
        path = os.path.join(out, ".drawn.heic")
        file.save(path, quality=70, thumbnails=[320], exif=sample_photos.exif(rng, sample_photos.IPHONE, datetime(2024, 1, 2, 3, 4, 5), "+01:00"))
        real = [open(path, "rb").read()]
        os.remove(path)
    for index in range(count):
        with open(os.path.join(out, f"IMG_{index:04d}.HEIC"), "wb") as file:
            file.write(real[index % len(real)] + struct.pack(">I4sQ", 16, b"free", index))
    print("real" if base else "drawn", len(real), "kinds")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["large", "small", "thumbnails", "movies", "giant", "heic"])
    parser.add_argument("out")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--side", type=int, default=240, help="pixels across, of small ones")
    parser.add_argument("--base")
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        if a.kind == "large":
            real = bases(a.base) if a.base else []
            rng = random.Random(a.seed)
            jobs = [(i, a.out, a.megapixels, a.seed, rng.choice(real) if real else None) for i in range(a.count)]
            list(pool.map(large, jobs, chunksize=4))
        elif a.kind == "small":
            step = 2000
            real = random.Random(a.seed).sample(found := bases(a.base), min(40, len(found))) if a.base else []
            list(pool.map(small, [(a.out, first, min(first + step, a.count), a.seed, a.side, real) for first in range(0, a.count, step)]))
        elif a.kind == "thumbnails":
            real = bases(a.base) if a.base else []
            rng = random.Random(a.seed)
            list(pool.map(thumbnail, [(i, a.out, a.seed, rng.choice(real) if real else None) for i in range(a.count)]))
        elif a.kind == "movies":
            list(pool.map(movie, [(i, a.out, a.megabytes, a.seed) for i in range(a.count)]))
        elif a.kind == "giant":
            giant(a.out)
        else:
            heic(a.out, a.count, a.base)


if __name__ == "__main__":
    main()
