"""The workloads: what is asked of a server in one round, and the figures that come out."""

import dataclasses
import time
import typing

import files
import load

GB = 1e9


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table. `goal` bounds the ratio of the first subject to the second one, or its own value if `absolute`."""

    name: str
    unit: str
    goal: typing.Optional[tuple] = None
    absolute: bool = False


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured: a server, and the folder of it that holds the files."""

    name: str
    server: str
    folder: str = "/data"


@dataclasses.dataclass(frozen=True)
class Workload:
    """`measure(server, subject, settings)` is one round for one subject and returns the value of each figure."""

    key: str
    title: str
    figures: tuple
    measure: typing.Callable
    files: tuple = ()
    # Servers are started anew for each round, because their memory is compared with that of a new process.
    fresh: bool = False


@dataclasses.dataclass(frozen=True)
class Settings:
    """The scale of a run: the folder with the files, and how long each timed load lasts, in seconds."""

    work: object
    seconds: int


OURS = Subject("image-service", "ours")
NGINX = Subject("nginx", "nginx")
REUSEPORT = Subject("nginx reuseport", "reuseport")
INSIDE = Subject("inside the ISO", "ours", "/bench/1")
PLAIN = Subject("plain file", "ours")

PEERS = (OURS, NGINX, REUSEPORT)


def requests(server, path, connections, settings, **options):
    """A timed load of wrk: requests a second, and processor microseconds of the server a request."""
    before = server.cpu()
    count, rate, _ = load.wrk(f"http://127.0.0.1:{server.port}{path}", connections, settings.seconds, **options)
    return rate, (server.cpu() - before) * 1e6 / count


def small_file(server, subject, settings):
    return requests(server, f"{subject.folder}/4KiB.bin", 64, settings)


def large_file(server, subject, _settings):
    before = server.cpu()
    count, seconds = load.fetch(server.port, f"{subject.folder}/1GiB.bin", 8)
    return count / GB / seconds, (server.cpu() - before) * GB / count


def crowd(server, subject, _settings):
    peak = 0

    def watch():
        nonlocal peak
        peak = max(peak, server.memory("RssAnon"))

    before = server.cpu()
    count, seconds = load.fetch(server.port, f"{subject.folder}/60MiB.bin", 200, watch)
    return seconds, (server.cpu() - before) * GB / count, peak / files.MIB


def ranges(server, subject, settings):
    sizes = (files.SIZES["4GiB.bin"], 64 * files.KIB)
    return requests(server, f"{subject.folder}/4GiB.bin", 64, settings, script="ranges.lua", arguments=sizes)


def listing(server, _subject, settings):
    return requests(server, "/listing/", 64, settings)


def idle(server, subject, settings):
    path = f"{subject.folder}/4KiB.bin"
    # What the first requests need once is not the cost of a connection.
    load.wrk(f"http://127.0.0.1:{server.port}{path}", 64, 1)
    before = server.memory("VmRSS")
    process = load.downloads("hold", server.port, path, IDLE)
    try:
        deadline = time.monotonic() + load.GRACE
        if not load.line_before(process, deadline, "idle"):
            raise load.LoadError(f"{IDLE} connections cannot be held: {process.stdout.read()}")
        time.sleep(settings.seconds)
        growth = server.memory("VmRSS") - before
        said, _ = process.communicate(timeout=load.GRACE)
        if said.strip() != "alive":
            raise load.LoadError(f"idle connections did not survive: {said}")
        return (growth / IDLE,)
    finally:
        load.stop(process)


