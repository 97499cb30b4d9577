"""HTTP/2 as nobody should speak it: frames by hand, over TCP or TLS."""

import os
import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
CANCEL, ENHANCE_YOUR_CALM = 0x8, 0xB
SESSION = "/vigil.v1.PodRegistryService/Session"
LIST_PODS = "/vigil.v1.PodRegistryService/ListPods"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
WATCH = "/grpc.health.v1.Health/Watch"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text):
    length = len(text)
    prefix = bytes([length]) if length < 127 else b"\x7f" + _varint(length - 127)
    return prefix + text.encode()


def _varint(number):
    out = b""
    while number >= 128:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def header(name, value):
    """A literal that enters no table."""
    return b"\x00" + _text(name) + _text(value)


def request_head(path, content_type="application/grpc", token=None, extra=b""):
    head = b"\x83\x86" + b"\x04" + _text(path) + b"\x01" + _text("127.0.0.1")
    head += header("content-type", content_type) + header("te", "trailers")
    if token:
        head += header("authorization", f"Bearer {token}")
    return head + extra


def message(payload=b"", length=None, compressed=0):
    return struct.pack(">BI", compressed, len(payload) if length is None else length) + payload


def connect(port, patience=20):
    return socket.create_connection(("127.0.0.1", port), timeout=patience)


class Peer:
    """One connection that has said its preface."""

    def __init__(self, server, patience=20):
        self.token = None
        self.socket = connect(server.grpc, patience)
        self.received = b""
        if server.files:
            context = ssl.create_default_context(cafile=server.files.path("ca.crt"))
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
            self.token = server.files.tokens["stranger"]
        self.send(PREFACE + frame(SETTINGS, 0, 0))

    def send(self, data):
        """False when the other end wants no more."""
        try:
            self.socket.sendall(data)
            return True
        except (ConnectionError, ssl.SSLError, TimeoutError, OSError):
            return False

    def open(self, stream, path, end=False, **head):
        """The bytes that open a call."""
        flags = END_HEADERS | (END_STREAM if end else 0)
        return frame(HEADERS, flags, stream, request_head(path, token=self.token, **head))

    def frames(self):
        """What comes, until the other end closes or says nothing for the patience of the socket."""
        while True:
            while len(self.received) < 9:
                if not self._read():
                    return
            length = int.from_bytes(self.received[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
            while len(self.received) < 9 + length:
                if not self._read():
                    return
            payload = self.received[9 : 9 + length]
            self.received = self.received[9 + length :]
            yield kind, flags, stream, payload

    def _read(self):
        try:
            data = self.socket.recv(1 << 16)
        except (ConnectionError, ssl.SSLError, TimeoutError, OSError):
            return False
        self.received += data
        return bool(data)

    def settle(self):
        """Acknowledges the other end's settings, which bind this one only then."""
        for kind, flags, _, _ in self.frames():
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
                return

    def goaway(self):
        """The error and the words of the GOAWAY that ends this connection; nothing when there is none."""
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                return struct.unpack(">I", payload[4:8])[0], payload[8:].decode(errors="replace")
        return None

    def close(self):
        self.socket.close()


def is_closed(connection, seconds):
    """Whether the other end closes it within this time, whatever it says before."""
    until = time.monotonic() + seconds
    try:
        while True:
            connection.settimeout(max(0.01, until - time.monotonic()))
            if not connection.recv(1 << 16):
                return True
    except (TimeoutError, BlockingIOError):
        return False
    except (ConnectionError, ssl.SSLError, OSError):
        return True


def garbage(size):
    return os.urandom(size)
