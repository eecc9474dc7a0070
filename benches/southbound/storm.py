"""A boot storm: many machines are switched on at once, and each fetches one file after the other.

    storm.py PORT CLIENTS PATH…    prints what came of it as JSON

Every other machine is iPXE, by its User-Agent: it obeys a 503 by asking again after as many seconds as Retry-After says. The rest
know nothing of that and wait for as long as the server lets them. Each machine has an address of its own.
"""

import collections
import heapq
import json
import select
import socket
import sys
import time

import client

# iPXE gives up after so many seconds without a byte.
SILENCE = 120

# iPXE keeps an idle connection for so many seconds.
POOLED = 10

# Bodies of refusals, which are texts.
LIMIT_OF_REFUSAL = 64 << 10


class Machine(client.Client):
    """Fetches each path in turn."""

    def __init__(self, number, port, paths):
        self.ipxe = number % 2 == 0
        super().__init__(number, port, "iPXE/1.21.1 (g988d2)" if self.ipxe else "Wget/1.21.3")
        self.number = number
        self.paths = collections.deque(paths)
        self.heard = None
        self.longest_silence = 0.0
        self.retry_after = None
        self.closing = False

    def judge(self, status, fields):
        self.retry_after = None
        self.closing = fields.get("connection") == "close"
        if self.ipxe and status.split()[1] == "503":
            # iPXE takes a date for five seconds and a missing field for a failure.
            if not fields.get("retry-after", "").isdigit():
                raise client.Failure(f"the server answered {status} without an integer Retry-After")
            self.retry_after = int(fields["retry-after"])
            if int(fields["content-length"]) > LIMIT_OF_REFUSAL:
                raise client.Failure("the server sent a file with a refusal")
            return
        super().judge(status, fields)

    def hear(self, now):
        """Notes that bytes have come, or that waiting for them begins."""
        if self.heard is not None:
            self.longest_silence = max(self.longest_silence, now - self.heard)
        self.heard = now

    def connected(self):
        """Whether the server has left the connection open."""
        if not self.socket or self.closing:
            return False
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False


class Storm:
    """All machines, and what became of them."""

    def __init__(self, poll, port, count, paths):
        self.poll = poll
        self.machines = [Machine(number, port, paths) for number in range(count)]
        self.by_descriptor = {}
        # When a machine asks again, and its number.
        self.waiting = []
        self.received = 0
        self.refusals = 0
        self.ends = []
        self.problems = collections.Counter()

    def run(self):
        started = time.monotonic()
        for machine in self.machines:
            self.guard(machine, self.begin)
        looked = started
        while self.by_descriptor or self.waiting:
            pause = self.waiting[0][0] - time.monotonic() if self.waiting else 1
            events = self.poll.poll(min(max(pause, 0), 1))
            now = time.monotonic()
            for descriptor, event in events:
                self.guard(self.by_descriptor[descriptor], self.proceed, event, now)
            while self.waiting and self.waiting[0][0] <= now:
                self.guard(self.machines[heapq.heappop(self.waiting)[1]], self.begin)
            if now - looked > 1:
                looked = now
                for machine in list(self.by_descriptor.values()):
                    if now - machine.heard > SILENCE:
                        self.give_up(machine, f"nothing came for {SILENCE} s")
        ends = [end - started for end in self.ends] or [time.monotonic() - started]
        return {
            "bytes": self.received,
            "mean": sum(ends) / len(ends),
            "last": max(ends),
            "refusals": self.refusals,
            "silence": max(machine.longest_silence for machine in self.machines),
            "errors": sum(self.problems.values()),
            "problems": [f"{count} × {problem}" for problem, count in self.problems.most_common(3)],
        }

    def guard(self, machine, act, *arguments):
        """What goes wrong is the end of one machine, not of the storm."""
        try:
            act(machine, *arguments)
        except BlockingIOError:
            # Woken for nothing.
            pass
        except (client.Failure, OSError, LookupError, ValueError) as problem:
            self.give_up(machine, str(problem) or type(problem).__name__)

    def begin(self, machine):
        """A machine asks, on the connection that it has or else on a new one."""
        now = time.monotonic()
        if machine.connected():
            machine.ask(machine.paths[0])
            self.watch(machine, select.EPOLLIN)
        else:
            machine.closing = False
            machine.connect(wait=False)
            self.watch(machine, select.EPOLLOUT)
        # Waiting for one's turn by order of the server is no silence.
        machine.heard = now

    def proceed(self, machine, event, now):
        """The connection is there, or bytes have come."""
        if event & select.EPOLLOUT:
            failure = machine.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failure:
                raise OSError(failure, "the server cannot be reached")
            machine.ask(machine.paths[0])
            self.poll.modify(machine.socket, select.EPOLLIN)
            return
        count = machine.take()
        machine.hear(now)
        if machine.retry_after is None:
            self.received += count
        if machine.missing == 0:
            self.finish(machine, now)

    def finish(self, machine, now):
        """One answer is whole."""
        if machine.retry_after is not None:
            self.refusals += 1
            self.leave(machine)
            if machine.closing or machine.retry_after > POOLED:
                machine.close()
            heapq.heappush(self.waiting, (now + machine.retry_after, machine.number))
            return
        machine.paths.popleft()
        if not machine.paths:
            self.ends.append(now)
            self.leave(machine)
            machine.close()
        elif machine.closing:
            self.leave(machine)
            self.begin(machine)
        else:
            machine.ask(machine.paths[0])

    def give_up(self, machine, problem):
        self.problems[problem] += 1
        self.leave(machine)
        machine.close()

    def watch(self, machine, events):
        self.by_descriptor[machine.socket.fileno()] = machine
        self.poll.register(machine.socket, events)

    def leave(self, machine):
        """Its connection is not watched any more, if it was."""
        if machine.socket and self.by_descriptor.pop(machine.socket.fileno(), None):
            self.poll.unregister(machine.socket)


def main():
    port, count, *paths = sys.argv[1:]
    with select.epoll() as poll:
        print(json.dumps(Storm(poll, int(port), int(count), paths).run()))


if __name__ == "__main__":
    main()
