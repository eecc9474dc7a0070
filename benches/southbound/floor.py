"""What a request, or a gigabyte, costs our server and nginx: processor time in user and in kernel mode, and system calls.

The time in kernel mode is nearly all the network's and the page cache's: whoever sends these bytes by these calls pays it, even
if nothing at all happens in user mode. The client's time is a floor too: client and server share the processors, so that no
server can make a client do more than it does when the server costs nothing. System calls are counted by the kernel's
tracepoints (`perf stat`), in a round of their own, because counting costs time.
"""

import contextlib
import os
import subprocess

import load
import report
import workloads

# Calls that servers make while they serve; the rest is counted together.
CALLS = """
accept4 close epoll_ctl epoll_wait epoll_pwait epoll_pwait2 fcntl fadvise64 futex getdents64 io_uring_enter lseek madvise mmap
munmap newfstat newfstatat openat openat2 pread64 preadv preadv2 read readv recvfrom recvmsg sched_yield sendfile64 sendmsg
sendto setsockopt shutdown splice statx write writev
""".split()

TOTAL = "raw_syscalls:sys_enter"

# Workloads that the processors bound.
WORKLOADS = (*workloads.FOR_PEERS, "W10")


def table(part, options, settings, start):
    """The first two subjects of a workload beside each other."""
    subjects = part.subjects[:2]
    unit = part.figures[1].unit
    costs = {subject: [] for subject in subjects}
    with contextlib.ExitStack() as stack:
        running = {subject: start(subject.server, options, stack) for subject in subjects}
        for index in range(options.rounds + 1):
            for subject in subjects:
                cost = spend(part, running[subject], subject, settings)
                # The first round does not count.
                if index:
                    costs[subject].append(cost)
        calls = {subject: count(part, running[subject], subject, settings) for subject in subjects}
    rows = [
        (f"user mode, {unit}", lambda user, kernel, client: user),
        (f"kernel mode, {unit}", lambda user, kernel, client: kernel),
        ("kernel mode, share", lambda user, kernel, client: kernel / (user + kernel)),
        (f"the client's own, {unit}", lambda user, kernel, client: client),
    ]
    lines = [[f"{part.key} floor", *(subject.name for subject in subjects)], ["---"] * (1 + len(subjects))]
    for name, value in rows:
        lines.append([name, *(report.spread([value(*cost) for cost in costs[subject]]) for subject in subjects)])
    names = sorted(set().union(*calls.values()), key=lambda name: -max(calls[subject].get(name, 0) for subject in subjects))
    for name in names:
        values = [calls[subject].get(name, 0) for subject in subjects]
        if max(values) >= LEAST * max(calls[subject]["all"] for subject in subjects):
            each = unit.partition(" ")[2]
            lines.append([f"system calls: {name}, {each}", *(shown(value) if value else "–" for value in values)])
    return f"\n{part.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


# Calls rarer than this share of all are left out.
LEAST = 0.005


def shown(value):
    """Three significant digits, however small."""
    return report.number(value) if value >= 1 else f"{value:.2g}"


def spend(part, server, subject, settings):
    """Processor time of one round, a request or gigabyte: the server's in user and in kernel mode, and the client's."""

    def used():
        # Only clients are waited for while servers run.
        return *server.cpu(), sum(os.times()[2:4])

    before = used()
    amount, *_ = part.load(server, subject, settings)
    scale = workloads.SCALE[part.figures[1].unit]
    return tuple((now - then) * scale / amount for now, then in zip(used(), before))


def count(part, server, subject, settings):
    """System calls of one round, a request or gigabyte."""
    events = ",".join([TOTAL, *(f"syscalls:sys_enter_{call}" for call in known())])
    processes = ",".join(map(str, server.processes()))
    # perf counts while its command runs; `cat` runs until its input ends.
    command = ["perf", "stat", "-x;", "-e", events, "-p", processes, "--", "cat"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as perf:
        try:
            perf.stdin.write("counting\n")
            perf.stdin.flush()
            if perf.stdout.readline() != "counting\n":
                raise load.LoadError(f"perf cannot count system calls: {perf.stderr.read()}")
            amount, *_ = part.load(server, subject, settings)
            _, said = perf.communicate(timeout=load.GRACE)
        except BaseException:
            perf.kill()
            raise
    counts = {}
    for line in said.splitlines():
        number, _, event, *_ = line.split(";") + ["", ""]
        if number.isdigit() and int(number):
            counts["all" if event == TOTAL else event.removeprefix("syscalls:sys_enter_")] = int(number)
    if "all" not in counts:
        raise load.LoadError(f"perf cannot count system calls: {said}")
    counts["others"] = counts["all"] * 2 - sum(counts.values())
    return {name: number / amount for name, number in counts.items()}


def known():
    """Those of the calls that this kernel has under these names."""
    done = subprocess.run(["perf", "list", "tracepoint"], capture_output=True, text=True, timeout=load.GRACE)
    listed = set(done.stdout.split())
    return [call for call in CALLS if f"syscalls:sys_enter_{call}" in listed]
