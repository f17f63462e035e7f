#!/usr/bin/env python3
"""Draws about forty sample pictures with everything that real ones carry.

Landscapes of simple shapes, so that a demo library has something to look at: cameras, lenses, dates over
several years with their time zones, places in real cities, sideways pictures, exact and near duplicates, a
burst, a Live Photo pair, PNG, WebP, HEIC, a video with a place, and captions, ratings and tags in XMP
sidecars. The same seed draws the same pixels.

  sample_photos.py OUT_DIR [--seed 1] [--no-video]

Needs Pillow, piexif, pillow-heif (tools/requirements.txt); the videos need ffmpeg.
"""
import argparse
import math
import os
import random
import shutil
import struct
import subprocess
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from fractions import Fraction

import piexif
from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1600, 1200


# ---- Drawing -------------------------------------------------------------------------------------------

def mix(a, b, t):
    return tuple(round(x + (y - x) * t) for x, y in zip(a, b))


def sky(colours, size=(WIDTH, HEIGHT)):
    """A vertical gradient through the given colours."""
    column = Image.new("RGB", (1, size[1]))
    for y in range(size[1]):
        at = y / size[1] * (len(colours) - 1)
        low = min(int(at), len(colours) - 2)
        column.putpixel((0, y), mix(colours[low], colours[low + 1], at - low))
    return column.resize(size)


