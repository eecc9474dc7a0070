"""A running server, and what its processes cost according to /proc."""

import os
import pathlib
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")

# A server that is not ready, or does not end, within this many seconds has failed.
PATIENCE = 20


class ServerError(Exception):
    """A server did not start or is gone."""


class Server:
    """A running server and the port that clients use."""

    def __init__(self, command, folder, port):
        self.port = port
        self.log = folder / "output.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"{command[0]} did not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.02)

    def processes(self):
        """The server's process and its children."""
        main = self.process.pid
        children = pathlib.Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def cpu(self):
        """Processor seconds used so far in user mode and in kernel mode, by all threads of all processes."""
        user = system = 0
        for process in self.processes():
            # The name may hold spaces; utime and stime are the 12th and 13th field after it.
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            user, system = user + int(fields[11]), system + int(fields[12])
        return user / TICKS, system / TICKS

    def memory(self, field):
        """The sum of a field of /proc/PID/status (`VmRSS`, `RssAnon`) over all processes, in bytes."""
        sum_ = 0
        for process in self.processes():
            for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    sum_ += int(line.split()[1]) * 1024
        return sum_

    def stop(self):
        """Ends the server; open connections are cut."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for process in reversed(self.processes()):
                os.kill(process, signal.SIGKILL)
            self.process.wait()


def free_port():
    """A port of 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    """Whether something listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
