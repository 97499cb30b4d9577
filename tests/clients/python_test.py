#!/usr/bin/env python3
"""The client of python_client.py joins a cluster, hears of a death, and takes work over.

Starts `vigild dev` from VIGIL_BIN_DIR. Prints a line for each check and ends with "N passed, N failed"."""

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

from python_client import (
    NAMESPACE, ROOT, STEP_SECONDS, STREAM_SECONDS, Inbox, Log, Pod, generate_stubs, refusal,
)  # fmt: skip

# After python_client, which knows the way to it.
from checks import Failed, Tally, check, expect, expect_that

VIGILD = os.path.join(os.environ.get("VIGIL_BIN_DIR", os.path.join(ROOT, "build/dev/bin")), "vigild")
START_SECONDS = 60  # vigild, with a Postgres of its own


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


def start_and_repeat(work, survivor):
    """What StartWork says of an item, and what may be asked for twice. The item's name."""
    from google.protobuf import duration_pb2
    from vigil.v1 import types_pb2 as types
    from vigil.v1 import work_service_pb2 as messages

    item = {"namespace": NAMESPACE, "key": "index-1"}
    start = messages.StartWorkRequest(
        **item, incarnation=survivor.incarnation, request_id=str(uuid.uuid4()), kind="index", max_adoptions=1,
        labels={"region": "north"}, policy=types.RECOVERY_POLICY_STICKY, sticky_wait=duration_pb2.Duration(seconds=90),
    )  # fmt: skip
    with check("StartWork_KeepsWhatItIsToldOfTheItem"):
        answer = work.StartWork(start, timeout=STEP_SECONDS)
        started = answer.item
        expect(answer.outcome, messages.START_OUTCOME_STARTED, "the outcome")
        traits = (started.kind, dict(started.labels), started.policy, started.sticky_wait, started.max_adoptions)
        expect(traits, (start.kind, dict(start.labels), start.policy, start.sticky_wait, 1), "what the item is")
    with check("StartWork_RepeatedReturnsTheItemAsItIs"):
        expect(work.StartWork(start, timeout=STEP_SECONDS), answer, "the answer")
    mine = {**item, "incarnation": survivor.incarnation, "fence": started.fence}
    with check("CheckpointWork_ALateOneReplacesNoNewerOne"):
        for number, text in ((2, b"page 2"), (1, b"page 1")):
            request = messages.CheckpointWorkRequest(**mine, checkpoint=text, number=number)
            answer = work.CheckpointWork(request, timeout=STEP_SECONDS)
            expect(answer.item.checkpoint, b"page 2", f"the checkpoint after number {number}")
    with check("StartWork_RepeatedAfterTheReleaseDoesNotTakeItBack"):
        work.ReleaseWork(messages.ReleaseWorkRequest(**mine), timeout=STEP_SECONDS)
        late = work.StartWork(start, timeout=STEP_SECONDS)
        expect(late.outcome, messages.START_OUTCOME_RELEASED, "the outcome")
        expect(late.item.state, types.WORK_STATE_RELEASED, "the item's state")
    return item


def fail_until_quarantined(work, survivor, log, item):
    """The fences of the two failures."""
    from vigil.v1 import types_pb2 as types
    from vigil.v1 import work_service_pb2 as messages

    def start_and_fail(reason):
        start = messages.StartWorkRequest(**item, incarnation=survivor.incarnation, request_id=str(uuid.uuid4()))
        answer = work.StartWork(start, timeout=STEP_SECONDS)
        expect(answer.outcome, messages.START_OUTCOME_STARTED, "the outcome")
        fence = answer.item.fence
        failure = messages.FailWorkRequest(**item, incarnation=survivor.incarnation, fence=fence, reason=reason)
        failed = work.FailWork(failure, timeout=STEP_SECONDS).item
        expect(work.FailWork(failure, timeout=STEP_SECONDS).item, failed, "the item after a repetition")
        return failed

    with check("FailWork_ReleasesTheItemAndCounts"):
        first = start_and_fail("the index is corrupt")
        expect((first.state, first.adoptions), (types.WORK_STATE_RELEASED, 1), "the item")
    with check("FailWork_OneTooManyQuarantines"):
        second = start_and_fail("it still is")
        expect((second.state, second.owner), (types.WORK_STATE_QUARANTINED, 0), "the item")
        former = [(one.name, one.fence, one.cause, one.reason) for one in second.former_owners]
        reasons = ((first.fence, "the index is corrupt"), (second.fence, "it still is"))
        wanted = [("survivor", fence, types.CAUSE_UNSPECIFIED, reason) for fence, reason in reasons]
        expect(former, wanted, "who had it")
    with check("Subscribe_DeliversAQuarantine"):
        event = log.until("WORK_QUARANTINED")
        wanted = (item["key"], second.fence, "survivor", survivor.incarnation)
        expect((event.work_key, event.fence, event.pod_name, event.incarnation), wanted, "the event")
    return first.fence, second.fence