def glow(image, centre, radius, colour, strength=1.0):
    """A soft light: a blurred disc added to the picture."""
    small = Image.new("RGB", (image.width // 8, image.height // 8))
    x, y, r = centre[0] / 8, centre[1] / 8, radius / 8
    ImageDraw.Draw(small).ellipse((x - r, y - r, x + r, y + r), fill=mix((0, 0, 0), colour, strength))
    soft = small.filter(ImageFilter.GaussianBlur(radius / 12)).resize(image.size, Image.BICUBIC)
    return ImageChops.screen(image, soft)


def disc(image, centre, radius, colour):
    ImageDraw.Draw(image).ellipse((centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius), fill=colour)


def ridge(rng, base, height, roughness, width=WIDTH):
    """The outline of a mountain range by midpoint displacement."""
    points = [rng.uniform(-1, 1), rng.uniform(-1, 1)]
    spread = 1.0
    while len(points) < width // 8:
        spread *= roughness
        points = [v for a, b in zip(points, points[1:]) for v in (a, (a + b) / 2 + rng.uniform(-spread, spread))] + [points[-1]]
    step = width / (len(points) - 1)
    return [(i * step, base - height * p) for i, p in enumerate(points)]


def fill_below(image, outline, colour):
    ImageDraw.Draw(image).polygon([(0, HEIGHT), *outline, (WIDTH, HEIGHT)], fill=colour)


def stars(image, rng, count, below):
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        x, y, r = rng.uniform(0, WIDTH), rng.uniform(0, below), rng.choice([1, 1, 1, 2, 3])
        light = rng.randrange(120, 255)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(light, light, min(255, light + 20)))


def mountains(rng, palette):
    top, low, near, far, sun = palette
    image = sky([top, mix(top, low, 0.7), low])
    centre = (rng.uniform(0.2, 0.8) * WIDTH, rng.uniform(0.25, 0.45) * HEIGHT)
    image = glow(image, centre, 420, sun, 0.55)
    disc(image, centre, 70, mix(sun, (255, 255, 255), 0.5))
    for layer in range(5):
        t = layer / 4
        fill_below(image, ridge(rng, HEIGHT * (0.5 + 0.11 * layer), 190 - 22 * layer, 0.55), mix(far, near, t))
    return image


def sea(rng, palette):
    top, low, near, far, sun = palette
    horizon = int(HEIGHT * rng.uniform(0.5, 0.62))
    image = sky([top, low, mix(low, sun, 0.4)], (WIDTH, HEIGHT))
    centre = (rng.uniform(0.25, 0.75) * WIDTH, horizon - rng.uniform(40, 200))
    image = glow(image, centre, 500, sun, 0.6)
    disc(image, centre, 90, mix(sun, (255, 255, 255), 0.6))
    image.paste(sky([mix(low, far, 0.6), near], (WIDTH, HEIGHT - horizon)), (0, horizon))
    draw = ImageDraw.Draw(image)
    for y in range(horizon + 4, HEIGHT, 9):
        depth = (y - horizon) / (HEIGHT - horizon)
        for _ in range(int(6 + 10 * (1 - depth))):
            length = rng.uniform(20, 60 + 220 * depth)
            spread = 60 + 260 * depth
            x = rng.gauss(centre[0], spread)
            draw.line((x - length / 2, y, x + length / 2, y), fill=mix(near, sun, rng.uniform(0.15, 0.75) * (1 - depth * 0.5)), width=2 + int(4 * depth))
    boat_x, boat_y, scale = rng.uniform(0.15, 0.85) * WIDTH, horizon + rng.uniform(40, 160), rng.uniform(0.7, 1.5)
    draw.polygon([(boat_x - 60 * scale, boat_y), (boat_x + 60 * scale, boat_y), (boat_x + 40 * scale, boat_y + 24 * scale), (boat_x - 42 * scale, boat_y + 24 * scale)], fill=mix(near, (0, 0, 0), 0.6))
    draw.polygon([(boat_x, boat_y - 150 * scale), (boat_x, boat_y - 6), (boat_x + 70 * scale, boat_y - 6)], fill=(240, 232, 220))
    draw.polygon([(boat_x - 6, boat_y - 120 * scale), (boat_x - 6, boat_y - 6), (boat_x - 48 * scale, boat_y - 6)], fill=(222, 210, 196))
    return image


def skyline(rng, palette):
    top, low, near, far, sun = palette
    image = sky([top, mix(top, low, 0.5), low])
    stars(image, rng, 260, HEIGHT * 0.5)
    centre = (rng.uniform(0.15, 0.85) * WIDTH, rng.uniform(0.12, 0.3) * HEIGHT)
    image = glow(image, centre, 260, (220, 225, 255), 0.4)
    disc(image, centre, 66, (242, 240, 226))
    draw = ImageDraw.Draw(image)
    for row in range(3):
        colour = mix(far, near, row / 2)
        x = -20.0
        while x < WIDTH:
            width = rng.uniform(70, 190)
            height = rng.uniform(0.16, 0.5) * HEIGHT * (1 - 0.2 * row)
            y = HEIGHT - height
            draw.rectangle((x, y, x + width, HEIGHT), fill=colour)
            if rng.random() < 0.25:
                draw.polygon([(x + width / 2 - 10, y), (x + width / 2, y - 90), (x + width / 2 + 10, y)], fill=colour)
            for wy in range(int(y) + 18, HEIGHT, 30):
                for wx in range(int(x) + 12, int(x + width) - 14, 24):
                    if rng.random() < 0.34:
                        draw.rectangle((wx, wy, wx + 10, wy + 15), fill=mix(sun, (255, 244, 214), rng.random()))
            x += width + rng.uniform(-8, 30)
    return image


def forest(rng, palette):
    top, low, near, far, sun = palette
    image = glow(sky([top, low]), (WIDTH * rng.uniform(0.3, 0.7), HEIGHT * 0.35), 600, sun, 0.5)
    draw = ImageDraw.Draw(image)
    for layer in range(5):
        colour = mix(mix(far, low, 0.5), near, layer / 4)
        ground = HEIGHT * (0.55 + 0.11 * layer)
        for _ in range(46 - layer * 6):
            x, height = rng.uniform(-60, WIDTH + 60), rng.uniform(140, 240) * (0.7 + 0.42 * layer)
            for tier in range(4):
                y, half = ground - height + tier * height * 0.22, height * (0.12 + 0.075 * tier)
                draw.polygon([(x, y), (x - half, y + height * 0.34), (x + half, y + height * 0.34)], fill=colour)
        draw.rectangle((0, ground, WIDTH, HEIGHT), fill=colour)
    return image


def dunes(rng, palette):
    top, low, near, far, sun = palette
    image = sky([top, low, low])
    centre = (rng.uniform(0.2, 0.8) * WIDTH, HEIGHT * 0.22)
    image = glow(image, centre, 340, sun, 0.7)
    disc(image, centre, 80, mix(sun, (255, 255, 255), 0.7))
    for layer in range(6):
        phase, waves, swing = rng.uniform(0, 7), rng.uniform(0.7, 1.9), rng.uniform(50, 120)
        outline = [(x, HEIGHT * (0.44 + 0.1 * layer) + swing * math.sin(phase + waves * x / WIDTH * 6) * (0.6 + 0.4 * math.sin(x / 300))) for x in range(0, WIDTH + 10, 10)]
        fill_below(image, outline, mix(far, near, layer / 5))
        ImageDraw.Draw(image).line(outline, fill=mix(mix(far, near, layer / 5), (255, 255, 255), 0.25), width=4)
    return image


def aurora(rng, palette):
    top, low, near, far, sun = palette
    image = sky([top, mix(top, low, 0.4), low])
    stars(image, rng, 420, HEIGHT * 0.75)
    small = Image.new("RGB", (WIDTH // 8, HEIGHT // 8))
    draw = ImageDraw.Draw(small)
    for band in range(3):
        phase, base = rng.uniform(0, 7), rng.uniform(0.3, 0.5) * HEIGHT / 8
        colour = mix((60, 255, 170), (170, 90, 255), band / 2 * rng.uniform(0.6, 1))
        for x in range(0, WIDTH // 8, 2):
            y = base + 14 * math.sin(phase + x / 34) + 7 * math.sin(phase * 2 + x / 11)
            reach = rng.uniform(26, 62)
            for step in range(int(reach)):
                draw.point((x, y - step), fill=mix(colour, (0, 0, 0), step / reach))
                draw.point((x + 1, y - step), fill=mix(colour, (0, 0, 0), step / reach))
    image = ImageChops.screen(image, small.filter(ImageFilter.GaussianBlur(2.2)).resize(image.size, Image.BICUBIC))
    for layer in range(2):
        fill_below(image, ridge(rng, HEIGHT * (0.76 + 0.12 * layer), 120, 0.6), mix(far, near, layer))
    return image


def balloons(rng, palette):
    top, low, near, far, sun = palette
    image = mountains(rng, palette)
    draw = ImageDraw.Draw(image)
    bright = [(220, 68, 55), (244, 180, 0), (66, 133, 244), (15, 157, 88), (171, 71, 188), (255, 112, 67)]
    for _ in range(rng.randrange(5, 9)):
        x, y, r = rng.uniform(0.08, 0.92) * WIDTH, rng.uniform(0.08, 0.55) * HEIGHT, rng.uniform(50, 150)
        first, second = rng.sample(bright, 2)
        draw.polygon([(x - r * 0.72, y + r * 0.62), (x + r * 0.72, y + r * 0.62), (x + r * 0.16, y + r * 1.5), (x - r * 0.16, y + r * 1.5)], fill=first)
        for stripe in range(6):
            half = r * (1 - stripe / 6)
            draw.ellipse((x - half, y - r, x + half, y + r), fill=first if stripe % 2 == 0 else second)
        draw.rectangle((x - r * 0.14, y + r * 1.62, x + r * 0.14, y + r * 1.82), fill=(92, 64, 40))
    return image


def flowers(rng, palette):
    top, low, near, far, sun = palette
    image = glow(sky([mix(top, low, 0.5), low, near]), (WIDTH * 0.7, HEIGHT * 0.2), 700, sun, 0.4)
    image = image.filter(ImageFilter.GaussianBlur(12))
    for depth in range(3):
        draw = ImageDraw.Draw(image)
        for _ in range(26 - depth * 7):
            x, y, r = rng.uniform(0, WIDTH), rng.uniform(0.35, 0.95) * HEIGHT, rng.uniform(20, 44) * (1 + depth * 0.9)
            draw.line((x, y, x + rng.uniform(-60, 60), HEIGHT), fill=mix(near, (30, 70, 30), 0.6), width=4 + depth * 4)
            petal = rng.choice([(250, 240, 245), (255, 196, 60), (236, 88, 120), (150, 110, 220), (255, 140, 105)])
            turn, petals = rng.uniform(0, 1), rng.choice([5, 6, 8, 10])
            for k in range(petals):
                a = 2 * math.pi * (k + turn) / petals
                px, py, pr = x + math.cos(a) * r, y + math.sin(a) * r * 0.9, r * 2.4 / petals + r * 0.22
                draw.ellipse((px - pr, py - pr, px + pr, py + pr), fill=mix(petal, (0, 0, 0), 0.08 * (k % 2)))
            disc(image, (x, y), r * 0.52, (120, 78, 30))
        if depth < 2:
            image = image.filter(ImageFilter.GaussianBlur(7 - depth * 4))
    return image


def lights(rng, palette):
    top, low, near, far, sun = palette
    half = (WIDTH // 2, HEIGHT // 2)
    image = sky([mix(top, (0, 0, 0), 0.5), mix(near, (0, 0, 0), 0.4)], half)
    for _ in range(70):
        layer = Image.new("RGB", half)
        x, y, r = rng.uniform(0, half[0]), rng.gauss(0.55, 0.2) * half[1], rng.uniform(16, 68)
        colour = mix(rng.choice([sun, low, far, (255, 210, 120), (90, 190, 255), (255, 110, 140)]), (0, 0, 0), rng.uniform(0.2, 0.7))
        ImageDraw.Draw(layer).ellipse((x - r, y - r, x + r, y + r), fill=colour)
        image = ImageChops.screen(image, layer)
    return image.resize((WIDTH, HEIGHT), Image.BICUBIC)


DAWN = ((58, 66, 122), (250, 170, 128), (40, 36, 66), (150, 110, 140), (255, 196, 120))
DAY = ((70, 140, 214), (206, 230, 244), (34, 78, 66), (140, 178, 190), (255, 244, 200))
DUSK = ((34, 28, 74), (230, 96, 84), (22, 18, 40), (120, 62, 96), (255, 150, 70))
NIGHT = ((8, 12, 34), (34, 52, 96), (6, 8, 18), (24, 32, 60), (255, 196, 92))
SAND = ((120, 170, 214), (246, 214, 170), (150, 84, 40), (236, 184, 120), (255, 240, 196))
SPRING = ((120, 190, 230), (226, 244, 214), (56, 110, 60), (140, 190, 130), (255, 250, 200))
FOG = ((176, 190, 200), (226, 228, 224), (36, 58, 56), (150, 170, 170), (255, 250, 235))


def finish(image, rng):
    """Grain, so that the picture compresses and fingerprints like a photo."""
    half = (WIDTH // 2, HEIGHT // 2)
    grain = Image.frombytes("L", half, rng.randbytes(half[0] * half[1])).resize(image.size).convert("RGB")
    return Image.blend(image, grain, 0.03)


# ---- What cameras write --------------------------------------------------------------------------------

IPHONE = ("Apple", "iPhone 15 Pro", "iPhone 15 Pro back triple camera 6.765mm f/1.78")
OLD_IPHONE = ("Apple", "iPhone 8", "iPhone 8 back camera 3.99mm f/1.8")
PIXEL = ("Google", "Pixel 8", "Pixel 8 back camera 6.9mm f/1.68")
FUJI = ("FUJIFILM", "X-T5", "XF18-55mmF2.8-4 R LM OIS")
CANON = ("Canon", "Canon EOS R6", "RF24-105mm F4 L IS USM")
SONY = ("SONY", "ILCE-7M4", "FE 35mm F1.8")

PARIS, REYKJAVIK, TOKYO = (48.8584, 2.2945), (64.1466, -21.9426), (35.6595, 139.7005)
LISBON, NEW_YORK, SYDNEY = (38.7139, -9.1334), (40.7061, -73.9969), (-33.8568, 151.2153)
MARRAKESH, ZERMATT, KYOTO, BERLIN = (31.6258, -7.9891), (46.0207, 7.7491), (35.0116, 135.7681), (52.5163, 13.3777)
TROMSO = (69.6492, 18.9553)


def degrees(value):
    value = abs(value)
    whole = int(value)
    minutes = int((value - whole) * 60)
    seconds = Fraction((value - whole - minutes / 60) * 3600).limit_denominator(1000)
    return ((whole, 1), (minutes, 1), (seconds.numerator, seconds.denominator))


def apple_maker_note(content_identifier=None, burst=None):
    """Apple's maker note with the two strings that tie pictures together (tags 0x0011 and 0x000b)."""
    entries = sorted([(tag, text.encode() + b"\0") for tag, text in ((0x11, content_identifier), (0x0B, burst)) if text])
    head = b"Apple iOS\0\0\x01MM" + struct.pack(">H", len(entries))
    offset = len(head) + 12 * len(entries) + 4
    table, data = b"", b""
    for tag, text in entries:
        table += struct.pack(">HHII", tag, 2, len(text), offset + len(data))
        data += text
    return head + table + b"\0\0\0\0" + data


def exif(rng, camera, when, offset, place=None, orientation=1, maker_note=None, description=None):
    make, model, lens = camera
    taken = when.strftime("%Y:%m:%d %H:%M:%S")
    data = {
        "0th": {piexif.ImageIFD.Make: make, piexif.ImageIFD.Model: model, piexif.ImageIFD.Orientation: orientation,
                piexif.ImageIFD.DateTime: taken, piexif.ImageIFD.Software: "Safelight sample pictures"},
        "Exif": {piexif.ExifIFD.DateTimeOriginal: taken, piexif.ExifIFD.DateTimeDigitized: taken,
                 piexif.ExifIFD.OffsetTimeOriginal: offset, piexif.ExifIFD.OffsetTime: offset,
                 piexif.ExifIFD.LensModel: lens, piexif.ExifIFD.FNumber: rng.choice([(18, 10), (28, 10), (4, 1), (56, 10), (8, 1)]),
                 piexif.ExifIFD.ExposureTime: (1, rng.choice([30, 60, 125, 250, 500, 1000])),
                 piexif.ExifIFD.ISOSpeedRatings: rng.choice([50, 100, 200, 400, 800, 1600]),
                 piexif.ExifIFD.FocalLength: rng.choice([(18, 1), (24, 1), (35, 1), (55, 1), (85, 1)])},
        "GPS": {}, "1st": {}, "thumbnail": None,
    }
    if description:
        data["0th"][piexif.ImageIFD.ImageDescription] = description
    if maker_note:
        data["Exif"][piexif.ExifIFD.MakerNote] = maker_note
    if place:
        lat, lon = place[0] + rng.gauss(0, 0.004), place[1] + rng.gauss(0, 0.004)
        data["GPS"] = {piexif.GPSIFD.GPSVersionID: (2, 3, 0, 0),
                       piexif.GPSIFD.GPSLatitudeRef: "N" if lat >= 0 else "S", piexif.GPSIFD.GPSLatitude: degrees(lat),
                       piexif.GPSIFD.GPSLongitudeRef: "E" if lon >= 0 else "W", piexif.GPSIFD.GPSLongitude: degrees(lon),
                       piexif.GPSIFD.GPSAltitudeRef: 0, piexif.GPSIFD.GPSAltitude: (rng.randrange(5, 900), 1)}
    return piexif.dump(data)


def sidecar(path, title=None, caption=None, rating=None, tags=()):
    """An XMP sidecar as photo editors write it."""
    lines = ['<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
             ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
             '  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
             + (f' xmp:Rating="{rating}"' if rating is not None else "") + ">"]
    for name, text in (("title", title), ("description", caption)):
        if text:
            lines.append(f'   <dc:{name}><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:{name}>')
    if tags:
        lines.append("   <dc:subject><rdf:Bag>" + "".join(f"<rdf:li>{tag}</rdf:li>" for tag in tags) + "</rdf:Bag></dc:subject>")
    lines += ["  </rdf:Description>", " </rdf:RDF>", "</x:xmpmeta>", '<?xpacket end="w"?>', ""]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


# ---- The pictures --------------------------------------------------------------------------------------
# folder and name, scene, palette, camera, taken, offset, place, orientation

SHOTS = [
    ("2019/Paris/IMG_0412.JPG", skyline, DUSK, OLD_IPHONE, "2019-04-19 20:41:07", "+02:00", PARIS, 1),
    ("2019/Paris/IMG_0413.JPG", flowers, SPRING, OLD_IPHONE, "2019-04-20 11:02:55", "+02:00", PARIS, 6),
    ("2019/Paris/IMG_0417.JPG", lights, NIGHT, OLD_IPHONE, "2019-04-20 23:15:31", "+02:00", PARIS, 1),
    ("2019/Lisbon/IMG_0533.JPG", sea, DUSK, OLD_IPHONE, "2019-09-02 19:58:12", "+01:00", LISBON, 1),
    ("2019/Lisbon/IMG_0534.JPG", sea, DAY, OLD_IPHONE, "2019-09-03 10:20:44", "+01:00", LISBON, 1),
    ("2020/Zermatt/_MG_1021.JPG", mountains, DAY, CANON, "2020-02-11 09:33:20", "+01:00", ZERMATT, 1),
    ("2020/Zermatt/_MG_1022.JPG", mountains, DAWN, CANON, "2020-02-12 07:41:58", "+01:00", ZERMATT, 1),
    ("2020/Zermatt/_MG_1030.JPG", forest, FOG, CANON, "2020-02-13 15:05:09", "+01:00", ZERMATT, 8),
    ("2020/Balcony/IMG_0601.JPG", flowers, DAY, OLD_IPHONE, "2020-05-17 12:30:00", "+02:00", BERLIN, 1),
    ("2021/Iceland/DSCF3101.JPG", aurora, NIGHT, FUJI, "2021-10-08 22:47:36", "+00:00", REYKJAVIK, 1),
    ("2021/Iceland/DSCF3105.JPG", aurora, NIGHT, FUJI, "2021-10-08 23:12:04", "+00:00", REYKJAVIK, 1),
    ("2021/Iceland/DSCF3118.JPG", mountains, FOG, FUJI, "2021-10-09 11:18:45", "+00:00", REYKJAVIK, 1),
    ("2021/Iceland/DSCF3126.JPG", sea, DAWN, FUJI, "2021-10-10 08:29:13", "+00:00", REYKJAVIK, 1),
    ("2022/Marrakesh/PXL_20220316_1.jpg", dunes, SAND, PIXEL, "2022-03-16 16:54:21", "+01:00", MARRAKESH, 1),
    ("2022/Marrakesh/PXL_20220316_2.jpg", dunes, DUSK, PIXEL, "2022-03-16 19:02:40", "+01:00", MARRAKESH, 1),
    ("2022/Marrakesh/PXL_20220317.jpg", balloons, SAND, PIXEL, "2022-03-17 07:12:17", "+01:00", MARRAKESH, 1),
    ("2022/New York/DSC00871.JPG", skyline, NIGHT, SONY, "2022-11-05 18:36:02", "-04:00", NEW_YORK, 1),
    ("2022/New York/DSC00872.JPG", skyline, DAWN, SONY, "2022-11-06 06:31:50", "-05:00", NEW_YORK, 1),
    ("2022/New York/DSC00880.JPG", lights, DUSK, SONY, "2022-11-06 20:44:33", "-05:00", NEW_YORK, 1),
    ("2023/Japan/IMG_2204.JPG", forest, SPRING, IPHONE, "2023-04-02 10:05:12", "+09:00", KYOTO, 1),
    ("2023/Japan/IMG_2205.JPG", flowers, SPRING, IPHONE, "2023-04-02 10:44:28", "+09:00", KYOTO, 1),
    ("2023/Japan/IMG_2230.JPG", lights, NIGHT, IPHONE, "2023-04-04 21:19:59", "+09:00", TOKYO, 1),
    ("2023/Japan/IMG_2231.JPG", skyline, DUSK, IPHONE, "2023-04-04 18:22:10", "+09:00", TOKYO, 3),
    ("2023/Sydney/IMG_2590.JPG", sea, DAY, IPHONE, "2023-12-28 13:10:00", "+11:00", SYDNEY, 1),
    ("2023/Sydney/IMG_2599.JPG", lights, DAWN, IPHONE, "2023-12-31 23:59:58", "+11:00", SYDNEY, 1),
    ("2024/Tromso/IMG_3001.JPG", aurora, NIGHT, IPHONE, "2024-01-19 19:30:26", "+01:00", TROMSO, 1),
    ("2024/Tromso/IMG_3004.JPG", mountains, DUSK, IPHONE, "2024-01-20 14:02:39", "+01:00", TROMSO, 1),
    ("2024/Home/IMG_3120.JPG", balloons, DAY, IPHONE, "2024-06-08 08:11:41", "+02:00", BERLIN, 1),
]
NOTES = {
    "2021/Iceland/DSCF3101.JPG": dict(title="First night", caption="Aurora over the harbour, a minute before the clouds", rating=5, tags=["aurora", "night", "Iceland"]),
    "2021/Iceland/DSCF3126.JPG": dict(caption="The morning ferry", rating=3, tags=["sea", "Iceland"]),
    "2022/Marrakesh/PXL_20220317.jpg": dict(title="Seven balloons", rating=5, tags=["balloons", "travel"]),
    "2020/Zermatt/_MG_1022.JPG": dict(caption="Up before everybody else", rating=4, tags=["mountains", "snow"]),
    "2023/Japan/IMG_2205.JPG": dict(rating=4, tags=["flowers"]),
}


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


def save(image, path, exif_data, orientation=1):
    turned = {1: None, 3: Image.ROTATE_180, 6: Image.ROTATE_90, 8: Image.ROTATE_270}[orientation]
    (image.transpose(turned) if turned is not None else image).save(path, quality=90, exif=exif_data)


def video(path, image, seconds, metadata):
    """A short pan over a picture, with the given container metadata."""
    frame = path + ".frame.png"
    image.save(frame)
    arguments = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-loop", "1", "-i", frame, "-t", str(seconds), "-r", "25",
                 "-vf", f"crop=1280:720:x='(in_w-out_w)*t/{seconds}':y=240,format=yuv420p", "-c:v", "libx264", "-preset", "veryfast",
                 "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "use_metadata_tags+faststart"]
    for key, value in metadata.items():
        arguments += ["-metadata", f"{key}={value}"]
    try:
        subprocess.run([*arguments, path], check=True)
    finally:
        os.remove(frame)


def draw_shot(job):
    out, seed, index = job
    name, scene, palette, camera, taken, offset, place, orientation = SHOTS[index]
    rng = random.Random(f"{seed}/{index}")
    path = os.path.join(out, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image = finish(scene(rng, palette), rng)
    save(image, path, exif(rng, camera, moment(taken), offset, place, orientation), orientation)
    if name in NOTES:
        sidecar(path + ".xmp", **NOTES[name])
    return 1


def draw_all(out, seed, with_video):
    with ProcessPoolExecutor() as pool:
        count = sum(pool.map(draw_shot, [(out, seed, index) for index in range(len(SHOTS))]))

    rng = random.Random(f"{seed}/more")

    # A Live Photo: a still and a movie that carry one content identifier.
    live = "7C1E2D8A-52B1-4C55-9F0A-6A3C1B0D4E21"
    when = moment("2024-06-08 08:15:03")
    image = finish(balloons(rng, DAWN), rng)
    folder = os.path.join(out, "2024/Home")
    save(image, os.path.join(folder, "IMG_3121.JPG"), exif(rng, IPHONE, when, "+02:00", BERLIN, maker_note=apple_maker_note(content_identifier=live)))
    count += 1
    if with_video:
        video(os.path.join(folder, "IMG_3121.MOV"), image, 2, {
            "com.apple.quicktime.content.identifier": live, "com.apple.quicktime.creationdate": "2024-06-08T08:15:03+0200",
            "com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 15 Pro",
            "com.apple.quicktime.location.ISO6709": "+52.5163+013.3777+034.000/", "creation_time": "2024-06-08T06:15:03Z"})
        video(os.path.join(out, "2023/Sydney/VID_2610.MP4"), finish(sea(rng, DUSK), rng), 4, {
            "location": "-33.8568+151.2153/", "creation_time": "2023-12-30T09:40:00Z"})
        count += 2

    # Three frames of a burst.
    burst = "0F3B7A90-11C4-4E0B-8A57-2D9C6E1F7B33"
    state = rng.getstate()
    for frame in range(3):
        rng.setstate(state)
        image = ImageChops.offset(sea(rng, DAY), 12 * frame, 0)
        save(finish(image, rng), os.path.join(out, f"2023/Sydney/IMG_2601_{frame + 1}.JPG"),
             exif(rng, IPHONE, moment(f"2023-12-29 10:00:0{frame}"), "+11:00", SYDNEY, maker_note=apple_maker_note(burst=burst)))
        count += 1

    # Other formats.
    finish(lights(rng, DUSK), rng).resize((1280, 960)).save(os.path.join(out, "2024/Home/Screenshot 2024-07-01.png"))
    os.makedirs(os.path.join(out, "Downloads"), exist_ok=True)
    dunes(rng, SAND).resize((1200, 900)).save(os.path.join(out, "Downloads/wallpaper.webp"), quality=82)
    count += 2
    try:
        import pillow_heif
        pillow_heif.register_heif_opener()
        finish(mountains(rng, SPRING), rng).save(os.path.join(out, "2024/Home/IMG_3140.HEIC"), quality=75,
                                                  exif=exif(rng, IPHONE, moment("2024-08-11 17:20:31"), "+02:00", ZERMATT))
        count += 1
    except ImportError:
        pass

    # The same file again, and the same picture through a messenger: smaller, and without its EXIF.
    old = os.path.join(out, "Old phone backup")
    os.makedirs(old, exist_ok=True)
    shutil.copyfile(os.path.join(out, "2019/Paris/IMG_0412.JPG"), os.path.join(old, "IMG_0412.JPG"))
    shutil.copyfile(os.path.join(out, "2021/Iceland/DSCF3101.JPG"), os.path.join(old, "aurora (1).jpg"))
    for source, target in (("2021/Iceland/DSCF3101.JPG", "IMG-20211009-WA0003.jpg"), ("2022/New York/DSC00871.JPG", "IMG-20221106-WA0001.jpg")):
        with Image.open(os.path.join(out, source)) as image:
            image.resize((1280, 960), Image.LANCZOS).save(os.path.join(old, target), quality=70)
    return count + 4


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-video", action="store_true", help="leave out the two videos, which need ffmpeg")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    count = draw_all(arguments.out, arguments.seed, not arguments.no_video)
    print(f"{count} sample pictures in {arguments.out}")


if __name__ == "__main__":
    main()
