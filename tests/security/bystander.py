#!/usr/bin/env python3
"""A pod that sends its heartbeats and follows the log: STUBS PORT [AUTHORITY TOKEN-FILE]. Says "served" when it is,
goes on until its input ends, and then prints as JSON how it was served."""

import json
import os
import sys
import threading
import time
import uuid

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "clients"))
from python_client import use_stubs

NAMESPACE = "bystanders"
PATIENCE_SECONDS = 30


def channel_to(port, authority=None, token_file=None):
    import grpc

    if not authority:
        return grpc.insecure_channel(f"127.0.0.1:{port}")
    with open(authority, "rb") as file:
        tls = grpc.ssl_channel_credentials(file.read())
    with open(token_file, encoding="utf-8") as file:
        token = grpc.access_token_call_credentials(file.read().strip())
    return grpc.secure_channel(f"127.0.0.1:{port}", grpc.composite_channel_credentials(tls, token))


class Witness:
    def __init__(self, channel):
        self.channel = channel
        self.over = threading.Event()
        self.served = {"pod": threading.Event(), "subscriber": threading.Event()}
        self.slowest = 0.0  # the longest that a heartbeat waited for its answer
        self.slowest_at = 0.0  # when that came, on the clock of the machine
        self.heartbeats = 0
        self.refused = 0  # answers without a lease
        self.silence = 0.0  # the longest between two messages of the subscription
        self.ends = []  # streams that ended by themselves

    def host(self):
        from vigil.v1 import pod_registry_service_pb2 as messages
        from vigil.v1 import pod_registry_service_pb2_grpc as services

        left = threading.Event()
        sent = {}

        def outgoing():
            yield messages.SessionRequest(
                register=messages.Register(namespace=NAMESPACE, name="bystander", registration_id=str(uuid.uuid4()))
            )
            number = 0
            while not self.over.wait(0.5):
                number += 1
                sent[number] = time.monotonic()
                yield messages.SessionRequest(heartbeat=messages.Heartbeat(number=number))
            yield messages.SessionRequest(leave=messages.Leave())
            left.wait(PATIENCE_SECONDS)

        try:
            for message in services.PodRegistryServiceStub(self.channel).Session(outgoing()):
                if message.HasField("left"):
                    left.set()
                    return
                if not message.HasField("heartbeat"):
                    continue
                self.served["pod"].set()
                self.heartbeats += 1
                now = time.monotonic()
                waited = now - sent.pop(message.heartbeat.number)
                if waited > self.slowest:
                    self.slowest, self.slowest_at = waited, now
                self.refused += not message.heartbeat.lease_granted
            self.ends.append("the session ended")
        except Exception as error:
            self.ends.append(f"session: {error}")

    def follow(self):
        from vigil.v1 import pod_event_service_pb2 as messages
        from vigil.v1 import pod_event_service_pb2_grpc as services

        request = messages.SubscribeRequest(namespace=NAMESPACE, from_oldest=messages.FromOldest())
        last = None
        try:
            for _ in services.PodEventServiceStub(self.channel).Subscribe(request):
                now = time.monotonic()
                self.silence = max(self.silence, now - (last or now))
                last = now
                self.served["subscriber"].set()
            self.ends.append("the subscription ended")
        except Exception as error:
            if not self.over.is_set():
                self.ends.append(f"subscription: {error}")

    def report(self):
        return {"heartbeats": self.heartbeats, "slowest": self.slowest,
                "slowest_at": self.slowest_at, "refused": self.refused, "silence": self.silence,
                "ends": list(self.ends)}  # fmt: skip


def main():
    use_stubs(sys.argv[1])
    witness = Witness(channel_to(*sys.argv[2:]))
    pod = threading.Thread(target=witness.host, daemon=True)
    pod.start()
    threading.Thread(target=witness.follow, daemon=True).start()
    if not all(event.wait(PATIENCE_SECONDS) for event in witness.served.values()):
        print(json.dumps(witness.report()), flush=True)
        return 1
    print("served", flush=True)
    sys.stdin.read()
    report = witness.report()
    witness.over.set()
    pod.join(PATIENCE_SECONDS)
    print(json.dumps(report), flush=True)
    os._exit(0)  # the subscription has no end of its own


if __name__ == "__main__":
    sys.exit(main())
