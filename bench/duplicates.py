#!/usr/bin/env python3
"""Measures how well and how fast `safelight dedupe` finds photos that are there more than once.

  bench/duplicates.py [--folder DIR] [--count 400] [--undated] [--speed]

Without --folder a library is made: photos grown from those of the corpus (or drawn), and of each a copy that was saved
again, resized, brightened or cut by 4 %. With it, DIR.truth.json says which file is a copy of which, as
{"file", "kind": "original|exact|near", "of", "how"}. --undated takes the dates out of all files, so that pixels alone
decide. --speed also looks at a library of 100,000 made-up photos, 5,000 of them copies, from the start of the program to the end.

Uses $SAFELIGHT, else the release build. What is printed is kept in bench/results/.
"""
import argparse
import datetime
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

from PIL import Image, ImageEnhance

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from measure import machine, run  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.environ.get("SAFELIGHT_CACHE") or os.path.expanduser("~/.cache/safelight")
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(CACHE, "target")
SAFELIGHT = os.environ.get("SAFELIGHT") or os.path.join(TARGET, "release", "safelight")
CORPUS = os.environ.get("SAFELIGHT_CORPUS") or os.path.join(ROOT, "..", "shared", "corpus")
WAYS = ["recompressed", "resized", "brightened", "cropped"]
PHOTOS, COPIES = 100_000, 5_000
TARGETS = {"exact": 99, "recompressed": 99, "resized": 99, "brightened": 99, "cropped": 95}
notes = []


def say(text=""):
    print(text, flush=True)
    notes.append(text)


