"""A client of etcd, over its JSON gateway: etcd.py victim|survivor PORT LEASE-SECONDS [ITEM]"""

import base64
import http.client
import json
import sys

from client import again_and_again, claimed, connect, now, ready


class Etcd:
    """One connection that stays."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.connection.sock = connect(port)

    def send(self, path, body):
        self.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        if response.status != 200:
            sys.exit(f"{path}: {response.read()}")
        return response

    def ask(self, path, body):
        return json.loads(self.send(path, body).read())

    def put(self, key, value, **more):
        self.ask("/v3/kv/put", {"key": text(key), "value": text(value), **more})


def text(plain):
    return base64.b64encode(plain.encode()).decode()


def be_victim(etcd, seconds, item):
    lease = etcd.ask("/v3/lease/grant", {"TTL": seconds})
    if int(lease["TTL"]) != seconds:
        sys.exit(f"a lease of {seconds} s was asked for, and one of {lease['TTL']} s granted")
    etcd.put(f"items/{item}", "victim")
    etcd.put(f"pods/{item}", "victim", lease=lease["ID"])
    ready()
    again_and_again(seconds / 3, lambda: etcd.ask("/v3/lease/keepalive", {"ID": lease["ID"]}))


def take_over(etcd, item):
    noticed = now()
    key = text(f"items/{item}")
    is_the_victims = {"key": key, "target": "VALUE", "result": "EQUAL", "value": text("victim")}
    claim = {"request_put": {"key": key, "value": text("survivor")}}
    if not etcd.ask("/v3/kv/txn", {"compare": [is_the_victims], "success": [claim]}).get("succeeded"):
        sys.exit(f"the claim of {item} is lost")
    claimed(item, noticed)


def be_survivor(watcher, etcd):
    etcd.put("items/0", "nobody's")  # the connection of the claims is warm
    answers = watcher.send("/v3/watch", {"create_request": {"key": text("pods/"), "range_end": text("pods0")}})
    ready()
    for line in answers:
        for event in json.loads(line)["result"].get("events", []):
            if event.get("type") == "DELETE":
                take_over(etcd, base64.b64decode(event["kv"]["key"]).decode().removeprefix("pods/"))


def main():
    role, port, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if role == "victim":
        be_victim(Etcd(port), seconds, sys.argv[4])
    else:
        be_survivor(Etcd(port), Etcd(port))


main()
