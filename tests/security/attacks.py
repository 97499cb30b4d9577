"""What comes in over the wire and should not. Each function is one attack on a coordinator, checks how it was answered,
and leaves nothing open of its own."""

import os
import select
import socket
import ssl
import struct
import time

from http2 import (
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, LIST_PODS, PING,
    PREFACE, REFLECTION, RST_STREAM, SESSION, SETTINGS, WATCH, Peer, connect, frame, garbage, header, is_closed,
    message, request_head,
)  # fmt: skip
from place import eventually

# After checks.py has been found by place.py.
from checks import expect, expect_that

HANDSHAKE_SECONDS = 10  # the server's, of gRPC and of HTTP
SLACK_SECONDS = 5
STREAMS = 5000  # --streams-per-connection
RPC_THREADS = 64  # more than gRPC has without an attack, and far fewer than calls


# --- not what the port speaks -----------------------------------------------------------------------------------------


def garbage_on_both_ports(server):
    for port in (server.grpc, server.http):
        peers = [connect(port) for _ in range(20)]
        for peer in peers:
            try:
                peer.sendall(garbage(64 * 1024))
            except OSError:
                pass  # it has heard enough
        for peer in peers:
            expect_that(is_closed(peer, HANDSHAKE_SECONDS + SLACK_SECONDS), f"garbage on port {port} ends a connection")
            peer.close()


def http1_on_the_grpc_port(server):
    for _ in range(5):
        peer = connect(server.grpc)
        peer.sendall(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
        expect_that(is_closed(peer, HANDSHAKE_SECONDS + SLACK_SECONDS), "HTTP/1.1 on the gRPC port is closed")
        peer.close()


def grpc_on_the_http_port(server):
    for _ in range(5):
        peer = connect(server.http)
        peer.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, request_head(SESSION)))
        answer = peer.recv(1 << 16)
        expect_that(not answer or answer.startswith(b"HTTP/1.1 "), f"HTTP/2 is refused in HTTP/1.1, not {answer!r}")
        expect_that(is_closed(peer, HANDSHAKE_SECONDS + SLACK_SECONDS), "gRPC on the HTTP port is closed")
        peer.close()


# --- too slow ---------------------------------------------------------------------------------------------------------


class Slow:
    """Hundreds that begin and never come to a point, on both ports. They are begun before the other attacks and looked
    at after them."""

    def __init__(self, server):
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" if server.files else PREFACE[:10]
        self.tricklers = []
        self.mute = []
        for port, begin in ((server.grpc, hello), (server.http, b"GET /readyz HTTP/1.1\r\nHost: here\r\nX: ")):
            for _ in range(100):
                self.mute.append(connect(port))
                peer = connect(port)
                peer.sendall(begin)
                self.tricklers.append(peer)
        self.begun = time.monotonic()

    def trickle(self):
        for peer in self.tricklers:
            try:
                peer.sendall(b"\x00" if peer.getpeername() else b"")
            except OSError:
                pass

    def are_given_up(self):
        left = self.begun + HANDSHAKE_SECONDS + SLACK_SECONDS - time.monotonic()
        until = time.monotonic() + max(1, left)
        for peer in self.mute + self.tricklers:
            seconds = max(0.01, until - time.monotonic())
            expect_that(is_closed(peer, seconds), "who never says what it wants is closed after the handshake's time")
            peer.close()


# --- too much, in HTTP/2 ----------------------------------------------------------------------------------------------


def rapid_resets(server):
    """CVE-2023-44487: calls that are opened and reset at once, so that none counts as open."""
    for _ in range(4):
        peer = Peer(server)
        batch = b""
        for number in range(2500):
            stream = 2 * number + 1
            batch += peer.open(stream, SESSION) + frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))
        peer.send(batch)
        peer.close()


def ping_flood(server):
    peer = Peer(server)
    for _ in range(10):
        if not peer.send(frame(PING, 0, 0, b"12345678") * 1000):
            break
    expect(peer.goaway(), (ENHANCE_YOUR_CALM, "too_many_pings"), "the GOAWAY")
    peer.close()


def settings_flood(server):
    """CVE-2019-9515: each wants an answer, and nobody reads those."""
    peer = Peer(server, patience=3)
    for _ in range(20):
        if not peer.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 1000):
            break
    peer.close()


def continuation_flood(server):
    """CVE-2024-27316: a head that never ends."""
    peer = Peer(server, patience=5)
    peer.send(frame(HEADERS, 0, 1, request_head(SESSION, token=peer.token)))
    piece = frame(CONTINUATION, 0, 1, header("x-filler", "y" * 8000) * 2)
    for _ in range(1000):
        if not peer.send(piece):
            break
    peer.close()


def streams_on_one_connection(server):
    """Who has acknowledged the bound and exceeds it is closed. gRPC holds nobody to it who has not: those calls are
    there until their connection ends."""
    for settled in (True, False):
        peer = Peer(server)
        if settled:
            peer.settle()
        batches = range(0, 2 * STREAMS, 1000)
        pieces = (range(first, first + 1000) for first in batches)
        sent = all(peer.send(b"".join(peer.open(2 * number + 1, WATCH) for number in piece)) for piece in pieces)
        if settled:
            expect_that(not sent or is_closed(peer.socket, SLACK_SECONDS), "one call too many ends a connection")
        peer.close()


