"""What is asked of a server in one round for one subject.

Each load returns how many requests or gigabytes that were, and then the values of the workload's figures, except the second one:
that is what a request or gigabyte cost the server, which the caller knows. A load that returns None instead of the number returns
all values.
"""

import time

import files
import load
import servers

GB = 1e9
IDLE = 10_000
MACHINES = 2_000

# What HTTPS must negotiate, so that all encipher alike.
SEAL = "TLSv1.3 TLS_AES_128_GCM_SHA256"


def url(server, path):
    return f"http://127.0.0.1:{server.port}{path}"


def small_file(server, subject, settings):
    count, rate, _ = load.wrk(url(server, f"{subject.folder}/4KiB.bin"), 64, settings.seconds)
    return count, rate


def large_file(server, subject, settings):
    count, seconds = load.fetch(server.port, f"{subject.folder}/1GiB.bin", 8, settings.seconds)
    return count / GB, count / GB / seconds


def crowd(server, subject, settings):
    peak = total = 0
    walls = []

    def watch():
        nonlocal peak
        peak = max(peak, server.memory("RssAnon"))

    for _ in range(settings.seconds):
        count, seconds = load.fetch(server.port, f"{subject.folder}/60MiB.bin", 200, watch=watch)
        total += count
        walls.append(seconds)
    return total / GB, sum(walls) / len(walls), peak / files.MIB


def ranges(server, subject, settings):
    sizes = (files.SIZES["4GiB.bin"], 64 * files.KIB)
    address = url(server, f"{subject.folder}/4GiB.bin")
    count, rate, _ = load.wrk(address, 64, settings.seconds, script="ranges.lua", arguments=sizes)
    return count, rate


def listing(server, _subject, settings):
    count, rate, _ = load.wrk(url(server, "/listing/"), 64, settings.seconds)
    return count, rate


def idle(server, subject, settings):
    path = f"{subject.folder}/4KiB.bin"
    # What the first requests need once is not the cost of a connection.
    load.wrk(url(server, path), 64, 1)
    before = server.memory("VmRSS")
    process = load.generator("downloads.py", "hold", server.port, path, IDLE)
    try:
        deadline = time.monotonic() + load.GRACE
        if not load.line_before(process, deadline, "idle"):
            raise load.LoadError(f"{IDLE} connections cannot be held: {process.stdout.read()}")
        time.sleep(settings.seconds)
        growth = server.memory("VmRSS") - before
        said, _ = process.communicate(timeout=load.GRACE)
        if said.strip() != "alive":
            raise load.LoadError(f"idle connections did not survive: {said}")
        return None, growth / IDLE
    finally:
        load.stop(process)


def beside_cold(server, subject, settings):
    hot = url(server, f"{subject.folder}/4KiB.bin")
    file = settings.work / "files" / "data" / "4GiB.bin"

    def latency():
        """The 99th percentile below saturation."""
        return load.wrk(hot, 64, settings.seconds, script="paced.lua")[2]

    def beside(*reader):
        """The same while the cold file is read, and the gigabytes a second that come from the disk meanwhile."""
        process = load.generator("downloads.py", *reader)
        try:
            if not load.line_before(process, time.monotonic() + load.GRACE, "begun"):
                raise load.LoadError(f"the cold file cannot be read: {process.stdout.read()}")
            before, started = files.read_from_disks(), time.monotonic()
            slowest = latency()
            read = (files.read_from_disks() - before) / GB / (time.monotonic() - started)
            if process.poll() is not None:
                raise load.LoadError(f"the cold file cannot be read: {process.stdout.read()}")
        finally:
            load.stop(process)
        if read < 0.05:
            raise load.LoadError(f"the file was not cold; set TMPDIR to a folder on a disk, {settings.work} is none")
        return slowest, read

    first = latency()
    slowest, read = beside("cold", server.port, f"{subject.folder}/4GiB.bin", file)
    floor, _ = beside("read", file)
    alone = (first + latency()) / 2
    return None, alone, slowest, slowest / alone, floor, read


def storm(server, subject, _settings):
    paths = [f"{subject.folder}/{name}" for name in ("kernel.bin", "initrd.bin")]
    said = load.storm(server.port, MACHINES, paths)
    for problem in said["problems"]:
        load.warn(f"{subject.name}: {problem}")
    amount, mean, last = said["bytes"] / GB, said["mean"], said["last"]
    return amount, last / mean, said["errors"], mean, last, amount / last, said["refusals"], said["silence"]


def sealed_file(server, subject, settings):
    certificate, _ = servers.certified(settings.work)
    count, seconds, negotiated = load.sealed(server.port, f"{subject.folder}/1GiB.bin", 8, settings.seconds, certificate)
    if negotiated != SEAL:
        raise load.LoadError(f"{subject.name} negotiated {negotiated} instead of {SEAL}")
    return count / GB, count / GB / seconds
