#!/usr/bin/env python3
"""Measures Safelight against the best tool for each job, in one run on one machine, and prints the ratios.

  bench/run.py [SECTION ...]      import heic again unchanged show verify catalogue memory agreement, of syncing
                                  upload nothing-new join sync-memory, and gallery thumbnails; all without one

Ours and the peer alternate, both with a warm page cache, and the quickest of the runs counts. Input is made
once in $SAFELIGHT_CACHE/bench. What is printed is also kept in bench/results/.
"""
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gallery import Gallery  # noqa: E402
from measure import best, machine, run  # noqa: E402
from syncing import Syncing  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.environ.get("SAFELIGHT_CACHE") or os.path.expanduser("~/.cache/safelight")
INPUT = os.path.join(CACHE, "bench")
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(CACHE, "target")
SAFELIGHT = os.path.join(TARGET, "release", "safelight")
CORPUS = os.environ.get("SAFELIGHT_CORPUS") or os.path.join(ROOT, "..", "shared", "corpus")
CORPUS = os.path.realpath(CORPUS) if os.path.isdir(CORPUS) else None
CORES = 2

rows = []
notes = []


def say(text=""):
    print(text, flush=True)
    notes.append(text)


def row(what, ours, peer, figure, target, reached):
    rows.append((what, ours, peer, figure, target, "reached" if reached else "not reached"))
    say(f"  {what}: ours {ours}; peer {peer}; {figure} (target {target}, {'reached' if reached else 'NOT reached'})")


def megabytes(kilobytes):
    return f"{kilobytes / 1000:.0f} MB"


