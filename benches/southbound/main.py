"""Compares image-service with nginx; started by the script `bench`, which has installed and built what is needed."""

import argparse
import contextlib
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import time
import urllib.request

import files
import floor
import load
import process
import processors
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
    except (load.LoadError, process.ServerError, files.SpaceError, OSError, subprocess.SubprocessError) as problem:
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
    parser.add_argument("--quick", action="store_true", help="two short rounds, and nothing settles before them")
    parser.add_argument("--floor", action="store_true", help="what a request costs in the kernel, instead of the comparison")
    parser.add_argument("--against", help="another image-service, in place of all other servers")
    parser.add_argument("--no-peers", action="store_true", help="leave other servers out")
    parser.add_argument("workloads", nargs="+")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 2
    return options


def measure(options, chosen):
    """Prepares the files, runs the workloads, prints a table after each."""
    say(
        f"{report.machine(options.binary)}; minLogLevel 5 (no logs); {options.rounds} interleaved rounds; "
        "median (lowest–highest); a ratio is the median of the rounds' ratios"
        + ("; **quick: whether it works, not how fast it is**" if options.quick else "")
    )
    started = time.monotonic()
    peers = [] if options.no_peers or options.floor or options.against else servers.installed_peers()
    parts = [part for workload in chosen for part in workloads.parts(workload, peers)]
    if options.floor:
        parts = [part for part in parts if part.key in floor.WORKLOADS]
    if options.against:
        parts = [workloads.against(part) for part in parts if workloads.OURS in part.subjects]
    names = {name for part in parts for name in part.files}
    files.prepare(options.work, names, iso=any(workloads.INSIDE in part.subjects for part in parts))
    compare_bytes(options, parts)
    progress(f"files written and compared in {time.monotonic() - started:.0f} s")
    settings = workloads.Settings(options.work, 1 if options.quick else 2)
    failed = []
    for part in parts:
        begun, busy = time.monotonic(), processors.Snapshot()
        warm(part, settings)
        try:
            if options.floor:
                say(floor.table(part, options, settings, start))
            else:
                say(report.table(part, rounds(part, options, settings)))
        except servers.Refused as refusal:
            say(f"\n{part.key} is not measured, because the program refuses a setting: {refusal}")
            continue
        except (load.LoadError, process.ServerError) as problem:
            # The others are worth measuring all the same.
            say(f"\n**{part.key} FAILED**: {str(problem).strip()}")
            if not part.optional:
                failed.append(part.key)
            continue
        say("\n" + " ".join(filter(None, (part.note, processors.since(busy)))))
        progress(f"{part.key} took {time.monotonic() - begun:.0f} s")
    if not options.no_peers and not options.floor and not options.against and len(peers) < len(servers.PEERS):
        say(f"\nNot beside it, because not installed: {', '.join(sorted(set(servers.PEERS) - set(peers)))}.")
    say(f"\nThe whole run took {time.monotonic() - started:.0f} s.")
    if failed:
        sys.exit(f"bench: FAILED: {', '.join(failed)}")


def warm(part, settings):
    """Brings what is served into memory."""
    for name in part.files:
        files.warm(settings.work / "files" / "data" / name)
    if workloads.INSIDE in part.subjects:
        files.warm(settings.work / "image.iso")


def rounds(part, options, settings):
    """All rounds of one workload: in each, every subject once, in an order that moves on from round to round."""
    taken = []
    with contextlib.ExitStack() as stack:
        running = {}
        if not part.fresh:
            for name in dict.fromkeys(subject.server for subject in part.subjects):
                running[name] = start(name, options, stack)
        if not (part.fresh or part.long or options.quick):
            # One round that does not count: caches, connections' buffers and the processor's clock settle.
            for subject in part.subjects:
                part.measure(running[subject.server], subject, settings)
        for index in range(1 if part.long and options.quick else min(options.rounds * part.times, part.rounds)):
            turn = index % len(part.subjects)
            values = {}
            for subject in part.subjects[turn:] + part.subjects[:turn]:
                with contextlib.ExitStack() as once:
                    server = running.get(subject.server) or start(subject.server, options, once)
                    values[subject.name] = part.measure(server, subject, settings)
                time.sleep(0.1)
            taken.append(values)
    return taken


def start(name, options, stack):
    """Starts a server that ends with `stack`."""
    binary = options.against if name == workloads.OTHER.server else options.binary
    server = servers.start(name, binary, options.work)
    stack.callback(server.stop)
    return server


def compare_bytes(options, parts):
    """Speed is worth nothing with wrong bytes: each server's ranges are compared with the files on disk."""
    wanted = {}
    for part in parts:
        for subject in part.subjects:
            wanted.setdefault((subject.server, subject.folder), set()).update(part.files)
    for (name, folder), names in wanted.items():
        with contextlib.ExitStack() as stack:
            try:
                compare_server(start(name, options, stack), name, folder, names, options.work)
            except servers.Refused:
                # Said when the workload's turn comes.
                continue
            except (load.LoadError, OSError) as problem:
                if name not in servers.PEERS:
                    raise
                load.warn(str(problem))


def compare_server(server, name, folder, names, work):
    """The first, the last and other 64 KiB of each file."""
    length = 64 * files.KIB
    scheme, trust = "http", None
    if name in servers.SEALED:
        scheme, trust = "https", ssl.create_default_context(cafile=servers.certified(work)[0])
    for file_name in names:
        size = files.SIZES[file_name]
        for offset in {0, size // 3, max(size - length, 0)}:
            last = min(offset + length, size) - 1
            url = f"{scheme}://127.0.0.1:{server.port}{folder}/{file_name}"
            request = urllib.request.Request(url, headers={"Range": f"bytes={offset}-{last}"})
            with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
                received, status = answer.read(), answer.status
            with open(work / "files" / "data" / file_name, "rb") as file:
                expected = os.pread(file.fileno(), last - offset + 1, offset)
            # A range that is all of a file may be answered as the file.
            if status not in ((206, 200) if len(expected) == size else (206,)) or received != expected:
                raise load.LoadError(f"{name} sends wrong bytes for {file_name} at {offset} ({status})")


def say(text):
    """The result, on standard output."""
    print(text, flush=True)


def progress(text):
    """What is going on, on standard error."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
