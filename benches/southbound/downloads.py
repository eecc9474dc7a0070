"""Load that wrk cannot make: whole large files, and connections that idle.

    downloads.py fetch PORT PATH CLIENTS SECONDS   each client downloads PATH, all at the same time, again and again until the
                                                   seconds are over, but at least once; prints bytes and seconds
    downloads.py cold PORT PATH FILE               downloads PATH again and again, each time after FILE, which it is, was dropped
                                                   from the page cache; never ends; prints "begun" at the first byte
    downloads.py read FILE                         the same without a server: reads FILE itself
    downloads.py hold PORT PATH CLIENTS            each client requests PATH and then idles; prints "idle"; at the end of standard
                                                   input every tenth client asks again on its connection; prints "alive"
"""

import select
import sys
import time

import client
import files


def fetch(port, path, count, seconds):
    """All clients download at once."""
    clients = {}
    received = 0
    started = time.monotonic()
    with select.epoll() as poll:
        for number in range(int(count)):
            one = client.Client(number, port, lazy=True)
            one.connect()
            one.ask(path)
            clients[one.socket.fileno()] = one
            poll.register(one.socket, select.EPOLLIN)
        while clients:
            events = poll.poll(client.SILENCE)
            if not events:
                sys.exit(f"nothing arrived for {client.SILENCE} seconds")
            for descriptor, _ in events:
                one = clients[descriptor]
                received += one.take()
                if one.missing == 0:
                    if time.monotonic() - started < float(seconds):
                        one.ask(path)
                        continue
                    poll.unregister(descriptor)
                    one.close()
                    del clients[descriptor]
    print(received, time.monotonic() - started)


def cold(port, path, file):
    """One client keeps the server reading from the disk."""
    one = client.Client(0, port, lazy=True)
    one.connect()
    begun = False
    while True:
        files.cool(file)
        one.ask(path)
        while one.missing != 0:
            one.take()
            if not begun:
                print("begun", flush=True)
                begun = True


def read(file):
    """Nobody serves, the disk alone is busy."""
    buffer = bytearray(1 << 20)
    print("begun", flush=True)
    while True:
        files.cool(file)
        with open(file, "rb", buffering=0) as disk:
            while disk.readinto(buffer):
                pass


def hold(port, path, count):
    """Clients connect one after the other, ask once and stay."""
    clients = [client.Client(number, port) for number in range(int(count))]
    for one in clients:
        one.connect()
        one.answer(path)
    print("idle", flush=True)
    sys.stdin.read()
    for one in clients[::10]:
        one.answer(path)
    print("alive")


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    try:
        {"fetch": fetch, "cold": cold, "read": read, "hold": hold}[mode](*rest)
    except (client.Failure, OSError) as problem:
        sys.exit(str(problem))