def streams_on_many_connections(server):
    peers = [Peer(server) for _ in range(100)]
    for peer in peers:
        peer.send(b"".join(peer.open(2 * number + 1, SESSION) for number in range(100)))
    for peer in peers:
        peer.close()


def reflections_that_stay(server):
    """A call of this service keeps a thread for as long as it lasts."""
    before = server.threads()
    peer = Peer(server)
    peer.send(b"".join(peer.open(2 * number + 1, REFLECTION) for number in range(500)))
    until = time.monotonic() + 1
    most = before
    while time.monotonic() < until:
        most = max(most, server.threads())
        select.select([], [], [], 0.05)
    peer.close()
    expect_that(most < before + RPC_THREADS, f"500 such calls have {most - before} threads")


def half_open(server):
    """Connections whose peers are gone without a word: they stop reading and acknowledging nothing but TCP."""
    peers = [Peer(server) for _ in range(50)]
    for peer in peers:
        peer.send(peer.open(1, SESSION))
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for peer in peers:
        peer.close()  # a reset, and no GOAWAY


# --- not what a call looks like ---------------------------------------------------------------------------------------


def answer_to(server, head, body=b""):
    """The bytes that answer one call, frame by frame, until it is over."""
    peer = Peer(server)
    peer.settle()
    peer.send(head(peer) + body)
    seen = []
    for kind, flags, stream, payload in peer.frames():
        if kind == PING and not flags & ACK:
            peer.send(frame(PING, ACK, 0, payload))
        if stream == 1 or kind == GOAWAY:
            seen.append((kind, payload))
        if kind == GOAWAY or stream == 1 and (kind == RST_STREAM or kind == HEADERS and flags & END_STREAM):
            break
    peer.close()
    expect_that(seen, "there is an answer")
    return seen


def bad_messages(server):
    for body in (
        message(b"x" * 300_000),  # larger than any may be
        message(length=0xFFFFFFFF),
        message(b"\xff" * 64),  # no protobuf
        message(b"\xff" * 64, compressed=1),
        message(b"\xff" * 64, compressed=7),
        message(b"\x0a", length=100),  # ends before its end
        b"\x00\x00",
        b"",
    ):
        pieces = [body[at : at + 16000] for at in range(0, len(body), 16000)] or [b""]
        data = b"".join(frame(DATA, 0, 1, piece) for piece in pieces) + frame(DATA, END_STREAM, 1)
        answer_to(server, lambda peer: peer.open(1, LIST_PODS), data)


def bad_heads(server):
    end = frame(DATA, END_STREAM, 1, message())
    for content_type in ("text/html", "application/json", "", "application/grpc-web", "x" * 5000):
        answer_to(server, lambda peer, kind=content_type: peer.open(1, LIST_PODS, content_type=kind), end)
    for extra in (header("x-large", "y" * 20_000), header("x-many", "y") * 4000):
        answer_to(server, lambda peer, more=extra: peer.open(1, LIST_PODS, extra=more), end)
    for path in ("/", "", "/vigil.v1.PodRegistryService/Nothing", "/" + "x" * 7000, "\x00\x01\x02"):
        answer_to(server, lambda peer, where=path: peer.open(1, where), end)
    # HPACK that means nothing, frames on streams that are none, and a frame that is too large.
    for broken in (frame(HEADERS, END_HEADERS, 1, b"\xff" * 200), frame(DATA, 0, 0, b"x"), frame(0xEE, 0xFF, 1, b"x"),
                   frame(HEADERS, END_HEADERS, 2, request_head(SESSION)), frame(PING, 0, 0, b"short"),
                   frame(DATA, 0, 1, b"x" * 100_000)):  # fmt: skip
        peer = Peer(server, patience=1)
        peer.send(broken)
        peer.close()


def crowd_of_connections(server, most):
    """More connections than there may be: those beyond are closed, and there is room again when the others go."""
    kept = [connect(server.grpc) for _ in range(most)]
    extra = [connect(server.grpc) for _ in range(50)]
    closed = sum(is_closed(peer, 2) for peer in extra)
    expect_that(closed >= 40, f"{closed} of 50 that are too many are closed at once")
    for peer in kept + extra:
        peer.close()

    def served():
        try:
            peer = Peer(server, patience=2)
        except (OSError, ssl.SSLError):
            return False
        kinds = [kind for kind, *_ in zip_first(peer.frames())]
        peer.close()
        return SETTINGS in kinds

    eventually(served, "somebody is let in again", 20)


def zip_first(frames):
    for one in frames:
        yield one
        return


ATTACKS = [
    garbage_on_both_ports, http1_on_the_grpc_port, grpc_on_the_http_port, rapid_resets, ping_flood, settings_flood,
    continuation_flood, streams_on_one_connection, streams_on_many_connections, reflections_that_stay, half_open,
    bad_messages, bad_heads,
]  # fmt: skip
