"""A client of NATS JetStream, over its text protocol: nats.py victim|survivor PORT EXPIRY-MS POLL-MS [ITEM]

Buckets are what the client libraries call so: streams with one message a subject."""

import json
import select
import sys

from client import Reader, again_and_again, claimed, connect, now, ready

PODS = "$KV.pods."
ITEMS = "$KV.items."
NOT_FOUND = "NATS/1.0 404"


class Nats:
    """One connection; what comes for the pods' subject is kept in `lives`: by item, its sequence."""

    def __init__(self, port):
        self.socket = connect(port)
        self.lines = Reader(self.socket)
        self.requests = 0
        self.lives = {}
        self.write(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB _INBOX.bench.* 1\r\nPING\r\n')
        while self.lines.readline() != b"PONG\r\n":
            pass

    def write(self, data):
        self.socket.sendall(data)

    def ask(self, subject, body, headers=""):
        """The answer's headers and its body."""
        self.requests += 1
        # Inboxes of two connections must not be one.
        inbox = f"_INBOX.bench.{self.socket.getsockname()[1]}-{self.requests}"
        head = f"NATS/1.0\r\n{headers}\r\n\r\n".encode() if headers else b""
        sizes = f"{len(head)} {len(head) + len(body)}" if headers else f"{len(body)}"
        verb = "HPUB" if headers else "PUB"
        self.write(f"{verb} {subject} {inbox} {sizes}\r\n".encode() + head + body.encode() + b"\r\n")
        while True:
            to, answer_head, answer = self.read()
            if to == inbox:
                return answer_head, answer

    def ask_json(self, subject, body, headers=""):
        head, answer = self.ask(subject, body, headers)
        answer = json.loads(answer) if answer else {"error": head}
        if "error" in answer:
            sys.exit(f"{subject}: {answer['error']}")
        return answer

    def read(self):
        """What comes next: its subject, its headers and its body, all empty when it is no message."""
        words = self.lines.readline().decode().split()
        if not words or words[0] == "-ERR":
            sys.exit(f"the server says: {words}")
        if words[0] == "PING":
            self.write(b"PONG\r\n")
        if words[0] not in ("MSG", "HMSG"):
            return "", "", ""
        data = self.lines.read(int(words[-1]) + 2)[:-2]
        head = int(words[-2]) if words[0] == "HMSG" else 0
        if words[1].startswith(PODS):
            self.lives[words[1].removeprefix(PODS)] = data[head:].decode()
        return words[1], data[:head].decode(), data[head:].decode()

    def make_bucket(self, name, expiry_ms):
        self.ask_json(
            f"$JS.API.STREAM.CREATE.KV_{name}",
            json.dumps({
                "name": f"KV_{name}", "subjects": [f"$KV.{name}.>"], "storage": "file", "max_msgs_per_subject": 1,
                "max_age": expiry_ms * 1_000_000, "duplicate_window": (expiry_ms or 120_000) * 1_000_000,
                "discard": "new", "allow_rollup_hdrs": True, "deny_delete": True, "allow_direct": True,
            }),
        )  # fmt: skip


def be_victim(nats, expiry, item):
    sequence = nats.ask_json(ITEMS + item, "victim")["seq"]

    def give_proof_of_life():
        nats.ask_json(PODS + item, str(sequence))

    give_proof_of_life()
    ready()
    again_and_again(expiry / 3000, give_proof_of_life)


def take_over(nats, item):
    noticed = now()
    nats.ask_json(ITEMS + item, "survivor", f"Nats-Expected-Last-Subject-Sequence: {nats.lives[item]}")
    claimed(item, noticed)
    del nats.lives[item]


def be_survivor(watcher, nats, expiry, poll):
    nats.make_bucket("items", 0)
    nats.make_bucket("pods", expiry)
    watcher.write(f"SUB {PODS}> 2\r\nPING\r\n".encode())
    while watcher.lines.readline() != b"PONG\r\n":
        pass
    nats.lives = watcher.lives
    ready()
    while True:
        while watcher.lines.waiting or select.select([watcher.socket], [], [], poll / 1000)[0]:
            watcher.read()
        for item in list(nats.lives):
            head, _ = nats.ask(f"$JS.API.DIRECT.GET.KV_pods.{PODS}{item}", "")
            if head.startswith(NOT_FOUND):
                take_over(nats, item)


def main():
    role, port, expiry, poll = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if role == "victim":
        be_victim(Nats(port), expiry, sys.argv[5])
    else:
        be_survivor(Nats(port), Nats(port), expiry, poll)


main()
