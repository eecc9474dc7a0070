"""Starts and stops the servers, and reads from /proc what their processes cost."""

import json
import os
import pathlib
import pwd
import resource
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
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
        """Processor seconds used so far, in user and kernel mode, by all threads of all processes."""
        ticks = 0
        for process in self.processes():
            # The name may hold spaces; utime and stime are the 12th and 13th field after it.
            fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

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


def ours(binary, work):
    """Our release binary, with logging off, serving `files` and, if there is one, the ISO as image `bench`, version `1`."""
    folder = work / "image-service"
    folder.mkdir(exist_ok=True)
    northbound, southbound = free_port(), free_port()
    config = {
        "httpEndpoints": [
            {"address": "127.0.0.1", "port": northbound, "routers": "northbound"},
            {"address": "127.0.0.1", "port": southbound, "routers": "southbound"},
        ],
        "httpFileServiceRootDir": str(work / "files"),
        "isoDir": str(folder / "iso"),
        "microkernelDir": str(folder / "common"),
        "inventoryFile": str(folder / "inventory.json"),
        "minLogLevel": 5,
        # A benchmark does not wait for its own clients.
        "shutdownTimeout": 100,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    server = Server([binary, "--config", "config.json"], folder, southbound)
    try:
        iso = work / "image.iso"
        images = f"http://127.0.0.1:{northbound}/images"
        registered = json.load(urllib.request.urlopen(images, timeout=PATIENCE))
        if iso.exists() and not registered:
            query = f"?name=bench&version=1&isolocal={iso}"
            urllib.request.urlopen(urllib.request.Request(images + query, method="PUT"), timeout=PATIENCE).close()
        deadline = time.monotonic() + PATIENCE
        while iso.exists() and json.load(urllib.request.urlopen(images, timeout=PATIENCE))[0]["status"] != "OK":
            if time.monotonic() > deadline:
                raise ServerError("the image does not become ready")
            time.sleep(0.05)
    except BaseException as problem:
        server.stop()
        if isinstance(problem, urllib.error.HTTPError):
            raise ServerError(f"image-service refused the ISO: {problem.read().decode(errors='replace')}") from problem
        raise
    return server


def nginx(work, reuseport):
    """nginx with the reference configuration. With `reuseport` each worker has a listening socket of its own."""
    folder = work / ("nginx-reuseport" if reuseport else "nginx")
    (folder / "temp").mkdir(parents=True, exist_ok=True)
    port = free_port()
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    words = {
        "USER": pwd.getpwuid(os.geteuid()).pw_name,
        "DESCRIPTORS": descriptors,
        "CONNECTIONS": min(descriptors - 1000, 16384),
        "PORT": port,
        "ROOT": work / "files",
        "REUSEPORT": " reuseport" if reuseport else "",
    }
    text = (HERE / "nginx.conf").read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    (folder / "nginx.conf").write_text(text)
    return Server(["nginx", "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"], folder, port)


def free_port():
    """A port of 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port):
    """Whether something listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
