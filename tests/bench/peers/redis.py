"""A client of Redis: redis.py victim|survivor PORT EXPIRY-MS POLL-MS [ITEM]"""

import select
import sys

from client import Reader, again_and_again, claimed, connect, now, ready

COMPARE_AND_SET = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[1], ARGV[2]) end"
POD = "pod:"


class Redis:
    """One connection."""

    def __init__(self, port):
        self.socket = connect(port)
        self.answers = Reader(self.socket)

    def ask(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word.encode()))
        self.socket.sendall(b"".join(parts))
        return self.read()

    def read(self):
        line = self.answers.readline()
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            sys.exit(rest)
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == "-1" else self.answers.read(int(rest) + 2)[:-2].decode()
        return rest


def be_victim(redis, expiry, item):
    def give_proof_of_life():
        redis.ask("SET", POD + item, "alive", "PX", str(expiry))

    redis.ask("SET", "item:" + item, "victim")
    give_proof_of_life()
    redis.ask("SADD", "pods", item)
    ready()
    again_and_again(expiry / 3000, give_proof_of_life)


def take_over(redis, item):
    noticed = now()
    # What was found is told, too, a moment later.
    if redis.ask("EVAL", COMPARE_AND_SET, "1", "item:" + item, "victim", "survivor") == "OK":
        claimed(item, noticed)
        redis.ask("SREM", "pods", item)


def be_survivor(listener, redis, poll):
    listener.ask("SUBSCRIBE", "__keyevent@0__:expired")
    redis.ask("PING")
    ready()
    while True:
        if listener.answers.waiting or select.select([listener.socket], [], [], poll / 1000)[0]:
            key = listener.read()[2]
            if key.startswith(POD):
                take_over(redis, key.removeprefix(POD))
        for item in redis.ask("SMEMBERS", "pods"):
            if redis.ask("EXISTS", POD + item) == "0":
                take_over(redis, item)


def main():
    role, port, expiry, poll = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if role == "victim":
        be_victim(Redis(port), expiry, sys.argv[5])
    else:
        be_survivor(Redis(port), Redis(port), poll)


main()