def beside_cold(server, subject, settings):
    url = f"http://127.0.0.1:{server.port}{subject.folder}/4KiB.bin"
    _, _, alone = load.wrk(url, 64, settings.seconds, script="paced.lua")
    files.cool(settings.work / "files" / "data" / "4GiB.bin")
    before, started = files.read_from_disks(), time.monotonic()
    process = load.downloads("fetch", server.port, f"{subject.folder}/4GiB.bin", 1)
    try:
        _, _, beside = load.wrk(url, 64, settings.seconds, script="paced.lua")
        read = (files.read_from_disks() - before) / GB / (time.monotonic() - started)
    finally:
        load.stop(process)
    if read < 0.05:
        raise load.LoadError(f"the file was not cold; set TMPDIR to a folder on a disk, {settings.work} is none")
    return alone, beside, beside / alone, read


IDLE = 10_000

RATE, CPU_REQUEST = "req/s", "µs a request"
THROUGHPUT, CPU_GB = "GB/s", "s a GB"

ALL = (
    Workload(
        "W1",
        "4 KiB file, 64 keep-alive connections",
        (Figure("requests", RATE, (">=", 1.5)), Figure("CPU", CPU_REQUEST, ("<=", 0.6))),
        small_file,
        ("4KiB.bin",),
    ),
    Workload(
        "W2",
        "1 GiB file, 8 connections",
        (Figure("throughput", THROUGHPUT, (">=", 1.05)), Figure("CPU", CPU_GB, ("<=", 1.0))),
        large_file,
        ("1GiB.bin",),
    ),
    Workload(
        "W3",
        "60 MiB file to 200 clients at once",
        (
            Figure("wall", "s", ("<=", 1.0)),
            Figure("CPU", CPU_GB, ("<=", 1.0)),
            Figure("peak anonymous memory", "MiB", ("<=", 0.25)),
        ),
        crowd,
        ("60MiB.bin",),
    ),
    Workload(
        "W4",
        "random 64 KiB ranges of a 4 GiB file, 64 connections",
        (Figure("requests", RATE, (">=", 1.5)), Figure("CPU", CPU_REQUEST, ("<=", 0.8))),
        ranges,
        ("4GiB.bin",),
    ),
    Workload(
        "W5",
        "listing of 1,000 entries, 64 connections",
        (Figure("requests", RATE, (">=", 3.0)), Figure("CPU", CPU_REQUEST)),
        listing,
    ),
    Workload(
        "W6",
        f"{IDLE:,} idle keep-alive connections",
        (Figure("growth of resident memory", "bytes each", ("<=", 1024), absolute=True),),
        idle,
        ("4KiB.bin",),
        fresh=True,
    ),
    Workload("W7", "W2, W3 and W4 on files inside an ISO", (), None, files.IN_ISO),
    Workload(
        "W8",
        "hot 4 KiB file, 64 paced connections, while another client reads a cold 4 GiB file",
        (
            Figure("p99 alone", "ms"),
            Figure("p99 beside the cold file", "ms"),
            Figure("beside : alone", "times", ("<=", 2.0), absolute=True),
            Figure("read from disk meanwhile", THROUGHPUT),
        ),
        beside_cold,
        ("4KiB.bin", "4GiB.bin"),
    ),
)

MISSING = {
    "W9": "boot storm with limits set: not measured, the program has no rate limits yet",
    "W10": "HTTPS: not measured, the program does not offer HTTPS southbound yet",
}

# A file inside an ISO must be as fast as a plain one: ratios within 2 %.
NEAR = {RATE: (">=", 0.98), THROUGHPUT: (">=", 0.98), CPU_REQUEST: ("<=", 1.02), CPU_GB: ("<=", 1.02), "s": ("<=", 1.02)}
NEAR["MiB"] = ("<=", 1.02)


def parts(workload):
    """The tables of a workload: each a workload and its subjects."""
    if workload.key != "W7":
        return [(workload, PEERS)]
    inner = [other for other in ALL if other.key in ("W2", "W3", "W4")]
    return [
        (
            dataclasses.replace(
                other,
                key=f"W7/{other.key}",
                figures=tuple(dataclasses.replace(figure, goal=NEAR[figure.unit]) for figure in other.figures),
            ),
            (INSIDE, PLAIN),
        )
        for other in inner
    ]
