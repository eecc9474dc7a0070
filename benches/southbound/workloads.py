"""The workloads: what is served, who serves it, which load is put on, and what the figures must be."""

import dataclasses
import typing

import files
import loads
import servers


@dataclasses.dataclass(frozen=True)
class Figure:
    """One line of the table. `goal` bounds the ratio of the first subject to the second one, or its own value if `absolute`; its
    median, or, if `always`, its value in every round."""

    name: str
    unit: str
    goal: typing.Optional[tuple] = None
    absolute: bool = False
    always: bool = False


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is measured: a server, and the folder of it that holds the files."""

    name: str
    server: str
    folder: str = "/data"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The scale of a run: the folder with the files, and how long each timed load lasts, in seconds."""

    work: object
    seconds: int


@dataclasses.dataclass(frozen=True)
class Workload:
    """`load(server, subject, settings)` puts a load on the server: see loads.py."""

    key: str
    title: str
    figures: tuple
    load: typing.Callable
    files: tuple = ()
    subjects: tuple = ()
    # Servers are started anew for each round, because their memory is compared with that of a new process.
    fresh: bool = False
    # Rounds are so long that a quick run has only one, and that none goes before the others that does not count.
    long: bool = False
    # No more rounds than this, or so many times as many.
    rounds: int = 99
    times: int = 1
    # A failure is told, but is not one of the run.
    optional: bool = False
    # What the reader of the table must know.
    note: str = ""

    def measure(self, server, subject, settings):
        """One round: the value of each figure."""
        before = sum(server.cpu())
        amount, first, *others = self.load(server, subject, settings)
        if amount is None:
            return first, *others
        return first, (sum(server.cpu()) - before) * SCALE[self.figures[1].unit] / amount, *others


OURS = Subject("image-service", "ours")
OTHER = Subject("the other program", "ours before")
NGINX = Subject("nginx", "nginx")
REUSEPORT = Subject("nginx reuseport", "reuseport")
NOPUSH_OFF = Subject("nginx, tcp_nopush off", "nopush off")
INSIDE = Subject("inside the ISO", "ours with an image", "/bench/1")
PLAIN = Subject("plain file", "ours with an image")
WITH_RATE = Subject("image-service, transferRate", "ours with a rate")
WITH_QUEUE = Subject("image-service, maxTransfers", "ours with a queue")
UNLIMITED = Subject("nginx, no limits", "nginx")
SEALED = Subject("image-service", "ours sealed")
NGINX_SEALED = Subject("nginx", "nginx sealed")

SERVERS = (OURS, NGINX, REUSEPORT)

RATE, CPU_REQUEST = "req/s", "µs a request"
THROUGHPUT, CPU_GB = "GB/s", "s a GB"

# Seconds of processor time a request or gigabyte, in these units.
SCALE = {CPU_REQUEST: 1e6, CPU_GB: 1}

LIMITS = (
    f"Limits: transferRate {servers.RATE_LIMIT['transferRate'] / loads.GB:g} GB/s, a card of 25 Gbit/s, or "
    f"maxTransfers {servers.QUEUE_LIMIT['maxTransfers']}. The goal is for the rate: machines that share one end together. Those "
    "that are served in groups cannot, whoever serves them: the first group ends early, so that the last one takes up to twice "
    "the mean, and what is lost by waiting for as long as Retry-After says comes on top. A throughput below the rate means that "
    "the limit was not what decided."
)

