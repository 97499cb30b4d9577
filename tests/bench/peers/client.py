"""What the clients of all systems share: a victim and a survivor, in processes of their own, told by the bench what to do.

A victim prints "ready" when it owns its item and has given proof of life, and goes on giving it until it is killed. The
survivor prints "ready" once it waits for deaths, and "claimed ITEM NOTICED CLAIMED" when its claim of a dead one's item is
committed. Times are CLOCK_BOOTTIME in ns, as the bench's own."""

import socket
import sys
import time

START_SECONDS = 25


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def ready():
    print("ready", flush=True)


def claimed(item, noticed):
    print("claimed", item, noticed, now(), flush=True)


def connect(port):
    """A connection to the server, which may still be starting."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(None)
            return connection
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Reader:
    """What comes on a connection. Unlike a file made of it, it tells what has come already and select() does not see."""

    def __init__(self, connection):
        self.connection = connection
        self.waiting = b""

    def fill(self):
        more = self.connection.recv(65536)
        if not more:
            sys.exit("the server has gone")
        self.waiting += more

    def readline(self):
        while b"\n" not in self.waiting:
            self.fill()
        line, _, self.waiting = self.waiting.partition(b"\n")
        return line + b"\n"

    def read(self, size):
        while len(self.waiting) < size:
            self.fill()
        data, self.waiting = self.waiting[:size], self.waiting[size:]
        return data


def again_and_again(seconds, give_proof_of_life):
    """Until the process is killed, by a clock that does not drift."""
    due = time.monotonic()
    while True:
        due += seconds
        time.sleep(max(0, due - time.monotonic()))
        give_proof_of_life()