class Library:
    """A library of its own that a key file opens, removed at the end."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix=f"{name}-", dir=INPUT)
        self.path = os.path.join(self.folder, "library")
        for secret, content in (("passphrase", b"benchmark passphrase\n"), ("key", bytes(range(64)))):
            with open(os.path.join(self.folder, secret), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(content)
        run(self.command("--passphrase-file", os.path.join(self.folder, "passphrase"), "init", "--recovery-file",
                         os.path.join(self.folder, "recovery")), memory=False)

    @classmethod
    def at(cls, folder):
        """One that was made before, which stays."""
        library = cls.__new__(cls)
        library.folder, library.path = folder, os.path.join(folder, "library")
        return library

    def command(self, *arguments):
        return [SAFELIGHT, "--library", self.path, "--key-file", os.path.join(self.folder, "key"), "--quiet", "--yes", *arguments]

    def run(self, *arguments, **options):
        return run(self.command(*arguments), **options)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def made(kind, name, *options):
    """A folder of input, made once."""
    folder = os.path.join(INPUT, name)
    done = folder + ".done"
    if not os.path.exists(done):
        say(f"  making {name} ...")
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, os.path.join(ROOT, "bench", "make_photos.py"), kind, folder, *options], memory=False)
        open(done, "w").close()
    return folder


def based():
    return ["--base", CORPUS] if CORPUS else []


def photos():
    return made("large", "photos-200", "--count", "200", "--megapixels", "12", *based())


def files_in(folder):
    return sorted(os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)


def size_of(folder):
    return sum(os.path.getsize(path) for path in files_in(folder))


def warm(folder):
    for path in files_in(folder):
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass


# ---- Sections ---------------------------------------------------------------------------------------------

def section_import():
    """200 photos of 12 MP, everything included, against vipsthumbnail making both sizes with two processes."""
    folder = photos()
    warm(folder)
    listing = os.path.join(INPUT, "photos.list")
    with open(listing, "w") as file:
        file.write("\0".join(files_in(folder)))

    def ours():
        library = Library("import")
        try:
            cost = library.run("import", "--wait", folder)
            cost.count = json.loads(library.run("--json", "list", "--count", memory=False).output)["count"]
            return cost
        finally:
            library.remove()

    def peer():
        out = tempfile.mkdtemp(prefix="vips-", dir=INPUT)
        script = (f"set -e; for size in 1440:80 320:75; do xargs -0 -P {CORES} -n 25 vipsthumbnail -s ${{size%:*}} "
                  f"-o '{out}/%s_'${{size%:*}}'.jpg[Q='${{size#*:}}']' < '{listing}'; done")
        try:
            return run(["bash", "-c", script], {**os.environ, "VIPS_CONCURRENCY": "1"})
        finally:
            shutil.rmtree(out)

    one, two = ours(), peer()
    again_one, again_two = ours(), peer()
    mine = min(one, again_one, key=lambda cost: cost.wall)
    theirs = min(two, again_two, key=lambda cost: cost.wall)
    ratio = mine.wall / theirs.wall
    count = len(files_in(folder))
    say(f"  {count} files, {size_of(folder) / 1e6:.0f} MB; {mine.count} assets; {mine.wall / count * 1000:.0f} ms wall and {mine.cpu / count * 1000:.0f} ms CPU a photo; "
        f"{count / mine.wall:.0f} photos/s")
    row("import 200 x 12 MP", f"{mine.wall:.1f} s", f"vipsthumbnail {theirs.wall:.1f} s", f"ratio {ratio:.2f}", "<= 0.50", ratio <= 0.5)
    row("memory of that import", f"{megabytes(mine.memory)} (RSS {megabytes(mine.resident)})", f"vipsthumbnail {megabytes(theirs.memory)}",
        megabytes(mine.memory), "<= 300 MB", mine.memory <= 300_000)


def section_heic():
    """iPhone HEIC with an embedded thumbnail: CPU a photo until import returns."""
    folder = made("heic", "heic-40", "--count", "40", *based())
    warm(folder)
    count = len(files_in(folder))

    def attempt():
        library = Library("heic")
        try:
            cost = library.run("import", folder)
            library.run("list", "--count", memory=False)
            return cost
        finally:
            # The previews follow in the background; the library must not vanish under them.
            subprocess.run(library.command("import", "--wait", folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            library.remove()

    cost = best(2, attempt)
    each = cost.cpu / count * 1000
    row(f"HEIC, {count} photos", f"{each:.0f} ms CPU a photo, {cost.wall / count * 1000:.0f} ms wall", "-", f"{each:.0f} ms", "<= 60 ms", each <= 60)


def restic_again(folder):
    repository = tempfile.mkdtemp(prefix="restic-", dir=INPUT)
    environment = {**os.environ, "RESTIC_PASSWORD": "benchmark", "RESTIC_CACHE_DIR": repository + ".cache"}
    try:
        run(["restic", "-q", "init", "-r", repository], environment, memory=False)
        run(["restic", "-q", "backup", "-r", repository, folder], environment, memory=False)
        return best(3, lambda: run(["restic", "-q", "backup", "-r", repository, folder], environment))
    finally:
        shutil.rmtree(repository, ignore_errors=True)
        shutil.rmtree(repository + ".cache", ignore_errors=True)


def section_again():
    """Import of 10,000 unchanged files again, the whole process, against restic backup again."""
    folder = made("small", "small-10000", "--count", "10000")
    library = Library("again")
    try:
        first = library.run("import", "--wait", "--link", folder, memory=False)
        say(f"  the first import of 10,000 small files took {first.wall:.1f} s")
        ours = best(3, lambda: library.run("import", folder, "--link"))
        peer = restic_again(folder)
        ratio = ours.wall / peer.wall
        row("import again, 10,000 unchanged", f"{ours.wall:.2f} s", f"restic {peer.wall:.2f} s", f"ratio {ratio:.2f}", "<= 0.25", ratio <= 0.25)
    finally:
        library.remove()


def section_unchanged():
    """100,000 unchanged files: time, and how many of them are opened."""
    folder = made("small", "small-100000", "--count", "100000", "--seed", "2")
    library = Library("unchanged")
    try:
        first = library.run("import", "--wait", "--link", folder)
        say(f"  the first import of 100,000 small files took {first.wall:.0f} s ({100_000 / first.wall:.0f} files/s), {megabytes(first.memory)}")
        ours = best(3, lambda: library.run("import", "--link", folder))
        opened = "not counted (no strace)"
        count = 0
        if shutil.which("strace"):
            trace = os.path.join(library.folder, "trace")
            run(["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,creat", "-o", trace, *library.command("import", "--link", folder)], memory=False)
            with open(trace, errors="replace") as file:
                # A folder is opened to be read; a file is not.
                count = sum(1 for line in file if ".JPG" in line and "O_DIRECTORY" not in line)
            opened = f"{count} files opened"
        row("100,000 unchanged files", f"{ours.wall:.2f} s, {opened}", "-", f"{ours.wall:.2f} s", "<= 2 s, 0 opened", ours.wall <= 2 and count == 0)
        page = best(3, lambda: library.run("list", "-n", "100"))
        say(f"  first page of the list, whole process: {page.wall * 1000:.0f} ms; {megabytes(page.memory)}")
    finally:
        library.remove()


def section_show():
    """show --file over many files in one process, against one exiftool process."""
    folder = CORPUS or photos()
    paths = [path for path in files_in(folder) if not path.endswith((".json", ".md"))]
    listing = os.path.join(INPUT, "show.list")
    with open(listing, "w") as file:
        file.write("\n".join(paths))
    for path in paths:
        with open(path, "rb") as file:
            file.read()
    ours = best(5, lambda: run([SAFELIGHT, "--json", "show", "--file", *paths], allowed=(0, 1)))
    peer = best(2, lambda: run(["exiftool", "-j", "-n", "-@", listing], allowed=(0, 1)))
    ratio = peer.wall / ours.wall
    row(f"show --file, {len(paths)} files", f"{ours.wall * 1000:.0f} ms", f"exiftool {peer.wall:.2f} s", f"{ratio:.0f} x faster", ">= 50 x", ratio >= 50)


def section_verify():
    """verify of a library of 2 GB, against openssl dgst over the originals on two cores."""
    library = Library("verify")
    folders = [photos(), made("movies", "movies-14", "--count", "14", "--megabytes", "100")]
    total = sum(size_of(folder) for folder in folders)
    listing = os.path.join(INPUT, "verify.list")
    with open(listing, "w") as file:
        file.write("\0".join(path for folder in reversed(folders) for path in files_in(folder)))
    try:
        first = library.run("import", "--wait", *folders)
        say(f"  {total / 1e9:.2f} GB of originals came in within {first.wall:.1f} s")
        for folder in folders:
            warm(folder)
        peer_command = ["bash", "-c", f"xargs -0 -P {CORES} -n 4 openssl dgst -sha256 < '{listing}'"]
        ours, peer = library.run("verify"), run(peer_command)
        for _ in range(2):
            ours = min(ours, library.run("verify"), key=lambda cost: cost.wall)
            peer = min(peer, run(peer_command), key=lambda cost: cost.wall)
        ratio = peer.wall / ours.wall
        row(f"verify of {total / 1e9:.1f} GB", f"{ours.wall:.2f} s ({total / 1e6 / ours.wall:.0f} MB/s), {megabytes(ours.memory)}",
            f"openssl {peer.wall:.2f} s ({total / 1e6 / peer.wall:.0f} MB/s)", f"{ratio:.2f} x its speed", ">= 0.7 x", ratio >= 0.7)
    finally:
        library.remove()


def section_catalogue():
    """A synthetic catalogue of a million assets and a fixed set of queries (crates/catalog/examples/million/)."""
    run(["cargo", "build", "--release", "--locked", "-q", "-p", "safelight-catalog", "--example", "million"], memory=False)
    folder = tempfile.mkdtemp(prefix="million-", dir=INPUT)
    try:
        cost = run([os.path.join(TARGET, "release/examples/million"), "1000000", os.path.join(folder, "catalog.db")])
        for line in cost.output.splitlines():
            say(f"  | {line}")
        say(f"  whole run {cost.wall:.0f} s; peak {megabytes(cost.memory)}, making it included")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def section_memory():
    """One picture of 210 MP."""
    folder = made("giant", "giant")
    library = Library("giant")
    try:
        cost = library.run("import", "--wait", folder)
        undecodable = json.loads(library.run("--json", "list", "--count", "is:undecodable", memory=False).output)["count"]
        state = "rendered" if undecodable == 0 else "NOT rendered"
        row("memory of one 210 MP JPEG", f"{megabytes(cost.memory)} (RSS {megabytes(cost.resident)}), {cost.wall:.1f} s, {state}", "-",
            megabytes(cost.memory), "<= 1,500 MB", cost.memory <= 1_500_000)
    finally:
        library.remove()


def section_agreement():
    """Agreement with exiftool over the corpus: the test that checks it prints the table."""
    if not CORPUS:
        say("  skipped: no corpus")
        return
    cost = run(["cargo", "test", "--release", "--locked", "-q", "-p", "safelight-media", "--", "--nocapture", "exiftool"],
               {**os.environ, "SAFELIGHT_CORPUS": CORPUS}, allowed=(0, 101), memory=False)
    for line in cost.output.splitlines():
        if line.strip() and not re.match(r"^(running|test result|warning)", line):
            say(f"  | {line}")


SYNCING = Syncing(sys.modules[__name__])
GALLERY = Gallery(sys.modules[__name__])
SECTIONS = {"import": section_import, "heic": section_heic, "again": section_again, "unchanged": section_unchanged, "show": section_show,
            "verify": section_verify, "catalogue": section_catalogue, "memory": section_memory, "agreement": section_agreement,
            "upload": SYNCING.upload, "nothing-new": SYNCING.nothing_new, "join": SYNCING.join, "sync-memory": SYNCING.memory,
            "gallery": GALLERY.million, "thumbnails": GALLERY.thumbnails}


def table():
    widths = [max(len(line[column]) for line in rows) for column in range(6)]
    for line in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def versions():
    def first(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]
        except (OSError, IndexError):
            return f"{command[0]}: not here"
    return "; ".join([first("vips", "--version"), first("restic", "version").split(" compiled")[0], "exiftool " + first("exiftool", "-ver"), first("openssl", "version"), first("rclone", "version")])


def keep(today, name):
    """Writes what was said so far, without anything that names the machine or its folders."""
    results = os.path.join(ROOT, "bench", "results")
    os.makedirs(results, exist_ok=True)
    text = "\n".join(notes) + "\n"
    for folder, word in ((INPUT, "<bench>"), (ROOT, "<checkout>"), (TARGET, "<target>"), (CORPUS or "\0", "<corpus>"), (os.path.expanduser("~"), "~")):
        text = text.replace(folder, word)
    with open(os.path.join(results, f"{today}-{name}.txt"), "w") as file:
        file.write(text)


def main():
    chosen = sys.argv[1:] or list(SECTIONS)
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        sys.exit(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    os.makedirs(INPUT, exist_ok=True)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    today = datetime.date.today().isoformat()
    say(f"Safelight {commit}, {today}")
    say(machine())
    say(versions())
    say("input: " + ("grown from real photos of the corpus" if CORPUS else "drawn"))
    failed = []
    name = "all" if chosen == list(SECTIONS) else "-".join(chosen)
    for section in chosen:
        say(f"\n{section}: {SECTIONS[section].__doc__.splitlines()[0]}")
        try:
            SECTIONS[section]()
        except Exception as error:  # one section must not hide the others
            failed.append(section)
            say(f"  FAILED: {error}")
        keep(today, name)  # a run that is stopped keeps what it measured
    say("")
    if rows:
        table()
    keep(today, name)
    print(f"\nKept in bench/results/{today}-{name}.txt")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
