"""Who has used the processors: the benchmark, or somebody else. Figures from a busy machine mean little."""

import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


class Snapshot:
    """Processor seconds since the machine started: of all, those stolen by the machine's host, and those of this process and of
    the children that it has waited for, which are all generators and servers once a workload is over."""

    def __init__(self):
        fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        user, nice, system, idle, waiting, interrupts, soft, stolen = fields
        self.busy = (user + nice + system + interrupts + soft) / TICKS
        self.stolen = stolen / TICKS
        self.all = sum((user, nice, system, idle, waiting, interrupts, soft, stolen)) / TICKS
        self.ours = sum(os.times()[:4])


def since(before):
    """One sentence."""
    now = Snapshot()
    whole = max(now.all - before.all, 1e-9)
    ours, stolen = (now.ours - before.ours) / whole, (now.stolen - before.stolen) / whole
    others = max((now.busy - before.busy) / whole - ours, 0)
    noise = " **The machine was busy with other things; these figures mean little.**" if others + stolen > 0.1 else ""
    shares = f"{ours:.0%} for the benchmark, {others:.0%} for others and the kernel's threads, {stolen:.0%} stolen"
    return f"Processors: {shares}.{noise}"
