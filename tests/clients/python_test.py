#!/usr/bin/env python3
"""A Python client made from proto/ alone: joins a cluster, hears of a death, takes the work over.

Generates its stubs into a temporary directory and starts `vigild dev` from VIGIL_BIN_DIR. Prints a line for each check
and ends with "N passed, N failed"."""

import contextlib
import glob
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import uuid

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
VIGILD = os.path.join(os.environ.get("VIGIL_BIN_DIR", os.path.join(ROOT, "build/dev/bin")), "vigild")
PROTO_DIRECTORIES = ("vigil/v1", "google/rpc", "grpc/health/v1")
NAMESPACE = "from-python"
STEP_SECONDS = 10  # one call, or one awaited message
START_SECONDS = 60  # vigild, with a Postgres of its own
STREAM_SECONDS = 150  # the longest life of a stream


def generate_stubs(directory):
    protos = [path for part in PROTO_DIRECTORIES for path in glob.glob(f"{ROOT}/proto/{part}/*.proto")]
    subprocess.run(
        ["protoc", f"-I{ROOT}/proto", f"--python_out={directory}", f"--grpc_out={directory}",
         "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", *protos],
        check=True, timeout=START_SECONDS,
    )  # fmt: skip
    sys.path.insert(0, directory)
    import google
    import grpc

    # Beside google.protobuf and grpc of the system.
    google.__path__.append(os.path.join(directory, "google"))
    grpc.__path__.append(os.path.join(directory, "grpc"))


# --- checks -----------------------------------------------------------------------------------------------------------

passed = 0


class Failed(Exception):
    """A check that did not hold."""


@contextlib.contextmanager
def check(name):
    """The checks within; what follows builds on them, so the first that fails ends the test."""
    global passed
    try:
        yield
    except Exception as error:
        print(f"FAILED {name}: {error}", flush=True)
        raise
    passed += 1
    print(f"ok     {name}", flush=True)


def expect(actual, wanted, what):
    if actual != wanted:
        raise Failed(f"{what} is {actual!r} and not {wanted!r}")


def expect_that(holds, what):
    if not holds:
        raise Failed(f"not so: {what}")


# --- vigild -----------------------------------------------------------------------------------------------------------


class Coordinator:
    """`vigild dev`, on a port that the system chose."""

    def __init__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [VIGILD, "dev", "--listen", "127.0.0.1:0", "--http-listen", "off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )  # fmt: skip

    def address(self):
        lines = queue.Queue()

        def read():
            for line in self.process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        while (line := lines.get(timeout=START_SECONDS)) is not None:
            if found := re.search(r"listening on (127\.0\.0\.1:\d+)", line):
                return found[1]
        raise Failed("vigild ended before it listened")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STEP_SECONDS)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def last_words(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]


