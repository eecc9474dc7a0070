"""Medians, spread and ratios as Markdown tables."""

import os
import pathlib
import platform
import re
import statistics
import subprocess


def number(value):
    """Three significant digits, or all before the point."""
    if value == int(value) and abs(value) < 100:
        return f"{value:.0f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def spread(values, show=number):
    """Median and range."""
    return f"{show(statistics.median(values))} ({show(min(values))}–{show(max(values))})"


def met(goal, value):
    """Whether a goal such as (">=", 1.5) is reached."""
    relation, bound = goal
    return value >= bound if relation == ">=" else value <= bound


def verdict(goal, value):
    """The goal in words, and whether it is reached."""
    sign = {">=": "≥", "<=": "≤"}[goal[0]]
    return f"{sign} {goal[1]:,g}: {'met' if met(goal, value) else '**missed**'}"


def table(workload, rounds):
    """`rounds` is a list with a dictionary each: subject's name → values in the order of the workload's figures. A ratio is the
    median of the rounds' own ratios, so that the machine's drift between rounds does not count."""
    subjects = workload.subjects
    first, *others = subjects
    head = [workload.key, *(subject.name for subject in subjects)]
    head += [f"ratio to {other.name}" for other in others] + ["goal"]
    rows = []
    for index, figure in enumerate(workload.figures):
        values = {subject.name: [each[subject.name][index] for each in rounds] for subject in subjects}
        ratios = {
            other.name: [
                mine / theirs for mine, theirs in zip(values[first.name], values[other.name]) if mine and theirs
            ]
            for other in others
        }
        goal = ""
        if figure.goal:
            decisive = values[first.name] if figure.absolute else ratios[others[0].name]
            goal = verdict(figure.goal, max(decisive) if figure.always else statistics.median(decisive))
        row = [f"{figure.name}, {figure.unit}", *(spread(values[subject.name]) for subject in subjects)]
        row += [spread(ratios[other.name], "{:.2f}".format) if ratios[other.name] else "–" for other in others] + [goal]
        rows.append(row)
    lines = [head, ["---"] * len(head), *rows]
    return f"\n{workload.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(binary):
    """Where and with what the figures were measured."""
    processor = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    # /sys would show the machine's own loopback instead of this one.
    mtu = re.search(r"mtu (\d+)", version(["ip", "-o", "link", "show", "lo"]))[1]
    return (
        f"{len(os.sched_getaffinity(0))} cores of {processor}, {memory:.0f} GiB, Linux {platform.release()}, loopback with "
        f"packets of {mtu} bytes, load {os.getloadavg()[0]:.2f} at the start; "
        f"{version([binary, '--version'])}, {version(['nginx', '-v'])}, {version(['wrk', '-v'])}"
    )


def version(command):
    """The first line that a program says of itself."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return (done.stdout + done.stderr).strip().splitlines()[0].removeprefix("nginx version: ").partition(" Copyright")[0]
