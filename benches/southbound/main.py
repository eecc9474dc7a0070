"""Compares image-service with nginx; started by the script `bench`, which has installed and built what is needed."""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

import files
import load
import report
import servers
import workloads


def main():
    options = arguments()
    for number in INTERRUPTIONS:
        signal.signal(number, interrupted)
    chosen = [workload for workload in workloads.ALL if workload.key in options.workloads]
    try:
        measure(options, chosen)
    except (load.LoadError, servers.ServerError, files.SpaceError, OSError, subprocess.SubprocessError) as problem:
        sys.exit(f"bench: FAILED: {problem}")


INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


def interrupted(*_):
    """Unwinds, which ends the servers; a second interruption must not cut that short."""
    for number in INTERRUPTIONS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit("bench: interrupted")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=pathlib.Path, required=True, help="an empty folder, removed by the caller")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True, help="length of a timed load")
    parser.add_argument("workloads", nargs="+")
    return parser.parse_args()


def measure(options, chosen):
    """Prepares the files, runs the workloads, prints a table after each."""
    say(
        f"{report.machine(options.binary)}; minLogLevel 5 (no logs); {options.rounds} interleaved rounds; "
        "median (lowest–highest); a ratio is the median of the rounds' ratios"
    )
    started = time.monotonic()
    names = {name for workload in chosen for name in workload.files}
    iso = any(workload.key == "W7" for workload in chosen)
    if chosen:
        files.prepare(options.work, names, iso)
        compare_bytes(options, names, iso)
        progress(f"files written and compared in {time.monotonic() - started:.0f} s")
    settings = workloads.Settings(options.work, options.seconds)
    for workload in chosen:
        for part, subjects in workloads.parts(workload):
            begun = time.monotonic()
            say(report.table(part, subjects, rounds(part, subjects, options, settings)))
            progress(f"{part.key} took {time.monotonic() - begun:.0f} s")
    for key, reason in workloads.MISSING.items():
        if key in options.workloads:
            say(f"\n{key}, {reason}.")
    say(f"\nThe whole run took {time.monotonic() - started:.0f} s.")


def rounds(workload, subjects, options, settings):
    """All rounds of one workload: in each, every subject once, in an order that moves on from round to round."""
    for name in workload.files:
        files.warm(settings.work / "files" / "data" / name)
    if workloads.INSIDE in subjects:
        files.warm(settings.work / "image.iso")
    taken = []
    with contextlib.ExitStack() as stack:
        running = {}
        if not workload.fresh:
            for name in dict.fromkeys(subject.server for subject in subjects):
                running[name] = start(name, options, stack)
            # One round that does not count: caches, connections' buffers and the processor's clock settle.
            for subject in subjects:
                workload.measure(running[subject.server], subject, settings)
        for index in range(options.rounds):
            turn = index % len(subjects)
            values = {}
            for subject in subjects[turn:] + subjects[:turn]:
                with contextlib.ExitStack() as once:
                    server = running.get(subject.server) or start(subject.server, options, once)
                    values[subject.name] = workload.measure(server, subject, settings)
                time.sleep(0.1)
            taken.append(values)
    return taken


def start(name, options, stack):
    """Starts a server that ends with `stack`."""
    if name == "ours":
        server = servers.ours(options.binary, options.work)
    else:
        server = servers.nginx(options.work, reuseport=name == "reuseport")
    stack.callback(server.stop)
    return server


def compare_bytes(options, names, iso):
    """Speed is worth nothing with wrong bytes: each server's ranges are compared with the files on disk."""
    length = 64 * files.KIB
    with contextlib.ExitStack() as stack:
        subjects = [subject for subject in (*workloads.PEERS, workloads.INSIDE) if iso or subject != workloads.INSIDE]
        running = {name: start(name, options, stack) for name in {subject.server for subject in subjects}}
        for subject in subjects:
            for name in names if subject != workloads.INSIDE else files.IN_ISO:
                size = files.SIZES[name]
                for offset in {0, size // 3, max(size - length, 0)}:
                    last = min(offset + length, size) - 1
                    url = f"http://127.0.0.1:{running[subject.server].port}{subject.folder}/{name}"
                    request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-{last}"})
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        received, status = answer.read(), answer.status
                    with open(options.work / "files" / "data" / name, "rb") as file:
                        expected = os.pread(file.fileno(), last - offset + 1, offset)
                    if status != 206 or received != expected:
                        raise load.LoadError(f"{subject.name} sends wrong bytes for {name} at {offset} ({status})")


def say(text):
    """The result, on standard output."""
    print(text, flush=True)


def progress(text):
    """What is going on, on standard error."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
