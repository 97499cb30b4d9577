"""A client of ZooKeeper: zookeeper.py victim|survivor PORT SESSION-MS [ITEM]"""

import queue
import sys
import threading

from client import START_SECONDS, claimed, connect, now, ready
from kazoo.client import KazooClient

# Of the survivor, which is not to be taken for dead itself.
LONG_SESSION_SECONDS = 20


def session_with(port, seconds):
    connect(port).close()
    client = KazooClient(hosts=f"127.0.0.1:{port}", timeout=seconds)
    client.start(timeout=START_SECONDS)
    return client


def be_victim(client, item):
    client.create(f"/items/{item}", b"victim")
    client.create(f"/pods/{item}", ephemeral=True)
    ready()
    threading.Event().wait()  # the client's own thread pings


def be_survivor(client):
    client.ensure_path("/items")
    client.ensure_path("/pods")
    changes = queue.SimpleQueue()
    living = set(client.get_children("/pods", watch=changes.put))
    ready()
    while True:
        changes.get()
        now_living = set(client.get_children("/pods", watch=changes.put))
        noticed = now()
        for item in living - now_living:
            client.set(f"/items/{item}", b"survivor", version=0)
            claimed(item, noticed)
        living = now_living


def main():
    role, port, session_ms = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if role == "victim":
        be_victim(session_with(port, session_ms / 1000), sys.argv[4])
    else:
        be_survivor(session_with(port, LONG_SESSION_SECONDS))


main()
