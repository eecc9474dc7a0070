"""Runs the load generators as processes of their own and reads what they say."""

import json
import os
import pathlib
import re
import select
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent

# A generator that takes longer than it should by this many seconds has failed.
GRACE = 60

# A boot storm takes as long as its limits make it.
STORM = 240

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

# The one cipher of TLS 1.3 that clients offer, so that every server chooses it.
OPENSSL = """openssl_conf = settings
[settings]
ssl_conf = tls
[tls]
system_default = clients
[clients]
Ciphersuites = TLS_AES_128_GCM_SHA256
"""


class LoadError(Exception):
    """The load could not be made, or a server answered it wrongly."""


def wrk(url, connections, seconds, script=None, arguments=()):
    """Requests `url` for `seconds`. Returns the count of requests, the requests a second and the 99th percentile of
    latency in milliseconds."""
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    command += ["-s", str(HERE / script)] if script else []
    command += [url] + (["--", *map(str, arguments)] if arguments else [])
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE)
    said = done.stdout + done.stderr
    if done.returncode or "Non-2xx" in said or "Socket errors" in said:
        raise LoadError(f"wrk on {url}: {said}")
    requests, rate, latency = (
        re.search(pattern, said)
        for pattern in (r"(\d+) requests in", r"Requests/sec:\s*([\d.]+)", r"99%\s+([\d.]+)(us|ms|s)\b")
    )
    if int(requests[1]) == 0:
        raise LoadError(f"{url} was not answered within {seconds} s")
    return int(requests[1]), float(rate[1]), float(latency[1]) * UNITS[latency[2]]


def generator(script, *arguments, **options):
    """Starts one of the scripts beside this file; the caller ends it with `stop`."""
    command = [sys.executable, "-B", str(HERE / script), *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, text=True, **pipes, **options)


def fetch(port, path, clients, seconds=0, watch=lambda: None):
    """Each of `clients` downloads the file, all at the same time, and again until the seconds are over; meanwhile `watch` is
    called every 20 ms. Returns the count of bytes and the seconds from the first connection to the last byte."""
    process = generator("downloads.py", "fetch", port, path, clients, seconds)
    count, took = whole(process, path, seconds + GRACE, watch).split()
    return int(count), float(took)


def sealed(port, path, clients, seconds, certificate):
    """The same by HTTPS. Returns also what was negotiated."""
    settings = certificate.parent / "openssl.cnf"
    settings.write_text(OPENSSL)
    environment = {**os.environ, "OPENSSL_CONF": str(settings)}
    process = generator("sealed.py", port, path, clients, seconds, certificate, env=environment)
    count, took, negotiated = whole(process, path, seconds + GRACE).strip().split(" ", 2)
    return int(count), float(took), negotiated


def storm(port, clients, paths):
    """A boot storm. Returns what storm.py says of it."""
    return json.loads(whole(generator("storm.py", port, clients, *paths), "a boot storm", STORM))


def whole(process, what, limit, watch=lambda: None):
    """All that a generator says, when it has ended."""
    deadline = time.monotonic() + limit
    try:
        while process.poll() is None:
            watch()
            if time.monotonic() > deadline:
                raise LoadError(f"{what} did not end within {limit} s")
            time.sleep(0.02)
        said = process.stdout.read()
        if process.returncode:
            raise LoadError(f"{what}: {said}")
        return said
    finally:
        stop(process)


def warn(text):
    """What went wrong although the run goes on, on standard error."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def stop(process):
    """Ends a generator at once."""
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def line_before(process, deadline, expected):
    """Whether the next line that a generator says, until `deadline`, is `expected`."""
    ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
    return bool(ready) and process.stdout.readline().strip() == expected
