"""Runs the load generators as processes of their own and reads what they say."""

import pathlib
import re
import select
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent

# A generator that takes longer than it should by this many seconds has failed.
GRACE = 60

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


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
    return int(requests[1]), float(rate[1]), float(latency[1]) * UNITS[latency[2]]


def downloads(mode, port, path, clients):
    """Starts downloads.py; the caller ends it."""
    command = [sys.executable, "-B", str(HERE / "downloads.py"), mode, str(port), path, str(clients)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def fetch(port, path, clients, watch=lambda: None):
    """Each of `clients` downloads the file once, all at the same time; meanwhile `watch` is called every 20 ms. Returns the
    count of bytes and the seconds from the first connection to the last byte."""
    deadline = time.monotonic() + GRACE
    process = downloads("fetch", port, path, clients)
    try:
        while process.poll() is None:
            watch()
            if time.monotonic() > deadline:
                raise LoadError(f"{path} was not downloaded within {GRACE} s")
            time.sleep(0.02)
        said = process.stdout.read()
        if process.returncode:
            raise LoadError(f"downloading {path}: {said}")
        count, seconds = said.split()
        return int(count), float(seconds)
    finally:
        stop(process)


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
