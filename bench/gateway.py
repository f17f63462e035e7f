#!/usr/bin/env python3
"""Measures the upload gateway: durably audited grants a second, how long they take, and its memory, with 10,000 phones.

  bench/gateway.py [--rate N] [--seconds N] [--phones N] [--stateless]

Azurite over https with OAuth is the remote, so each address is a user delegation SAS under a cached key. The gateway speaks plain
HTTP on loopback, as behind a proxy. Phones (crates/gateway/examples/phones.rs) share its two cores. What is printed is also kept
in bench/results/.
"""
import argparse
import base64
import datetime
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import ssl

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from measure import machine, memory_of  # noqa: E402
from servers import ACCOUNT, CACHE, Azurite  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(CACHE, "target")
PROFILE = os.environ.get("SAFELIGHT_PROFILE") or "release"
TENANT, OBJECT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
TARGETS = {"per_second": 2000, "p99_ms": 20}


def token():
    """A token of Entra ID as Azurite checks it: its claims, not its signature."""
    now = int(time.time())
    claims = {"aud": "https://storage.azure.com", "iss": f"https://sts.windows.net/{TENANT}/", "nbf": now - 60,
              "iat": now - 60, "exp": now + 7200, "oid": OBJECT, "tid": TENANT}
    parts = (json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), "signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


class TlsAzurite(Azurite):
    def __init__(self, within, certificates):
        self.certificates = certificates
        super().__init__(within)

    def program(self):
        certificate, key = (os.path.join(self.certificates, name) for name in ("leaf.pem", "leaf.key"))
        return [*super().program(), "--oauth", "basic", "--cert", certificate, "--key", key]


def certificates(folder):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(folder, "extensions"), "w") as file:
        file.write("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    new = ["-newkey", "rsa:2048", "-nodes", "-keyout"]
    openssl("req", "-x509", "-days", "30", "-subj", "/CN=Test authority", "-out", "authority.pem", *new, "authority.key")
    openssl("req", "-subj", "/CN=Test server", "-out", "leaf.csr", *new, "leaf.key")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
            "-days", "30", "-extfile", "extensions", "-out", "leaf.pem")


def phones(folder, count):
    """A token file with so many tokens, as the gateway writes it, and the tokens."""
    given = [secrets.token_hex(26) for _ in range(count)]
    entries = [{"id": f"phone{number}", "name": f"phone {number}", "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "created": "2026-01-01T00:00:00Z", "scope": {"kind": "plain"},
                "limits": {"per_minute": 600, "files_a_day": 100000, "bytes_a_day": 10 ** 12}}
               for number, text in enumerate(given)]
    own = lambda path, flags: os.open(path, flags, 0o600)  # noqa: E731
    with open(os.path.join(folder, "tokens.json"), "w", opener=own) as file:
        json.dump({"version": 1, "signing_seed": secrets.token_hex(32), "tokens": entries}, file)
    with open(os.path.join(folder, "phones"), "w", opener=own) as file:
        file.write("\n".join(given) + "\n")


def serve(folder, azurite, more):
    programs = os.path.join(folder, "programs")
    os.mkdir(programs)
    with open(os.path.join(programs, "az"), "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
        answer = json.dumps({"accessToken": token(), "expires_on": 4102444800})
        file.write(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    environment = {"HOME": folder, "PATH": f"{programs}:/usr/bin:/bin", "SSL_CERT_FILE": os.path.join(folder, "authority.pem"),
                   "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}
    command = [os.path.join(TARGET, PROFILE, "safelight"), "gateway", "serve", "--tokens", os.path.join(folder, "tokens.json"),
               "--remote", f"https://localhost:{azurite.port}/{ACCOUNT}/photos", "--listen", "127.0.0.1:0", *more]
    gateway = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return gateway, gateway.stdout.readline().strip()


def make_container(folder, azurite):
    context = ssl.create_default_context(cafile=os.path.join(folder, "authority.pem"))
    url = f"https://localhost:{azurite.port}/{ACCOUNT}/photos?restype=container"
    headers = {"x-ms-version": "2021-12-02", "authorization": f"Bearer {token()}"}
    urllib.request.urlopen(urllib.request.Request(url, data=b"", method="PUT", headers=headers), context=context).read()


def load(folder, address, gateway, rate, seconds, connections):
    program = os.path.join(TARGET, PROFILE, "examples", "phones")
    command = [program, address, os.path.join(folder, "phones"), str(rate), str(seconds), str(connections)]
    phones_ = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    samples = []
    while phones_.poll() is None:
        samples.append(memory_of(gateway.pid)[1])
        time.sleep(0.25)
    seen = json.loads(phones_.stdout.read())
    # Flat: what it holds at the end, beside what it held after a quarter of the time.
    seen["memory_mb"] = [samples[len(samples) // 4] / 1000, samples[-1] / 1000, max(samples) / 1000]
    return seen


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--rate", type=int, default=2000)
    options.add_argument("--seconds", type=int, default=30)
    options.add_argument("--phones", type=int, default=10000)
    options.add_argument("--connections", type=int, default=256)
    options.add_argument("--stateless", action="store_true")
    options = options.parse_args()
    folder = tempfile.mkdtemp(prefix="gateway-", dir=os.path.join(CACHE, "bench"))
    lines = [machine(), f"{options.phones} phones, {options.connections} connections, {PROFILE} build, "
             f"{'written down in the remote' if options.stateless else 'written down on the disk'} before each answer"]
    azurite = gateway = None
    try:
        certificates(folder)
        azurite = TlsAzurite(folder, folder)
        make_container(folder, azurite)
        phones(folder, options.phones)
        gateway, address = serve(folder, azurite, ["--stateless"] if options.stateless else [])
        load(folder, address, gateway, options.rate / 4, 3, 16)
        seen = load(folder, address, gateway, options.rate, options.seconds, options.connections)
        reached = seen["per_second"] >= 0.99 * options.rate and seen["p99_ms"] <= TARGETS["p99_ms"] and not seen["refused"]
        early, late, most = seen["memory_mb"]
        lines.append(f"{seen['per_second']} grants/s of {options.rate} for {options.seconds} s; p50 {seen['p50_ms']} ms, p99 {seen['p99_ms']} ms, "
                     f"p99.9 {seen['p999_ms']} ms, most {seen['most_ms']} ms; refused {seen['refused']}; "
                     f"resident {early:.0f} MB after a quarter, {late:.0f} MB at the end, {most:.0f} MB at most")
        lines.append(f"target {TARGETS['per_second']} grants/s, p99 <= {TARGETS['p99_ms']} ms: {'reached' if reached else 'NOT reached'}")
        gateway.send_signal(signal.SIGTERM)
        gateway.wait(60)
    finally:
        if gateway and gateway.poll() is None:
            gateway.kill()
        if azurite:
            azurite.stop()
        shutil.rmtree(folder, ignore_errors=True)
    text = "\n".join(lines)
    print(text)
    with open(os.path.join(ROOT, "bench", "results", f"{datetime.date.today()}-gateway.txt"), "a") as file:
        file.write(text + "\n\n")


if __name__ == "__main__":
    main()