def release_the_quarantined(work, survivor, log, item, fences):
    import grpc
    from vigil.v1 import types_pb2 as types
    from vigil.v1 import work_service_pb2 as messages

    old, fence = fences

    def release(seen):
        request = messages.ReleaseQuarantinedWorkRequest(**item, fence=seen)
        return work.ReleaseQuarantinedWork(request, timeout=STEP_SECONDS).item

    with check("ClaimWork_WhatIsQuarantinedIsNobodys"):
        claim = messages.ClaimWorkRequest(**item, incarnation=survivor.incarnation, expected_fence=fence)
        answer = work.ClaimWork(claim, timeout=STEP_SECONDS)
        expect(answer.outcome, messages.CLAIM_OUTCOME_QUARANTINED, "the outcome")
        query = messages.ListWorkRequest(namespace=NAMESPACE, quarantined_only=True)
        listed = [one.key for one in work.ListWork(query, timeout=STEP_SECONDS).items]
        expect(listed, [item["key"]], "what is quarantined")
    with check("ReleaseQuarantinedWork_PutsItBack"):
        released = release(fence)
        expect((released.state, released.adoptions), (types.WORK_STATE_RELEASED, 0), "the item")
        expect(release(fence), released, "the item after a repetition")
        while (event := log.until("WORK_RELEASED")).pod_name:
            pass
        expect(event.work_key, item["key"], "the item that an operator released")
        refusal(grpc.StatusCode.FAILED_PRECONDITION, "FENCED", lambda: release(old))


def hand_over(work, survivor, rival, log):
    import grpc
    from vigil.v1 import work_service_pb2 as messages

    item = {"namespace": NAMESPACE, "key": "mail-1", "incarnation": survivor.incarnation}
    started = work.StartWork(messages.StartWorkRequest(**item), timeout=STEP_SECONDS).item
    mine = {**item, "fence": started.fence}

    def transfer(name, **what):
        request = messages.TransferWorkRequest(**{**mine, **what}, to_name=name)
        return work.TransferWork(request, timeout=STEP_SECONDS).item

    with check("TransferWork_ToNobodyIsRefused"):
        refusal(grpc.StatusCode.NOT_FOUND, "POD_NOT_FOUND", lambda: transfer("nobody"))
    with check("TransferWork_GivesTheItemToThePodOfAName"):  # P5
        given = transfer("rival")
        expect((given.owner, given.owner_name), (rival.incarnation, "rival"), "the owner")
        expect_that(given.fence > started.fence, "the fence grew")
        event = log.until("WORK_CLAIMED")
        wanted = ("mail-1", rival.incarnation, survivor.incarnation, given.fence)
        expect((event.work_key, event.incarnation, event.previous_owner, event.fence), wanted, "the event")
        expect(transfer("rival"), given, "the item after a repetition")
        stale = messages.ReleaseWorkRequest(**mine)
        code = grpc.StatusCode.FAILED_PRECONDITION
        refusal(code, "FENCED", lambda: work.ReleaseWork(stale, timeout=STEP_SECONDS))


def claim_by_choice(registry, work, survivor, log):
    from vigil.v1 import work_service_pb2 as messages

    guest = Pod(registry, "guest")
    items = (("thumb-1", "thumbnail", "north"), ("thumb-2", "thumbnail", "south"), ("thumb-3", "thumbnail", "north"),
             ("video-1", "video", "north"))  # fmt: skip
    for key, kind, region in items:
        request = messages.StartWorkRequest(
            namespace=NAMESPACE, key=key, kind=kind, labels={"region": region}, incarnation=guest.incarnation
        )
        work.StartWork(request, timeout=STEP_SECONDS)
    guest.leave()
    expect(log.until("POD_LEFT").orphans, len(items), "the number of orphans")

    def claim(request_id):
        request = messages.ClaimOrphansRequest(
            namespace=NAMESPACE, incarnation=survivor.incarnation, limit=1, request_id=request_id,
            kinds=["thumbnail", "audio"], labels={"region": "north"},
        )  # fmt: skip
        return [item.key for item in work.ClaimOrphans(request, timeout=STEP_SECONDS).items]

    with check("ClaimOrphans_TakesWhatWasChosenAndNoMoreWhenRepeated"):  # P5
        request_id = str(uuid.uuid4())
        claimed = claim(request_id)
        expect(len(claimed), 1, "the number of the claimed")
        expect(claim(request_id), claimed, "what a repetition returns")
        others = claim(str(uuid.uuid4()))
        expect(sorted(claimed + others), ["thumb-1", "thumb-3"], "what two claims took")
        expect(claim(str(uuid.uuid4())), [], "what is left")


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
        wanted = [("victim", types.POD_STATE_DEAD), ("survivor", left), ("rival", left), ("guest", left)]
        expect(states, wanted, "the list")
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
        item = start_and_repeat(work, survivor)
        fences = fail_until_quarantined(work, survivor, log, item)
        release_the_quarantined(work, survivor, log, item, fences)
        hand_over(work, survivor, rival, log)
        claim_by_choice(registry, work, survivor, log)
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
    print(f"{Tally.passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    # Without the interpreter's farewell to threads that still wait for a stream.
    code = main()
    sys.stdout.flush()
    os._exit(code)