def copy(path, out, how, rng):
    image = Image.open(path)
    exif = image.info.get("exif", b"")
    if how == "resized":
        image = image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.LANCZOS)
    if how == "brightened":
        image = ImageEnhance.Brightness(image).enhance(1.12)
    if how == "cropped":
        image = image.crop((image.width // 50, image.height // 50, image.width * 49 // 50, image.height * 49 // 50))
    image.save(out, quality=rng.choice([60, 75, 85]), exif=exif)


def make(folder, count):
    """Photos and a copy of each, and which is which."""
    base = ["--base", CORPUS] if os.path.isdir(CORPUS) else []
    subprocess.run([sys.executable, os.path.join(ROOT, "bench", "make_photos.py"), "large", folder, "--count", str(count),
                    "--megapixels", "2", *base], check=True)
    rng, truth = random.Random(1), []
    originals = sorted(os.path.relpath(os.path.join(parent, name), folder) for parent, _, names in os.walk(folder) for name in names)
    for index, name in enumerate(originals):
        how = WAYS[index % len(WAYS)]
        out = name.replace(".JPG", f" {how}.JPG")
        copy(os.path.join(folder, name), os.path.join(folder, out), how, rng)
        truth += [{"file": name, "kind": "original"}, {"file": out, "kind": "near", "of": name, "how": how}]
    with open(folder + ".truth.json", "w") as file:
        json.dump(truth, file)


def undated(folder, out):
    """The same pixels without any metadata."""
    for parent, _, names in os.walk(folder):
        for name in names:
            data = open(os.path.join(parent, name), "rb").read()
            kept, at = data[:2], 2
            while data[at + 1] != 0xDA:
                length = int.from_bytes(data[at + 2:at + 4], "big") + 2
                if not 0xE1 <= data[at + 1] <= 0xEF:
                    kept += data[at:at + length]
                at += length
            to = os.path.join(out, os.path.relpath(parent, folder), name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            with open(to, "wb") as file:
                file.write(kept + data[at:])


def found_by(folder, work):
    """What the program says of a folder, and what that cost."""
    secret = os.path.join(work, "passphrase")
    with open(secret, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write("benchmark passphrase\n")
    command = [SAFELIGHT, "--library", os.path.join(work, "library"), "--passphrase-file", secret, "--quiet", "--yes"]
    run([*command, "init", "--recovery-file", os.path.join(work, "recovery")], memory=False)
    run([*command, "import", "--wait", folder], memory=False)
    listed = json.loads(run([*command, "--json", "list"], memory=False).output)
    cost = run([*command, "--json", "dedupe"])
    return {photo["id"]: photo["path"] for photo in listed}, json.loads(cost.output), cost


def judge(truth, paths, plan):
    """Which copies lie in a group with their original, and which groups hold photos of two originals."""
    original = {row["file"]: row.get("of", row["file"]) for row in truth}
    grouped = {}
    false, bursts, unsafe = [], 0, 0
    for group in plan["groups"]:
        roots = {original[paths[item["id"]]] for item in group["items"]}
        if group["kind"] == "burst":
            bursts += 1
        elif len(roots) > 1:
            false.append(group)
        else:
            unsafe += not group["safe"]
            for item in group["items"]:
                grouped.setdefault(paths[item["id"]], set()).update(paths[other["id"]] for other in group["items"])
    found = {}
    listed = set(paths.values())
    for row in truth:
        if row["kind"] == "original":
            continue
        how = row.get("how", "exact")
        of = row["of"]
        # The same bytes are one photo, which lies at several paths.
        is_found = row["file"] not in listed or of not in listed or of in grouped.get(row["file"], ())
        found.setdefault(how, []).append((is_found, row["file"]))
    return found, false, bursts, unsafe


def speed(work):
    """Duplicates among 100,000 photos that were filled in: crates/library/examples/fill_library.rs says how."""
    run(["cargo", "build", "--release", "--locked", "-q", "--example", "fill_library"], memory=False)
    pictures, library, key = (os.path.join(work, name) for name in ("thumbnails", "filled", "key"))
    base = ["--base", CORPUS] if os.path.isdir(CORPUS) else []
    subprocess.run([sys.executable, os.path.join(ROOT, "bench", "make_photos.py"), "thumbnails", pictures, "--count", "240", *base], check=True)
    os.makedirs(os.path.join(pictures, "again"))
    for name in sorted(os.listdir(pictures)):
        if name.endswith(".webp"):
            Image.open(os.path.join(pictures, name)).save(os.path.join(pictures, "again", name), quality=60)
    for path, content in ((key, bytes(range(64))), (key + ".words", b"benchmark passphrase\n")):
        with open(path, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
    command = [SAFELIGHT, "--library", library, "--key-file", key, "--quiet", "--yes"]
    run([*command, "--passphrase-file", key + ".words", "init", "--recovery-file", os.path.join(work, "filled-recovery")], memory=False)
    run([os.path.join(TARGET, "release", "examples", "fill_library"), library, key, str(PHOTOS), pictures, str(COPIES)], memory=False)
    photos = json.loads(run([*command, "--json", "list", "--count"], memory=False).output)["count"]
    cost = run([*command, "--json", "dedupe"])
    plan = json.loads(cost.output)
    # Of a copy or its original some lie in the trash or are hidden; nothing else is alike.
    found = plan["exact"] + plan["near"]
    reached = cost.wall <= 10 and cost.memory <= 300_000 and 0.95 * COPIES <= found <= COPIES
    say(f"  {photos:,} photos in the timeline, {COPIES:,} copies were planted, 2 % of them hidden or in the trash: {found:,} found; {cost.wall:.1f} s, "
        f"{cost.memory / 1000:.0f} MB with the workers   (target 10 s, 300 MB, {'reached' if reached else 'NOT reached'})")
    return reached


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--undated", action="store_true")
    parser.add_argument("--speed", action="store_true")
    a = parser.parse_args()
    work = tempfile.mkdtemp(prefix="duplicates-")
    today = datetime.date.today().isoformat()
    missed = False
    try:
        folder = a.folder or os.path.join(work, "photos")
        if not a.folder:
            make(folder, a.count)
        with open(folder.rstrip("/") + ".truth.json") as file:
            truth = json.load(file)
        if a.undated:
            undated(folder, os.path.join(work, "undated"))
            folder = os.path.join(work, "undated")
        say(f"duplicates, {today}")
        say(machine())
        paths, plan, cost = found_by(folder, work)
        found, false, bursts, unsafe = judge(truth, paths, plan)
        say(f"{len(paths)} photos{' without dates' if a.undated else ''}: {plan['exact']} exact and {plan['near']} near groups, "
            f"{bursts} bursts; {plan['safe']} safe, {unsafe} to be looked at; "
            f"{cost.wall:.1f} s, {cost.memory / 1000:.0f} MB with the workers")
        for how, results in sorted(found.items()):
            share = 100 * sum(is_found for is_found, _ in results) / len(results)
            missed |= share < TARGETS[how]
            say(f"  {how:13} {len(results):5}   {share:5.1f} %   (target {TARGETS[how]} %)")
            for _, name in [result for result in results if not result[0]][:10]:
                say(f"      missed: {name}")
        missed |= bool(false)
        say(f"  groups of two different photos: {len(false)}   (target 0)")
        for group in false[:10]:
            say("      " + ", ".join(item["name"] for item in group["items"]))
        if a.speed:
            missed |= not speed(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    name = f"{today}-duplicates{'-undated' if a.undated else ''}.txt"
    with open(os.path.join(ROOT, "bench", "results", name), "w") as file:
        file.write("\n".join(notes) + "\n")
    print(f"\nKept in bench/results/{name}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
