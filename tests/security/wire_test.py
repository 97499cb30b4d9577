#!/usr/bin/env python3
"""Bad input on the wire, against a coordinator that serves others meanwhile, without and with TLS.

VIGIL_SECURITY=full makes every attack again and again. Prints a line for each check and ends with
"N passed, N failed"."""

import os
import sys
import threading
import time

import place
from attacks import ATTACKS, Slow, crowd_of_connections
from http2 import ACK, GOAWAY, PING, Peer, frame
from place import Bystander, Coordinator, Files, Postgres, Process, eventually
from relay import Relay

from checks import check, expect, expect_that

sys.path.append(os.path.join(place.ROOT, "tests", "clients"))
from python_client import generate_stubs

ROUNDS = 8 if os.environ.get("VIGIL_SECURITY") == "full" else 1
LEASE_SECONDS = 3.0
# What a lease has left, less the margin to stop in, when the heartbeat is sent that renews it.
MARGIN_SECONDS = LEASE_SECONDS - LEASE_SECONDS / 3 - 0.5
POSITIONS_SECONDS = 0.5
ALLOWED_PING_SECONDS = 1.05
# What gRPC keeps for the next time, and what the allocator cannot give back in pieces.
TOLERANCE_MEBIBYTES = 32
# What gRPC says in a minute, what we say of the pods, and at the level debug of HTTP's.
MOST_LINES = 100 * ROUNDS

TOKENS = {"bystander": "token-of-the-bystander", "stranger": "token-of-a-stranger-0"}
GRANTS = "bystander bystanders member,subscriber\nstranger nowhere member\n"


class Timeline:
    """Which attack was under way when."""

    def __init__(self):
        self.begun = []

    def begin(self, name):
        self.begun.append((time.monotonic(), name))

    def at(self, moment):
        return next((name for begun, name in reversed(self.begun) if begun <= moment), "none")


def yield_the_processor():
    """Who attacks from elsewhere has a processor of its own: this thread takes none from those it attacks."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def attack_all(server, form, stubs):
    bystander = Bystander(server, stubs, "bystander")
    try:
        descriptors = server.descriptors()
        memory = server.mebibytes()
        lines = server.text().count("\n")
        timeline = Timeline()
        timeline.begin("slow")
        slow = Slow(server)
        for attack in ATTACKS * ROUNDS:
            begun = time.monotonic()
            timeline.begin(attack.__name__)
            name = "".join(word.capitalize() for word in attack.__name__.split("_"))
            with check(f"{form}_{name}_IsBounded"):  # P11
                attack(server)
                expect(server.process.poll(), None, "the exit code of vigild")
            slow.trickle()
            print(f"measured: {form} {attack.__name__}: {time.monotonic() - begun:.1f} s, {server.mebibytes():.0f} MiB", flush=True)
        timeline.begin("slow")
        with check(f"{form}_SlowOnes_AreGivenUp"):
            slow.are_given_up()
        with check(f"{form}_Descriptors_AreBackExactly"):
            eventually(lambda: server.descriptors() == descriptors, f"{descriptors} descriptors are open", 30)
        with check(f"{form}_Others_WereServedAllAlong"):
            lived = bystander.report()
            lived["slowest_at"] = timeline.at(lived["slowest_at"] - lived["slowest"])
            print(f"measured: {form}: {lived}", flush=True)
            expect((lived["ends"], lived["refused"]), ([], 0), "streams that ended, and leases refused")
            expect_that(lived["slowest"] < MARGIN_SECONDS, f"a heartbeat took {lived['slowest']:.2f} s")
            expect_that(lived["silence"] < POSITIONS_SECONDS + MARGIN_SECONDS, f"silence of {lived['silence']:.2f} s")
        with check(f"{form}_Memory_IsBack"):
            bound = memory + TOLERANCE_MEBIBYTES
            eventually(lambda: server.mebibytes() < bound, f"less than {bound:.0f} MiB are resident", 30)
            print(f"measured: {form}: {memory:.0f} MiB before, {server.mebibytes():.0f} after", flush=True)
        with check(f"{form}_Log_IsBounded"):
            written = server.text().count("\n") - lines
            print(f"measured: {form}: {written} lines in the log", flush=True)
            expect_that(written < MOST_LINES, f"only {written} lines were written")
    finally:
        bystander.kill()


class Guests:
    """The client library, with a pod, its work and a subscription that have nothing to do."""

    def __init__(self, server):
        self.relay = Relay(server.grpc)
        at = [place.VIGIL, "--address", self.relay.address, "--namespace", "guests"]
        self.programs = [
            Process([*at, "run", "--pod", "guest", "--work", "rest", "--", "tail", "-f", "/dev/null"]),
            Process([*at, "events", "tail", "--follow"]),
        ]
        eventually(lambda: self.relay.connections >= 2, "both are connected")

    def were_welcome(self):
        """No ping of theirs was one too many; they send none without need, whatever the coordinator allows."""
        expect([program.process.poll() for program in self.programs], [None, None], "their exit codes")
        expect((self.relay.connections, self.relay.goaways), (2, []), "connections, and what ended them")
        for program in self.programs:
            program.stop()
        print(f"measured: {len(self.relay.pings)} pings of the client library", flush=True)

    def kill(self):
        self.relay.close()
        for program in self.programs:
            program.kill()


def pings_at_the_pace(server):
    """As often as a client may, and so no client that keeps to any pace known from gRPC is sent away."""
    peer = Peer(server, patience=ALLOWED_PING_SECONDS)
    answers = 0
    for _ in range(4):
        peer.send(frame(PING, 0, 0, b"12345678"))
        for kind, flags, _, _ in peer.frames():  # until it is silent for as long as that
            expect_that(kind != GOAWAY, "a ping at the pace is welcome")
            answers += kind == PING and flags & ACK
    peer.close()
    expect(answers, 4, "the answers to four pings")


def too_many(postgres, files):
    """A process that may open few files: it takes fewer connections than that, and is never out of descriptors."""
    prefix = ["prlimit", "--nofile=400:400"]
    server = Coordinator(postgres.conninfo("wire"), "--grpc-connections", "1000", files=files, prefix=prefix)
    try:
        with check("Connections_BeyondWhatThereMayBeAreClosedAndRoomComesBack"):
            crowd_of_connections(server, 150)
            expect(server.text().count("Connections over gRPC are closed"), 1, "the lines about it")
            expect(server.text().count("No connection over gRPC can be taken"), 0, "the lines about descriptors")
    finally:
        server.kill()


def tell(directory, kept):
    yield_the_processor()
    stubs = os.path.join(directory, "stubs")
    os.mkdir(stubs)
    generate_stubs(stubs)
    files = Files(directory, TOKENS, GRANTS)
    postgres = Postgres()
    kept.append(postgres)
    conninfo = postgres.database("wire")
    place.migrate(conninfo)
    settings = ["--position-interval", f"{POSITIONS_SECONDS}s", "--log-level", "debug"]
    for form, access in (("Plain", None), ("Tls", files)):
        server = Coordinator(conninfo, *settings, files=access)
        kept.append(server)
        attack_all(server, form, stubs)
        if not access:
            guests = Guests(server)
            kept.extend([*guests.programs, guests])
            with check("Keepalive_TheAllowedPaceIsAllowed"):
                pings_at_the_pace(server)
            with check("Keepalive_TheClientLibraryNeverPingsTooOften"):
                guests.were_welcome()
        with check(f"{form}_Coordinator_StopsAsItShould"):
            expect(server.stop(), 0, "the exit code")
    too_many(postgres, None)


if __name__ == "__main__":
    sys.exit(place.run("wire", tell))