ALL = (
    Workload(
        "W1",
        "4 KiB file, 64 keep-alive connections",
        (Figure("requests", RATE, (">=", 1.5)), Figure("CPU", CPU_REQUEST, ("<=", 0.6))),
        loads.small_file,
        ("4KiB.bin",),
        SERVERS,
    ),
    Workload(
        "W2",
        "1 GiB file, 8 connections",
        (Figure("throughput", THROUGHPUT, (">=", 1.05)), Figure("CPU", CPU_GB, ("<=", 1.0))),
        loads.large_file,
        ("1GiB.bin",),
        SERVERS,
    ),
    Workload(
        "W3",
        "60 MiB file to 200 clients at once",
        (
            Figure("wall", "s", ("<=", 1.0)),
            Figure("CPU", CPU_GB, ("<=", 1.0)),
            Figure("peak anonymous memory", "MiB", ("<=", 0.25)),
        ),
        loads.crowd,
        ("60MiB.bin",),
        SERVERS,
    ),
    Workload(
        "W4",
        "random 64 KiB ranges of a 4 GiB file, 64 connections",
        (Figure("requests", RATE, (">=", 1.5)), Figure("CPU", CPU_REQUEST, ("<=", 0.8))),
        loads.ranges,
        ("4GiB.bin",),
        (*SERVERS, NOPUSH_OFF),
        note="With packets of 65,536 bytes and tcp_nopush nginx sends one full packet and holds back the small rest until the "
        "client's delayed acknowledgement, 40 ms later: compare with tcp_nopush off, or with MTU=1500.",
    ),
    Workload(
        "W5",
        "listing of 1,000 entries, 64 connections",
        (Figure("requests", RATE, (">=", 3.0)), Figure("CPU", CPU_REQUEST)),
        loads.listing,
        (),
        SERVERS,
    ),
    Workload(
        "W6",
        f"{loads.IDLE:,} idle keep-alive connections",
        (Figure("growth of resident memory", "bytes each", ("<=", 1024), absolute=True),),
        loads.idle,
        ("4KiB.bin",),
        (OURS, NGINX),
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
            Figure("p99 while another program reads it", "ms"),
            Figure("read from disk meanwhile", THROUGHPUT),
        ),
        loads.beside_cold,
        ("4KiB.bin", "4GiB.bin"),
        (OURS, NGINX),
        note="The other program takes no part in serving: what it does to the 99th percentile is the disk's and the processors' "
        "doing.",
    ),
    Workload(
        "W9",
        f"boot storm: {loads.MACHINES:,} machines fetch a kernel of 8 MiB and then an initrd of 12 MiB, every other one by iPXE",
        (
            Figure("last completion : mean", "times", ("<=", 1.3), absolute=True),
            Figure("CPU", CPU_GB),
            Figure("errors", "machines", ("<=", 0), absolute=True, always=True),
            Figure("mean completion", "s"),
            Figure("last completion", "s"),
            Figure("throughput", THROUGHPUT),
            Figure("503 obeyed", "answers"),
            Figure("longest silence", "s"),
        ),
        loads.storm,
        ("kernel.bin", "initrd.bin"),
        (WITH_RATE, UNLIMITED, WITH_QUEUE),
        long=True,
        note=LIMITS,
    ),
    Workload(
        "W10",
        f"HTTPS ({loads.SEAL}): 1 GiB file, 8 connections",
        (Figure("throughput", THROUGHPUT, (">=", 1.0)), Figure("CPU", CPU_GB)),
        loads.sealed_file,
        ("1GiB.bin",),
        (SEALED, NGINX_SEALED),
    ),
)

# A file inside an ISO must be as fast as a plain one: ratios within 2 %.
NEAR = {RATE: (">=", 0.98), THROUGHPUT: (">=", 0.98), CPU_REQUEST: ("<=", 1.02), CPU_GB: ("<=", 1.02), "s": ("<=", 1.02)}
NEAR["MiB"] = ("<=", 1.02)

# So small a difference hides in the noise of a few rounds.
TIMES_FOR_NEAR = 2

# Workloads that other servers can do as well.
FOR_PEERS = ("W1", "W2", "W3", "W4", "W5")

# The others are slow and nothing is decided by them.
ROUNDS_OF_PEERS = 2


def against(workload):
    """The workload with another image-service in place of all other servers."""
    figures = tuple(dataclasses.replace(figure, goal=None) for figure in workload.figures)
    return dataclasses.replace(workload, figures=figures, subjects=(OURS, OTHER), note="")


def parts(workload, peers):
    """The tables of a workload, each a workload itself. `peers` are the names of other servers that are here."""
    if workload.key == "W7":
        return [
            dataclasses.replace(
                other,
                key=f"W7/{other.key}",
                figures=tuple(dataclasses.replace(figure, goal=NEAR[figure.unit]) for figure in other.figures),
                subjects=(INSIDE, PLAIN),
                times=TIMES_FOR_NEAR,
                note="",
            )
            for other in ALL
            if other.key in ("W2", "W3", "W4")
        ]
    if workload.key not in FOR_PEERS or not peers:
        return [workload]
    beside = dataclasses.replace(
        workload,
        key=f"{workload.key} peers",
        figures=tuple(dataclasses.replace(figure, goal=None) for figure in workload.figures),
        subjects=(OURS, *(Subject(name, name) for name in peers)),
        rounds=ROUNDS_OF_PEERS,
        # These take several times as long as we do.
        long=workload.key == "W3",
        optional=True,
        note="",
    )
    return [workload, beside]
