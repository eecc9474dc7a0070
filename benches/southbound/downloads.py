"""Load that wrk cannot make: whole large files, and connections that idle.

The kernel discards what arrives (MSG_TRUNC), so that the client costs the server little of the processors that they share.

    downloads.py fetch PORT PATH CLIENTS   each client downloads PATH once, all at the same time; prints bytes and seconds
    downloads.py hold PORT PATH CLIENTS    each client requests PATH and then idles; prints "idle"; at the end of standard
                                           input every tenth client asks again on its connection; prints "alive"
"""

import select
import socket
import sys
import time

# Linux: the port of a bound address is chosen when connecting, so that many addresses do not use ports up.
IP_BIND_ADDRESS_NO_PORT = 24

# Where discarded bytes would go; never touched, so it costs address space only.
DISCARD = bytearray(4 << 20)

# No byte for this long is a failure, in seconds.
SILENCE = 30


class Client:
    """One client with an address of its own, like machines in a rack."""

    def __init__(self, number, port, path):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.bind((f"127.1.{number // 250}.{number % 250 + 1}", 0))
        self.socket.settimeout(SILENCE)
        self.port = port
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self.head = b""
        self.missing = None

    def ask(self):
        """Sends the request. A new connection's buffer always has room for it."""
        self.head, self.missing = b"", None
        self.socket.sendall(self.request)

    def take(self):
        """Receives what there is, once. Returns the count of body bytes."""
        if self.missing is None:
            return self.take_head()
        count = self.socket.recv_into(DISCARD, min(self.missing, len(DISCARD)), socket.MSG_TRUNC)
        if count == 0:
            sys.exit(f"the server closed a connection {self.missing} bytes early")
        self.missing -= count
        return count

    def take_head(self):
        received = self.socket.recv(4096)
        if not received:
            sys.exit("the server closed a connection before it answered")
        self.head += received
        head, end, body = self.head.partition(b"\r\n\r\n")
        if not end:
            return 0
        lines = head.decode("latin-1").lower().split("\r\n")
        if lines[0].split()[1] != "200":
            sys.exit(f"the server answered {lines[0]}")
        fields = dict(line.split(":", 1) for line in lines[1:])
        self.missing = int(fields["content-length"]) - len(body)
        return len(body)


def fetch(port, path, count):
    """All clients download at once."""
    clients = {}
    received = 0
    started = time.monotonic()
    with select.epoll() as poll:
        for number in range(count):
            client = Client(number, port, path)
            client.socket.connect(("127.0.0.1", port))
            client.ask()
            clients[client.socket.fileno()] = client
            poll.register(client.socket, select.EPOLLIN)
        while clients:
            events = poll.poll(SILENCE)
            if not events:
                sys.exit(f"nothing arrived for {SILENCE} seconds")
            for descriptor, _ in events:
                client = clients[descriptor]
                received += client.take()
                if client.missing == 0:
                    poll.unregister(descriptor)
                    client.socket.close()
                    del clients[descriptor]
    print(received, time.monotonic() - started)


def hold(port, path, count):
    """Clients connect one after the other, ask once and stay."""
    clients = [Client(number, port, path) for number in range(count)]
    for client in clients:
        client.socket.connect(("127.0.0.1", port))
        answer(client)
    print("idle", flush=True)
    sys.stdin.read()
    for client in clients[::10]:
        answer(client)
    print("alive")


def answer(client):
    """One request and its whole answer."""
    client.ask()
    while client.missing != 0:
        client.take()


if __name__ == "__main__":
    mode, port, path, count = sys.argv[1:]
    {"fetch": fetch, "hold": hold}[mode](int(port), path, int(count))
