"""Downloads by HTTPS.

    sealed.py PORT PATH CLIENTS SECONDS CERTIFICATE   each client downloads PATH, all at the same time, again and again until the
                                                      seconds are over, but at least once; prints bytes, seconds, protocol and
                                                      cipher

The handshake and the head of the answer are OpenSSL's. From then on the kernel discards the sealed records unopened, until the
server closes the connection as it was asked to: deciphering would cost the client about as much as enciphering costs the
server, on the same processors, and would hide the servers' difference. That the bytes are right is compared elsewhere. What is
counted is the length of the body, if no fewer and not many more bytes have come.
"""

import select
import socket
import ssl
import sys
import time

import client

# Head, records' own heads and tags (22 bytes in 16 KiB, or in less if a server sends smaller records), tickets.
OVERHEAD = 1.05


class Sealed(client.Client):
    """One connection, and one request on it."""

    def __init__(self, number, port, context):
        super().__init__(number, port, lazy=True)
        self.context = context
        self.negotiated = None
        self.length = None
        self.arrived = 0

    def fetch(self, path):
        """Asks, and waits for the head of the answer."""
        self.connect()
        self.socket = self.context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.negotiated = f"{self.socket.version()} {self.socket.cipher()[0]}"
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n\r\n".encode())
        self.head, self.missing = b"", None
        while self.missing is None:
            self.arrived = self.take_head()
        self.length = self.missing + self.arrived
        # What OpenSSL has opened beyond the head.
        self.arrived += self.socket.pending()

    def discard(self):
        """Takes what there is, once. Returns false at the end."""
        # The method of a plain socket: OpenSSL reads record by record, so what it has not read is still in the kernel.
        count = socket.socket.recv_into(self.socket, client.DISCARD, len(client.DISCARD), socket.MSG_TRUNC)
        self.arrived += count
        if count == 0 and not self.length <= self.arrived <= self.length * OVERHEAD + 4096:
            raise client.Failure(f"{self.arrived} bytes came instead of {self.length} and what sealing adds")
        return count > 0


def fetch(port, path, count, seconds, certificate):
    """All clients download at once."""
    context = ssl.create_default_context(cafile=certificate)
    # Python has a minimum of its own, and no word for the cipher, which the caller's OPENSSL_CONF chooses.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    clients = {}
    received = 0
    negotiated = set()
    started = time.monotonic()
    with select.epoll() as poll:

        def begin(number):
            one = Sealed(number, port, context)
            one.fetch(path)
            negotiated.add(one.negotiated)
            clients[one.socket.fileno()] = number, one
            poll.register(one.socket, select.EPOLLIN)

        for number in range(count):
            begin(number)
        while clients:
            events = poll.poll(client.SILENCE)
            if not events:
                sys.exit(f"nothing arrived for {client.SILENCE} seconds")
            for descriptor, _ in events:
                number, one = clients[descriptor]
                if one.discard():
                    continue
                received += one.length
                del clients[descriptor]
                poll.unregister(descriptor)
                one.close()
                if time.monotonic() - started < seconds:
                    begin(number)
    print(received, time.monotonic() - started, "; ".join(sorted(negotiated)))


if __name__ == "__main__":
    port, path, count, seconds, certificate = sys.argv[1:]
    try:
        fetch(int(port), path, int(count), float(seconds), certificate)
    except (client.Failure, OSError) as problem:
        sys.exit(str(problem))
