"""Storage servers on loopback to measure against: started on a free port, gone at the end."""
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

CACHE = os.environ.get("SAFELIGHT_CACHE") or os.path.expanduser("~/.cache/safelight")
# The emulator's only account, its key, which Microsoft publishes, and a signature for all of it made with that.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
ACCOUNT_SAS = ("sv=2020-12-06&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&spr=https,http"
               "&sig=wuAW2s2z8U7NhHG8Efazfqb52Qnj74OIPXvd3nVp8a4%3D")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server program in a folder of its own; how Safelight and rclone reach it."""

    def __init__(self, within):
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="server-", dir=within)
        self.root = os.path.join(self.folder, "root")
        os.mkdir(self.root)
        with open(os.path.join(self.folder, "log"), "w") as log:
            self.process = subprocess.Popen(self.program(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 90
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.program()[0]} did not start: {open(os.path.join(self.folder, 'log')).read()[-500:]}")
                time.sleep(0.05)

    def request(self, method, path, headers=None):
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=b"", method=method, headers=headers or {})).read()

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Azurite(Server):
    name = "Azurite"

    def program(self):
        main = os.path.join(CACHE, "servers/node_modules/azurite/dist/src/blob/main.js")
        return ["node", main, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "-l", self.root,
                "--skipApiVersionCheck", "--silent", "--disableTelemetry"]

    def container(self, name):
        self.request("PUT", f"/{ACCOUNT}/{name}?restype=container&{ACCOUNT_SAS}", {"x-ms-version": "2021-12-02"})

    def ours(self, name):
        self.container(name)
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}/{name}", f"account_key = {KEY}\n"

    def rclone(self, name):
        self.container(name)
        return f":azureblob:{name}", ["--azureblob-sas-url", f"http://127.0.0.1:{self.port}/{ACCOUNT}?{ACCOUNT_SAS}"]


class Moto(Server):
    name = "moto (S3)"

    def program(self):
        return [os.path.join(CACHE, "servers/venv/bin/moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]

    def ours(self, name):
        self.request("PUT", f"/{name}")
        return f"s3://{name}?endpoint=http://127.0.0.1:{self.port}", "access_key_id = test\nsecret_access_key = test\n"

    def rclone(self, name):
        self.request("PUT", f"/{name}")
        return f":s3:{name}", ["--s3-provider", "Other", "--s3-endpoint", f"http://127.0.0.1:{self.port}", "--s3-access-key-id", "test",
                               "--s3-secret-access-key", "test", "--s3-region", "us-east-1", "--s3-force-path-style"]


class WebDav(Server):
    """Both clients write below folders of their own."""

    def ours(self, name):
        return f"webdav://127.0.0.1:{self.port}/{name}", "user = u\npassword = p\n"

    def rclone(self, name):
        hidden = subprocess.run(["rclone", "obscure", "p"], capture_output=True, text=True, check=True).stdout.strip()
        return f":webdav:{name}", ["--webdav-url", f"http://127.0.0.1:{self.port}", "--webdav-vendor", "other", "--webdav-user", "u", "--webdav-pass", hidden]


class RcloneDav(WebDav):
    name = "rclone serve webdav"

    def program(self):
        return ["rclone", "serve", "webdav", "--addr", f"127.0.0.1:{self.port}", "--user", "u", "--pass", "p", "--dir-cache-time", "0s",
                "--config", "/dev/null", self.root]


class WsgiDav(WebDav):
    name = "wsgidav"

    def program(self):
        return [os.path.join(CACHE, "servers/venv/bin/wsgidav"), "--host", "127.0.0.1", "--port", str(self.port), "--auth", "anonymous",
                "--server", "cheroot", "--no-config", "--quiet", "--root", self.root]

    def ours(self, name):
        return super().ours(name)[0], None

    def rclone(self, name):
        return f":webdav:{name}", ["--webdav-url", f"http://127.0.0.1:{self.port}", "--webdav-vendor", "other"]
