"""The servers that are compared, and how each is set up."""

import json
import os
import pathlib
import pwd
import re
import resource
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from process import PATIENCE, Server, ServerError, free_port

HERE = pathlib.Path(__file__).parent

# Those that speak HTTPS.
SEALED = ("ours sealed", "nginx sealed")

# What limits the boot storm. A card of 25 Gbit/s sends about as much, and these machines can send more: the limit decides.
RATE_LIMIT = {"transferRate": 3_000_000_000}
QUEUE_LIMIT = {"maxTransfers": 200}


# Digesting a large ISO takes no longer than this, in seconds.
DIGEST = 120


class Refused(Exception):
    """The program under test does not know a setting."""


def start(name, binary, work):
    """Starts the server of that name, in a folder of its own."""
    folder = work / name.replace(" ", "-")
    folder.mkdir(exist_ok=True)
    if name in ("ours", "ours before"):
        return ours(binary, work, folder)
    if name == "ours with an image":
        return ours(binary, work, folder, image=True)
    if name == "ours with a rate":
        return ours(binary, work, folder, RATE_LIMIT)
    if name == "ours with a queue":
        return ours(binary, work, folder, QUEUE_LIMIT)
    if name == "ours sealed":
        return ours(binary, work, folder, sealed=True)
    if name in PEERS:
        return peer(name, work, folder)
    return nginx(name, work, folder)


def ours(binary, work, folder, settings=None, sealed=False, image=False):
    """Our release binary, with logging off, serving `files` and, if wanted, the ISO as image `bench`, version `1`."""
    northbound, southbound = free_port(), free_port()
    config = {
        "httpEndpoints": [
            {"address": "127.0.0.1", "port": northbound, "routers": "northbound"},
            {"address": "127.0.0.1", "port": southbound, "routers": "southbound"},
        ],
        "httpFileServiceRootDir": str(work / "files"),
        "isoDir": str(folder / "iso"),
        "microkernelDir": str(folder / "common"),
        "inventoryFile": str(folder / "inventory.json"),
        "minLogLevel": 5,
        # A benchmark does not wait for its own clients.
        "shutdownTimeout": 100,
        **(settings or {}),
    }
    if sealed:
        certificate, key = certified(work)
        config["httpEndpoints"][1]["tls"] = {"certificate": str(certificate), "key": str(key)}
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    if settings or sealed:
        check(binary, folder)
    server = Server([binary, "--config", "config.json"], folder, southbound)
    if image:
        try:
            register(f"http://127.0.0.1:{northbound}/images", work / "image.iso")
        except BaseException:
            server.stop()
            raise
    return server


def check(binary, folder):
    """Asks the program whether it knows the settings."""
    command = [binary, "check-config", "--config", "config.json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        # The message repeats the whole list of endpoints before it comes to the point.
        point = re.search("unknown key.*", said)
        raise Refused(point[0] if point else said)


def register(images, iso):
    """Registers the ISO, if it is not known yet, and waits until it is ready and its digest is known: what the program does in the
    background must not be measured."""
    try:
        if not json.load(urllib.request.urlopen(images, timeout=PATIENCE)):
            query = f"?name=bench&version=1&isolocal={iso}"
            urllib.request.urlopen(urllib.request.Request(images + query, method="PUT"), timeout=PATIENCE).close()
        deadline = time.monotonic() + DIGEST
        while True:
            image = json.load(urllib.request.urlopen(images, timeout=PATIENCE))[0]
            if image["status"] == "OK" and image["sha256"]:
                return
            if time.monotonic() > deadline:
                raise ServerError(f"the image is not ready within {DIGEST} s")
            time.sleep(0.05)
    except urllib.error.HTTPError as problem:
        raise ServerError(f"image-service refused the ISO: {problem.read().decode(errors='replace')}") from problem


def nginx(name, work, folder):
    """nginx with the reference configuration, or with one thing changed: each worker with a listening socket of its own, packets
    that are not held back until they are full, or HTTPS."""
    (folder / "temp").mkdir(exist_ok=True)
    port = free_port()
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    listen = f"127.0.0.1:{port} backlog=4096"
    if name == "reuseport":
        listen += " reuseport"
    if name == "nginx sealed":
        certificate, key = certified(work)
        listen += f" ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3"
        # Takes effect where the kernel and OpenSSL have it.
        listen += "; ssl_conf_command Options KTLS"
    words = {
        "USER": pwd.getpwuid(os.geteuid()).pw_name,
        "DESCRIPTORS": descriptors,
        "CONNECTIONS": min(descriptors - 1000, 16384),
        "LISTEN": listen,
        "NOPUSH": "off" if name == "nopush off" else "on",
        "ROOT": work / "files",
    }
    text = (HERE / "nginx.conf").read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    (folder / "nginx.conf").write_text(text)
    return Server(["nginx", "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"], folder, port)


# Other servers of files, when they are installed: their arguments for a port and a folder, with listings on and logs off.
PEERS = {
    "static-web-server": lambda port, root: [
        *("--host", "127.0.0.1", "--port", port, "--root", root, "--directory-listing", "true"),
        *("--log-level", "error", "--compression", "false", "--cache-control-headers", "false"),
    ],
    "dufs": lambda port, root: ["--bind", "127.0.0.1", "--port", port, "--log-format", "", root],
    "miniserve": lambda port, root: ["--interfaces", "127.0.0.1", "--port", port, root],
}


def installed_peers():
    """Those that are here."""
    return [name for name in PEERS if shutil.which(name)]


def peer(name, work, folder):
    """One of the other servers, as it is when nobody tunes it."""
    port = free_port()
    return Server([name, *PEERS[name](str(port), str(work / "files"))], folder, port)


def certified(work):
    """A certificate and its key, made at the first call. Clients trust it because they are told to."""
    certificate, key = work / "certificate.pem", work / "key.pem"
    if not certificate.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    return certificate, key