# --- calls and streams: what needs the stubs --------------------------------------------------------------------------


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

    def __init__(self, registry, name, namespace=NAMESPACE):
        from vigil.v1 import pod_registry_service_pb2 as messages
        from vigil.v1 import types_pb2 as types

        self.messages = messages
        self.requests = queue.Queue()
        self.interval = None
        self.number = 0
        self.requests.put(
            messages.SessionRequest(
                register=messages.Register(
                    namespace=namespace, name=name, registration_id=str(uuid.uuid4()), profile=types.PROFILE_FAST
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


# --- the story --------------------------------------------------------------------------------------------------------


def join_cluster(registry, events, health):
    import grpc
    from grpc.health.v1 import health_pb2
    from vigil.v1 import types_pb2 as types

    with check("Health_TellsWhenPodsMayRegister"):
        request = health_pb2.HealthCheckRequest(service="vigil.v1.PodRegistryService")
        for answer in (watch := health.Watch(request, timeout=STEP_SECONDS)):
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                watch.cancel()
                break
    with check("Register_BadNameIsRefusedWithItsField"):
        info = refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", lambda: Pod(registry, "a", "Not A Label"))
        expect_that(info.metadata["field"], "the error names the field")
    with check("Session_RegistersAPod"):
        victim = Pod(registry, "victim")
        expect(victim.registered.pod.state, types.POD_STATE_ALIVE, "its state")
        expect(victim.registered.pod.profile, types.PROFILE_FAST, "its profile")
        expect_that(victim.registered.session_token, "it has a session token")
    with check("Session_AnswersAHeartbeatWithALease"):
        answer = victim.inbox.next("heartbeat")
        expect((answer.number, answer.lease_granted), (1, True), "the answer")
    with check("Subscribe_FromNowBeginsWithASnapshot"):
        log = Log(events)
        expect([pod.name for pod in log.pods], ["victim"], "the snapshot")
    with check("Subscribe_DeliversARegistration"):
        survivor = Pod(registry, "survivor")
        event = log.until("POD_REGISTERED")
        expect((event.pod_name, event.incarnation), ("survivor", survivor.incarnation), "the event's pod")
        expect_that(survivor.incarnation > victim.incarnation, "incarnations grow")
    return victim, survivor, log


def die_and_claim(registry, work, victim, survivor, log):
    """The item before and after the claim."""
    import grpc
    from vigil.v1 import types_pb2 as types
    from vigil.v1 import work_service_pb2 as messages

    item = {"namespace": NAMESPACE, "key": "import-7"}
    with check("StartWork_MakesTheCallerItsOwner"):
        request = messages.StartWorkRequest(**item, incarnation=victim.incarnation, payload=b"s3")
        answer = work.StartWork(request, timeout=STEP_SECONDS)
        expect(answer.outcome, messages.START_OUTCOME_STARTED, "the outcome")
        expect(answer.item.owner, victim.incarnation, "the owner")
        started = answer.item

    def claim(pod):
        request = messages.ClaimWorkRequest(
            **item, incarnation=pod.incarnation, expected_owner=victim.incarnation, expected_fence=started.fence
        )
        return work.ClaimWork(request, timeout=STEP_SECONDS)

    with check("ClaimWork_TheLivingCannotBeRobbed"):  # P6
        info = refusal(grpc.StatusCode.FAILED_PRECONDITION, "OWNER_ALIVE", lambda: claim(survivor))
        expect(info.metadata["owner"], str(victim.incarnation), "the owner in the error")
    with check("Subscribe_DeliversTheDeathOfAPodWhoseStreamBroke"):  # P3
        victim.vanish()
        event = log.until("POD_DIED")
        expect((event.pod_name, event.incarnation), ("victim", victim.incarnation), "who died")
        expect((event.cause, event.orphans), (types.CAUSE_STREAM_ENDED, 1), "cause and orphans")
        expect(event.evidence, types.EVIDENCE_STRONG, "what the cause is worth")
    with check("ClaimWork_GivesTheOrphanAHigherFence"):  # P5
        answer = claim(survivor)
        expect(answer.outcome, messages.CLAIM_OUTCOME_CLAIMED, "the outcome")
        expect((answer.item.owner, answer.item.payload), (survivor.incarnation, b"s3"), "the item")
        expect_that(answer.item.fence > started.fence, "the fence grew")
        event = log.until("WORK_CLAIMED")
        expect((event.previous_owner, event.fence), (victim.incarnation, answer.item.fence), "the event")
    with check("ClaimWork_RepeatedByTheWinnerSaysClaimedAgain"):
        again = claim(survivor)
        expect((again.outcome, again.item.fence), (answer.outcome, answer.item.fence), "the answer")
    with check("ClaimWork_WithOldExpectationsIsLost"):
        rival = Pod(registry, "rival")
        late = claim(rival)
        expect(late.outcome, messages.CLAIM_OUTCOME_LOST, "the outcome")
        expect(late.item.owner, survivor.incarnation, "the owner")
    return rival, started, answer.item


def use_fences(work, victim, survivor, started, claimed):
    import grpc
    from vigil.v1 import types_pb2 as types
    from vigil.v1 import work_service_pb2 as messages

    item = {"namespace": NAMESPACE, "key": claimed.key}

    def checkpoint(pod, fence):
        request = messages.CheckpointWorkRequest(**item, incarnation=pod.incarnation, fence=fence, checkpoint=b"half")
        return work.CheckpointWork(request, timeout=STEP_SECONDS)

    with check("CheckpointWork_WithAStaleFenceIsFenced"):
        info = refusal(grpc.StatusCode.FAILED_PRECONDITION, "FENCED", lambda: checkpoint(survivor, started.fence))
        current = (str(survivor.incarnation), str(claimed.fence))
        expect((info.metadata["owner"], info.metadata["fence"]), current, "owner and fence in the error")
    with check("CheckpointWork_ByTheDeadIsRefused"):
        refusal(grpc.StatusCode.FAILED_PRECONDITION, "FENCED", lambda: checkpoint(victim, started.fence))
        code, reason = grpc.StatusCode.FAILED_PRECONDITION, "INCARNATION_ENDED"
        refusal(code, reason, lambda: checkpoint(victim, claimed.fence))
    with check("CompleteWork_ByTheOwnerIsFinal"):
        checkpoint(survivor, claimed.fence)
        request = messages.CompleteWorkRequest(
            **item, incarnation=survivor.incarnation, fence=claimed.fence, result=b"done"
        )
        answer = work.CompleteWork(request, timeout=STEP_SECONDS)
        expect((answer.item.state, answer.item.checkpoint), (types.WORK_STATE_COMPLETED, b"half"), "the item")


def read_with_a_filter(events):
    from vigil.v1 import pod_event_service_pb2 as messages

    deaths = messages.EventFilter(kinds=[messages.EVENT_KIND_POD_DIED])
    with check("Subscribe_AFilterChoosesAndThePositionTellsTheRest"):  # P8
        request = messages.SubscribeRequest(namespace=NAMESPACE, from_oldest=messages.FromOldest(), filter=deaths)
        inbox = Inbox(events.Subscribe(request, timeout=STREAM_SECONDS))
        expect([event.pod_name for event in inbox.next("events").events], ["victim"], "who died")
        position = inbox.next("position")
        expect((position.oldest, position.seq), (1, position.head), "where the replay ends")
    with check("Subscribe_ACursorOfAPositionIsAsGoodAsAnEvents"):
        request = messages.SubscribeRequest(namespace=NAMESPACE, after_cursor=position.cursor, filter=deaths)
        again = Inbox(events.Subscribe(request, timeout=STREAM_SECONDS)).next("position")
        expect((again.cursor, again.seq), (position.cursor, position.seq), "where it stands")


def leave_cluster(registry, log, pods, coordinator):
    from vigil.v1 import pod_event_service_pb2 as events
    from vigil.v1 import pod_registry_service_pb2 as messages
    from vigil.v1 import types_pb2 as types

    with check("Session_LeaveIsConfirmedAndInTheLog"):
        for pod in pods:
            pod.leave()
            event = log.until("POD_LEFT")
            expect((event.incarnation, event.cause), (pod.incarnation, types.CAUSE_LEFT), "the event")
        request = messages.ListPodsRequest(namespace=NAMESPACE, include_ended=True)
        states = [(pod.name, pod.state) for pod in registry.ListPods(request, timeout=STEP_SECONDS).pods]
        left = types.POD_STATE_LEFT
        expect(states, [("victim", types.POD_STATE_DEAD), ("survivor", left), ("rival", left)], "the list")
    with check("Subscribe_EndsWithDrainingWhenTheCoordinatorStops"):
        exit_code = coordinator.stop()
        end = log.inbox.next("end")
        expect(end.reason, events.END_REASON_DRAINING, "the reason")
        expect_that(end.cursor, "there is a cursor to resume from")
        expect(exit_code, 0, "the exit code of vigild")


def tell(coordinator):
    with check("Vigild_PrintsItsAddress"):
        address = coordinator.address()
    import grpc
    from grpc.health.v1 import health_pb2_grpc
    from vigil.v1 import pod_event_service_pb2_grpc, pod_registry_service_pb2_grpc, work_service_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        registry = pod_registry_service_pb2_grpc.PodRegistryServiceStub(channel)
        events = pod_event_service_pb2_grpc.PodEventServiceStub(channel)
        work = work_service_pb2_grpc.WorkServiceStub(channel)
        health = health_pb2_grpc.HealthStub(channel)
        victim, survivor, log = join_cluster(registry, events, health)
        rival, started, claimed = die_and_claim(registry, work, victim, survivor, log)
        use_fences(work, victim, survivor, started, claimed)
        read_with_a_filter(events)
        leave_cluster(registry, log, [survivor, rival], coordinator)


def main():
    failed = 0
    coordinator = None
    with tempfile.TemporaryDirectory(prefix="vigil-stubs-") as stubs:
        try:
            with check("Protoc_MakesTheStubs"):
                generate_stubs(stubs)
            coordinator = Coordinator()
            tell(coordinator)
        except Exception:
            failed = 1
            print(traceback.format_exc())
            if coordinator:
                print(f"vigild's last words:\n{coordinator.last_words()}")
        finally:
            if coordinator:
                coordinator.kill()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    # Without the interpreter's farewell to threads that still wait for a stream.
    code = main()
    sys.stdout.flush()
    os._exit(code)
