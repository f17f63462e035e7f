"""Sections of the benchmark that sync: servers on loopback, rclone copying the same sealed bytes beside us."""
import json
import os
import shutil
import tempfile

from measure import best, run
from servers import Azurite, Moto, RcloneDav, WsgiDav

AT_ONCE = "8"
# What the passphrase's key derivation needs at least while it runs.
ARGON2_KILOBYTES = 200_000
# rclone cannot add certificates to its own transport and stops where it is told to; everything here is loopback without TLS.
RCLONE_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}


class Syncing:
    """Everything a section needs of the benchmark that runs it."""

    def __init__(self, bench):
        self.bench, self.input = bench, bench.INPUT

    def library(self, name):
        return self.bench.Library(name)

    def connect(self, library, remote, address, credential):
        """Connects a remote of its own to a library."""
        options = []
        if credential:
            path = os.path.join(library.folder, f"{remote}-credential")
            with open(path, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(credential)
            options = ["--credential-file", path]
        library.run("remote", "add", remote, address, *options, memory=False)

    # ---- Sections --------------------------------------------------------------------------------------

    def upload(self):
        """First sync of 500 x 3 MB, sealed already, against rclone copying the same sealed objects, 8 at a time."""
        photos = self.bench.made("movies", "movies-500", "--count", "500", "--megabytes", "3")
        library = self.library("upload")
        sealed = tempfile.mkdtemp(prefix="sealed-", dir=self.input)
        try:
            library.run("import", "--wait", photos, memory=False)
            # What a remote will hold, as files: rclone copies exactly these.
            self.connect(library, "files", f"folder:{sealed}", None)
            library.run("sync", "files", memory=False)
            library.run("remote", "remove", "files", memory=False)
            self.bench.warm(sealed)
            self.bench.warm(os.path.join(library.path, "objects"))
            size = self.bench.size_of(sealed)
            self.bench.say(f"  {size / 1e6:.0f} MB sealed in {len(self.bench.files_in(sealed))} objects")
            for kind, target, most_cpu in ((Azurite, 1.3, 0.5), (Moto, 0.9, None), (RcloneDav, 0.9, None), (WsgiDav, 0.9, None)):
                self.compare(kind, library, sealed, size, target, most_cpu)
        finally:
            library.remove()
            shutil.rmtree(sealed, ignore_errors=True)

    def compare(self, kind, library, sealed, size, target, most_cpu):
        mine, theirs = [], []
        for turn in range(2):
            server = kind(self.input)
            try:
                remote = f"r{turn}"
                self.connect(library, remote, *server.ours("ours"))
                mine.append(library.run("sync", remote))
                library.run("remote", "remove", remote, memory=False)
            finally:
                server.stop()
            server = kind(self.input)
            try:
                to, options = server.rclone("theirs")
                theirs.append(run(["rclone", "copy", "--config", "/dev/null", "--transfers", AT_ONCE, "--checkers", AT_ONCE, *options, sealed, to], RCLONE_ENVIRONMENT))
            finally:
                server.stop()
        one, two = min(mine, key=lambda cost: cost.wall), min(theirs, key=lambda cost: cost.wall)
        speed, cpu = two.wall / one.wall, one.cpu / two.cpu
        reached = speed >= target and (most_cpu is None or cpu <= most_cpu)
        wanted = f">= {target} x" + (f", CPU <= {most_cpu} x" if most_cpu else "")
        self.bench.row(f"sync 500 x 3 MB to {kind.name}", f"{one.wall:.1f} s ({size / 1e6 / one.wall:.0f} MB/s), {one.cpu:.1f} s CPU, {self.bench.megabytes(one.memory)}",
                       f"rclone {two.wall:.1f} s, {two.cpu:.1f} s CPU, {self.bench.megabytes(two.memory)}", f"{speed:.2f} x its speed, {cpu:.2f} x its CPU", wanted, reached)

    def nothing_new(self):
        """Nothing new to sync at 100,000 assets; what history weighs there, and what one more remote adds to it."""
        folder = self.bench.made("small", "small-100000", "--count", "100000", "--seed", "2")
        library = self.library("nothing-new")
        places = []
        try:
            first = library.run("import", "--wait", folder, memory=False)
            self.bench.say(f"  100,000 small files came in within {first.wall:.0f} s")
            weights = []
            for remote in ("one", "two"):
                place = tempfile.mkdtemp(prefix=f"place-{remote}-", dir=self.input)
                places.append(place)
                self.connect(library, remote, f"folder:{place}", None)
                cost = library.run("sync", remote)
                library.run("sync", remote, memory=False)
                log = self.bench.size_of(os.path.join(place, "log")) if os.path.isdir(os.path.join(place, "log")) else 0
                weights.append(log)
                self.bench.say(f"  first sync with {remote}: {cost.wall:.1f} s, {self.bench.megabytes(cost.memory)}; its history {log / 1e6:.1f} MB")
            own = self.bench.size_of(os.path.join(library.path, "objects", "log"))
            self.bench.row("history of 100,000 assets", f"{weights[0] / 1e6:.1f} MB", "-", f"{weights[0] / 1e6:.1f} MB", "<= 60 MB", weights[0] <= 60e6)
            added = (own - weights[0]) / 1e6
            self.bench.row("history that a second remote adds", f"{added:.2f} MB", "-", f"{added:.2f} MB", "<= 6 MB", added <= 6)
            library.run("remote", "remove", "two", memory=False)
            ours = best(5, lambda: library.run("sync", "one"))
            requests = json.loads(library.run("--json", "sync", "one", memory=False).output)[0]["traffic"]["requests"]
            self.bench.row("nothing new to sync, 100,000 assets", f"{ours.wall:.2f} s, {requests} requests, {self.bench.megabytes(ours.memory)}", "-",
                           f"{ours.wall:.2f} s", "<= 0.3 s, <= 3 requests", ours.wall <= 0.3 and requests <= 3)
        finally:
            library.remove()
            for place in places:
                shutil.rmtree(place, ignore_errors=True)

    def join(self):
        """Join of a 10,000-photo library on loopback: the whole catalogue and all thumbnails."""
        folder = self.bench.made("small", "small-10000", "--count", "10000")
        library = self.library("join")
        server = Azurite(self.input)
        try:
            library.run("import", "--wait", folder, memory=False)
            address, credential = server.ours("join")
            self.connect(library, "azure", address, credential)
            library.run("sync", memory=False)
            secrets = library.folder

            def joined():
                path = os.path.join(secrets, "joined")
                shutil.rmtree(path, ignore_errors=True)
                command = [self.bench.SAFELIGHT, "--library", path, "--quiet", "--yes", "--passphrase-file", os.path.join(secrets, "passphrase"),
                           "--recovery-file", os.path.join(secrets, "recovery"), "join", address, "--name", "azure", "--credential-file", os.path.join(secrets, "azure-credential")]
                return run(command)

            ours = best(2, joined)
            # A new device gets a passphrase, and the key of one is made with 256 MiB on purpose, at the beginning.
            syncing = ours.memory_after(ARGON2_KILOBYTES)
            self.bench.row("join of 10,000 photos", f"{ours.wall:.1f} s, {ours.cpu:.1f} s CPU, {self.bench.megabytes(syncing)} ({self.bench.megabytes(ours.memory)} while the key of the passphrase was made)",
                           "-", f"{ours.wall:.1f} s", "<= 15 s, <= 200 MB", ours.wall <= 15 and syncing <= 200_000)
        finally:
            server.stop()
            library.remove()

    def memory(self):
        """Memory while a video of 5 GB is synced and fetched again."""
        folder = self.bench.made("movies", "movie-5000", "--count", "1", "--megabytes", "5000")
        library = self.library("sync-memory")
        server = Azurite(self.input)
        try:
            library.run("import", "--wait", folder, memory=False)
            self.connect(library, "azure", *server.ours("large"))
            ours = library.run("sync")
            self.bench.row("memory while 5 GB are synced", f"{self.bench.megabytes(ours.memory)}, {ours.wall:.0f} s", "-", self.bench.megabytes(ours.memory), "<= 200 MB", ours.memory <= 200_000)
            verified = library.run("verify", "--remote", "--all")
            self.bench.row("memory while they are verified there", f"{self.bench.megabytes(verified.memory)}, {verified.wall:.0f} s", "-", self.bench.megabytes(verified.memory),
                           "<= 200 MB", verified.memory <= 200_000)
        finally:
            server.stop()
            library.remove()
