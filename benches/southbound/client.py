"""One HTTP client. The kernel discards the bodies that arrive (MSG_TRUNC), so that the client costs the server little of the
processors that they share."""

import socket

# Linux: the port of a bound address is chosen when connecting, so that many addresses do not use ports up.
IP_BIND_ADDRESS_NO_PORT = 24

# Where discarded bytes would go; never touched, so it costs address space only.
DISCARD = bytearray(4 << 20)

# As long as more are missing, so many bytes must have come before a lazy client wakes up. Waking for each packet would cost as
# much as the server's work, on the same processors: the client would be what is measured.
WAKE = 1 << 20

# No byte for this long is a failure, in seconds.
SILENCE = 30


class Failure(Exception):
    """A server did not answer as it should."""


class Client:
    """A client with an address of its own, like a machine in a rack, and one connection at a time."""

    def __init__(self, number, port, agent=None, lazy=False):
        self.address = f"127.1.{number // 250}.{number % 250 + 1}"
        self.port = int(port)
        self.agent = f"User-Agent: {agent}\r\n" if agent else ""
        self.lazy = lazy
        self.dozing = False
        self.socket = None
        self.head = b""
        self.missing = None

    def connect(self, wait=True):
        """Opens a connection, instead of the last one if there was one. If it is not to `wait`, the caller asks when the
        connection can be written to."""
        self.close()
        self.dozing = False
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.bind((self.address, 0))
        self.socket.settimeout(SILENCE)
        if wait:
            self.socket.connect(("127.0.0.1", self.port))
        else:
            self.socket.setblocking(False)
            self.socket.connect_ex(("127.0.0.1", self.port))

    def ask(self, path):
        """Sends a request. There is always room for it: nothing else waits to be sent."""
        self.head, self.missing = b"", None
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{self.agent}\r\n".encode())

    def take(self):
        """Receives what there is, once. Returns the count of body bytes; the answer is whole when none are `missing`."""
        if self.missing is None:
            return self.take_head()
        count = self.socket.recv_into(DISCARD, min(self.missing, len(DISCARD)), socket.MSG_TRUNC)
        if count == 0:
            raise Failure(f"the server closed a connection {self.missing} bytes early")
        self.missing -= count
        self.doze()
        return count

    def take_head(self):
        received = self.socket.recv(4096)
        if not received:
            raise Failure("the server closed a connection before it answered")
        self.head += received
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not end:
            return 0
        lines = head.decode("latin-1").lower().split("\r\n")
        fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.judge(lines[0], fields)
        if "content-length" not in fields:
            raise Failure("the server does not say how long its answer is")
        self.missing = int(fields["content-length"]) - len(body)
        self.doze()
        return len(body)

    def doze(self):
        """Tells the kernel for how many bytes it is worth waking a lazy client."""
        dozing = self.lazy and self.missing > 2 * WAKE
        if dozing != self.dozing:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, WAKE if dozing else 1)
            self.dozing = dozing

    def judge(self, status, fields):
        """Refuses what is not the answer that was asked for."""
        del fields
        if status.split()[1] != "200":
            raise Failure(f"the server answered {status}")

    def answer(self, path):
        """One request and its whole answer."""
        self.ask(path)
        while self.missing != 0:
            self.take()

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None
