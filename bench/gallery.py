"""Sections of the benchmark that look at the gallery: the program itself, and a real browser on this machine."""
import json
import os
import re
import shutil
import subprocess
import threading
import time

from measure import memory_of, run

# A library of another size can be measured too; a million take an hour to make.
ASSETS = int(os.environ.get("SAFELIGHT_ASSETS") or 1_000_000)


class Served:
    """A gallery that is being served, and the memory that this took so far."""

    def __init__(self, command):
        # What it says goes on being read, or it would wait for somebody who does.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.memory, self.running, said = 0, True, []
        for line in self.process.stdout:
            said.append(line)
            found = re.search(r"http://localhost:\d+/#t=\S+", line)
            if found:
                self.address = found[0]
                break
        else:
            raise RuntimeError("serve said no address: " + "".join(said))
        threading.Thread(target=lambda: self.process.stdout.read(), daemon=True).start()
        threading.Thread(target=self.sample, daemon=True).start()

    def sample(self):
        while self.running:
            self.memory = max(self.memory, memory_of(self.process.pid)[0])
            time.sleep(0.02)

    def stop(self):
        self.running = False
        self.process.send_signal(2)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Gallery:
    """Everything a section needs of the benchmark that runs it."""

    def __init__(self, bench):
        self.bench = bench

    def look(self, library, what):
        """Serves a library, looks at it with a browser, and ends both."""
        command = [word for word in library.command("serve", "--no-open") if word != "--quiet"]
        served = Served(command)
        try:
            cost = run(["node", os.path.join(self.bench.ROOT, "bench", "gallery.mjs"), what, served.address], memory=False)
            seen = json.loads(cost.output.splitlines()[-1])
            seen["memory"] = served.memory
            seen["load"] = os.getloadavg()[0]
            return seen
        finally:
            served.stop()

    def can(self):
        for program in ("node", "npm"):
            if not shutil.which(program):
                self.bench.say(f"  skipped: no {program} here")
                return False
        run([os.path.join(self.bench.ROOT, "tools", "web.sh"), "build"], memory=False)
        return True

    def row(self, what, ours, figure, target, reached):
        self.bench.row(what, ours, "-", figure, target, reached)

    # ---- Sections --------------------------------------------------------------------------------------

    def million(self):
        """The gallery of a library with a million assets: first look, scrolling, scrubbing, searching, the map."""
        if not self.can():
            return
        library = self.filled()
        looks = [self.look(library, "open") for _ in range(3)]
        if "skipped" in looks[0]:
            self.bench.say(f"  skipped: {looks[0]['skipped']}")
            return
        seen = self.look(library, "everything")
        looks.append(seen)
        loads = ", ".join(f"{look['load']:.1f}" for look in looks)
        self.bench.say(f"  Chromium {seen['browser']}, no GPU, window of 1280 x 800; every first look is at a server that was just started; "
                       f"load of the machine, ours included: {loads}")
        firsts = [look["first"] for look in looks]
        for name, key, most in (("first contentful paint", "painted", 800), ("timeline usable, every picture in the window drawn", "usable", 1200)):
            times = sorted(first[key] for first in firsts)
            self.row(f"{name}, {ASSETS:,} assets", f"{times[0]:.0f} ms (of {', '.join(f'{ms:.0f}' for ms in times)})", f"{times[0]:.0f} ms", f"<= {most / 1000} s", times[0] <= most)
        for name, part in (("scroll 60 px a frame from the newest on", "steady"), ("the same in the middle", "middle"), ("scrub from end to end", "scrubbed")):
            one = seen[part]
            frames, longest = one["frames"], one["longest"]
            said = f"{longest:.0f} ms" if longest else "none over 50 ms"
            self.row(name, f"frame p50 {frames['p50']:.1f} ms, p95 {frames['p95']:.1f} ms, of {frames['count']} {one['over']} over 40 ms; longest task {said}",
                     f"p95 {frames['p95']:.1f} ms", "p95 <= 40 ms, no task > 120 ms", frames["p95"] <= 40 and longest <= 120)
        reached = seen["reached"]
        self.row("last photo reached by the scrubber", f"{reached['last']:,} of {reached['photos']:,}, drawn {seen['settled']} ms after letting go", f"{reached['last']:,}",
                 "all", reached["last"] == reached["photos"] > 0.9 * ASSETS)
        heaps = [seen["heap"], seen["heapAfter"]]
        most = max(heaps, key=lambda heap: heap["used"] + (heap["arrays"] or 0))
        total = most["used"] + (most["arrays"] or 0)
        self.row("JavaScript heap", f"{most['used'] / 1e6:.1f} MB, arrays outside it {(most['arrays'] or 0) / 1e6:.1f} MB", f"{total / 1e6:.1f} MB", "<= 30 MB", total <= 30e6)
        self.row("elements in the document at most", f"{seen['elements']} ({seen['nodes']} nodes with texts and comments)", str(seen["elements"]), "<= 600", seen["elements"] <= 600)
        self.row("memory of the server at most", self.bench.megabytes(seen["memory"]), self.bench.megabytes(seen["memory"]), "<= 300 MB", seen["memory"] <= 300_000)
        search, moved = seen["search"], seen["map"]
        self.served("search as you type", search["typed"], 50)
        self.served("its results on Enter: the shape of all of them", search["found"], None)
        self.served("and the first rows", search["columns"], None)
        self.bench.say(f"  the first look at the map was answered in {moved['first']:.0f} ms")
        self.served("map move", moved["moves"], 100)
        scripts = firsts[0]["scripts"]
        self.row("initial JavaScript, gzip", f"{scripts / 1000:.1f} kB", f"{scripts / 1000:.1f} kB", "<= 60 kB", scripts <= 60_000)
        self.wrong(looks)

    def thumbnails(self):
        """10,000 photos that were imported: how soon their thumbnails are drawn when a scroll stops."""
        if not self.can():
            return
        options = ["--count", "10000", "--side", "640", *self.bench.based()]
        folder = self.bench.made("small", "photos-10000", *options)
        library = self.bench.Library("thumbnails")
        try:
            first = library.run("import", "--wait", folder, memory=False)
            count = json.loads(library.run("--json", "list", "--count", memory=False).output)["count"]
            self.bench.say(f"  {count:,} photos of 640 x 480 came in within {first.wall:.0f} s, each sealed, with a sealed thumbnail of 320 x 240")
            seen = self.look(library, "thumbnails")
        finally:
            library.remove()
        if "skipped" in seen:
            self.bench.say(f"  skipped: {seen['skipped']}")
            return
        for name, part in (("scroll 60 px a frame", "steady"), ("300 px a frame", "quick"), ("2,400 px a frame", "flung"), ("scrubber let go elsewhere", "jumped")):
            one = seen[part]
            self.row(f"all visible cells drawn after the stop: {name}", f"p50 {one['p50']:.0f} ms, most {one['most']:.0f} ms of {one['count']} stops",
                     f"{one['most']:.0f} ms", "<= 300 ms", one["most"] <= 300)
        pictures = seen["pictures"]
        self.bench.say(f"  {seen['asked']} thumbnails were asked for, answered in {pictures['p50']:.1f} ms (p50), {pictures['p95']:.1f} ms (p95); server {self.bench.megabytes(seen['memory'])}; load of the machine, ours included: {seen['load']:.1f}")
        self.wrong([seen])

    # ---- Parts of them ---------------------------------------------------------------------------------

    def served(self, name, times, most):
        ours = f"p50 {times['p50']:.1f} ms, p95 {times['p95']:.1f} ms, most {times['most']:.1f} ms of {times['count']}"
        if most is None:
            self.bench.say(f"  {name}: {ours}")
        else:
            self.row(f"{name}, server time", ours, f"p95 {times['p95']:.1f} ms", f"<= {most} ms", times["p95"] <= most)

    def wrong(self, looks):
        wrong = [one for look in looks for one in look["wrong"]]
        foreign = [one for one in wrong if one.startswith("foreign")]
        self.row("foreign requests; console errors", f"{len(foreign)}; {len(wrong) - len(foreign)}", f"{len(wrong)}", "0; 0", not wrong)
        for one in wrong[:10]:
            self.bench.say("      " + re.sub(r"/media/\w+", "/media/…", one)[:200])

    def filled(self):
        """A library with a million assets, made once: crates/library/examples/fill_library.rs says how."""
        pictures = self.bench.made("thumbnails", "thumbnails-240", "--count", "240", *self.bench.based())
        folder = os.path.join(self.bench.INPUT, f"gallery-{ASSETS}")
        done = folder + ".done"
        if not os.path.exists(done):
            shutil.rmtree(folder, ignore_errors=True)
            run(["cargo", "build", "--release", "--locked", "-q", "--example", "fill_library"], memory=False)
            made = self.bench.Library("gallery")
            cost = run([os.path.join(self.bench.TARGET, "release/examples/fill_library"), made.path, os.path.join(made.folder, "key"), str(ASSETS), pictures])
            os.rename(made.folder, folder)
            with open(done, "w") as file:
                file.write(f"{cost.wall:.0f}")
        library = self.bench.Library.at(folder)
        with open(done) as file:
            seconds = file.read()
        status = json.loads(library.run("--json", "status", memory=False).output)
        parts = {name: self.bench.size_of(os.path.join(library.path, "objects", name)) for name in ("log", "local")}
        database = os.path.getsize(os.path.join(library.path, "catalog.db"))
        self.bench.say(f"  a library that `safelight init` made, filled within {seconds} s: {status['assets']:,} assets by {status['operations']:,} operations, signed and sealed in "
                       f"{parts['log'] / 1e6:.0f} MB of history, a catalogue of {database / 1e6:.0f} MB, and a thumbnail for each, sealed ({parts['local'] / 1e9:.1f} GB; 240 different pictures).")
        self.bench.say("  Dates over fifteen years, eight cameras, 400 towns, 500 albums, captions, ratings and tags are made up. Their originals and previews are not there.")
        return library
