"""Stands between a client and a coordinator, without TLS, and reads along what they say of the connection itself."""

import socket
import struct
import threading
import time

from http2 import ACK, GOAWAY, PING, PREFACE


class Relay:
    def __init__(self, port):
        self.port = port
        self.connections = 0
        self.pings = []  # when the clients sent one of their own
        self.goaways = []  # the words of those that the coordinator sent
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self._pass, args=(client, server, len(PREFACE), self._client), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, 0, self._server), daemon=True).start()

    @staticmethod
    def _pass(source, target, ignored, look):
        """Everything at once, and each whole frame to `look`."""
        pending = b""
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
                pending += data
                if ignored:
                    skipped = min(ignored, len(pending))
                    pending, ignored = pending[skipped:], ignored - skipped
                while len(pending) >= 9 and len(pending) >= (whole := 9 + int.from_bytes(pending[:3], "big")):
                    look(*struct.unpack(">BB", pending[3:5]), pending[9:whole])
                    pending = pending[whole:]
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def _client(self, kind, flags, _):
        if kind == PING and not flags & ACK:
            self.pings.append(time.monotonic())

    def _server(self, kind, _, payload):
        if kind == GOAWAY:
            self.goaways.append(payload[8:].decode(errors="replace"))

    def close(self):
        self.listening.close()
