"""A client in Python made from proto/ alone: calls with their errors, a pod, and the log.

Its stubs are generated at run time, so that whatever needs them imports them where it does."""

import glob
import os
import queue
import subprocess
import sys
import threading
import uuid

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(os.path.join(ROOT, "tests", "support"))
from checks import Failed, expect, expect_that

PROTO_DIRECTORIES = ("vigil/v1", "google/rpc", "grpc/health/v1")
NAMESPACE = "from-python"
STEP_SECONDS = 10  # one call, or one awaited message
PROTOC_SECONDS = 60
STREAM_SECONDS = 150  # the longest life of a stream


def generate_stubs(directory):
    protos = [path for part in PROTO_DIRECTORIES for path in glob.glob(f"{ROOT}/proto/{part}/*.proto")]
    subprocess.run(
        ["protoc", f"-I{ROOT}/proto", f"--python_out={directory}", f"--grpc_out={directory}",
         "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", *protos],
        check=True, timeout=PROTOC_SECONDS,
    )  # fmt: skip
    use_stubs(directory)


def use_stubs(directory):
    sys.path.insert(0, directory)
    import google
    import grpc

    # Beside google.protobuf and grpc of the system.
    google.__path__.append(os.path.join(directory, "google"))
    grpc.__path__.append(os.path.join(directory, "grpc"))


class Inbox:
    """The messages of a stream, waited for one at a time."""

    def __init__(self, stream):
        self.messages = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        try:
            for message in stream:
                self.messages.put(message)
            self.messages.put(Failed("the stream ended"))
        except Exception as error:
            self.messages.put(error)

    def next(self, field):
        """The next message with this field set; others before it are dropped, as a client should."""
        while True:
            try:
                message = self.messages.get(timeout=STEP_SECONDS)
            except queue.Empty:
                raise Failed(f"waiting for {field}: nothing within {STEP_SECONDS} s") from None
            if isinstance(message, Exception):
                raise message
            if message.HasField(field):
                return getattr(message, field)


def refusal(code, reason, attempt):
    """The ErrorInfo with which `attempt` is refused."""
    import grpc
    from google.rpc import error_details_pb2, status_pb2

    try:
        attempt()
    except grpc.RpcError as error:
        expect(error.code(), code, f"the code of '{error.details()}'")
        trailing = {key: value for key, value in error.trailing_metadata()}
        status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
        info = error_details_pb2.ErrorInfo()
        expect_that(any(detail.Unpack(info) for detail in status.details), "an ErrorInfo is in the details")
        expect((info.domain, info.reason), ("vigil", reason), "the reason")
        expect_that(info.metadata["hint"], "the error has a hint")
        return info
    raise Failed("it was not refused")


class Pod:
    """One stream, registered, with a heartbeat at once and then as often as the coordinator asked for it."""

    def __init__(self, registry, name, namespace=NAMESPACE, **fields):
        from vigil.v1 import pod_registry_service_pb2 as messages
        from vigil.v1 import types_pb2 as types

        self.messages = messages
        self.requests = queue.Queue()
        self.interval = None
        self.number = 0
        self.requests.put(
            messages.SessionRequest(
                register=messages.Register(
                    namespace=namespace, name=name, registration_id=str(uuid.uuid4()),
                    **{"profile": types.PROFILE_FAST, **fields},
                )
            )
        )
        self.stream = registry.Session(self._outgoing(), timeout=STREAM_SECONDS)
        self.inbox = Inbox(self.stream)
        self.registered = self.inbox.next("registered")
        self.incarnation = self.registered.pod.incarnation
        self.interval = self.registered.terms.heartbeat_interval.ToMilliseconds() / 1000
        self.heartbeat()

    def _outgoing(self):
        while True:
            try:
                request = self.requests.get(timeout=self.interval)
            except queue.Empty:
                self.heartbeat()
                continue
            if request is None:
                return
            yield request

    def heartbeat(self):
        self.number += 1
        self.requests.put(self.messages.SessionRequest(heartbeat=self.messages.Heartbeat(number=self.number)))

    def leave(self):
        self.requests.put(self.messages.SessionRequest(leave=self.messages.Leave()))
        self.inbox.next("left")
        self.requests.put(None)

    def vanish(self):
        """As a crash looks to the coordinator: no Leave, no Detach."""
        self.stream.cancel()
        self.requests.put(None)


class Log:
    """A subscription from now. Each event must bear the number that follows."""

    def __init__(self, events):
        from vigil.v1 import pod_event_service_pb2 as messages

        self.kinds = messages.EventKind
        request = messages.SubscribeRequest(namespace=NAMESPACE, from_now=messages.FromNow())
        self.inbox = Inbox(events.Subscribe(request, timeout=STREAM_SECONDS))
        self.pods = []
        cursor = ""
        while not cursor:
            part = self.inbox.next("snapshot")
            self.pods.extend(part.pods)
            cursor = part.cursor
        self.pending = []
        self.seq = None

    def until(self, kind):
        while True:
            while not self.pending:
                self.pending = list(self.inbox.next("events").events)
            event = self.pending.pop(0)
            if self.seq is not None:
                expect(event.seq, self.seq + 1, "the number of the next event")  # P8
            self.seq = event.seq
            if event.kind == self.kinds.Value(f"EVENT_KIND_{kind}"):
                return event
