"""What the tests of security stand on: a private Postgres, coordinators as processes, certificates, and somebody who
wants nothing but to be served meanwhile."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(os.path.join(ROOT, "tests", "support"))
from checks import Failed, Tally

BINARIES = os.environ.get("VIGIL_BIN_DIR", os.path.join(ROOT, "build/dev/bin"))
VIGILD = os.path.join(BINARIES, "vigild")
VIGIL = os.path.join(BINARIES, "vigil")
STEP_SECONDS = 60
PACE = threading.Event()  # never set: the pace at which what gives no sign is looked at again


def eventually(holds, what, seconds=STEP_SECONDS):
    """Looks until it holds, and returns what it is then."""
    until = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > until:
            raise Failed(f"not within {seconds} s: {what}")
        PACE.wait(0.02)


def as_usual():
    """The priority of a process whose parent has lowered its own."""
    os.setpriority(os.PRIO_PROCESS, 0, 0)


class Process:
    """A program whose output is kept in a file."""

    def __init__(self, words, environment=None):
        self.log = tempfile.NamedTemporaryFile(prefix="vigil-log-")
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **(environment or {})}, preexec_fn=as_usual,
        )  # fmt: skip

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def says(self, pattern):
        def look():
            found = re.search(pattern, self.text())
            if not found and self.process.poll() is not None:
                raise Failed(f"{self.process.args[0]} ended before it said {pattern}:\n{self.text()[-4000:]}")
            return found

        return eventually(look, f"{self.process.args[0]} says {pattern}")

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=STEP_SECONDS)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Postgres(Process):
    """A private cluster, which `vigild dev` brings along."""

    def __init__(self):
        super().__init__([VIGILD, "dev", "--listen", "127.0.0.1:0", "--http-listen", "off"])
        self.directory, self.port = self.says(r"psql -h (\S+) -p (\d+)").groups()
        with open(os.path.join(self.directory, "password"), encoding="utf-8") as password:
            self.password = password.read().strip()

    def conninfo(self, database, user="postgres", password=None):
        return (
            f"host={self.directory} port={self.port} user={user} password={password or self.password} dbname={database}"
        )

    def sql(self, database, text, user="postgres", password=None):
        """The rows, as text; Failed with what Postgres has against it."""
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.directory, "-p", self.port, "-U", user,
             "-d", database],
            input=text, capture_output=True, text=True, timeout=STEP_SECONDS, check=False,
            env={**os.environ, "PGPASSWORD": password or self.password},
        )  # fmt: skip
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return done.stdout.strip()

    def database(self, name, owner="postgres"):
        self.sql("postgres", f"CREATE DATABASE {name} OWNER {owner}")
        return self.conninfo(name)

    def own_log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()


class Coordinator(Process):
    """`vigild serve`, on ports that the system chose. With `files`, over TLS and with rights."""

    def __init__(self, conninfo, *settings, files=None, environment=None, prefix=()):
        access = files.server_settings() if files else ["--insecure", "true"]
        words = [*prefix, VIGILD, "serve", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", *access]
        super().__init__([*words, *settings], {"VIGIL_DATABASE": conninfo, **(environment or {})})
        self.files = files
        self.http = int(self.says(r"Serving HTTP\..*\bport\W+(\d+)")[1])
        self.grpc = int(self.says(r"Listening\..*\bport\W+(\d+)")[1])
        self.says(r"Joined the cluster\.")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _status(self, field):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
            return int(re.search(rf"^{field}:\s+(\d+)", status.read(), re.MULTILINE)[1])

    def threads(self):
        return self._status("Threads")

    def mebibytes(self):
        return self._status("VmRSS") / 1024


class Files:
    """An authority, a certificate of the coordinators for 127.0.0.1, tokens and grants."""

    def __init__(self, directory, tokens, grants):
        self.directory = directory
        self.tokens = tokens
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=test authority", "-keyout", self.path("ca.key"), "-out", self.path("ca.crt"))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                      "-keyout", self.path("tls.key"), "-out", self.path("tls.csr"))
        self.write("names", "subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self._openssl("x509", "-req", "-in", self.path("tls.csr"), "-CA", self.path("ca.crt"), "-CAkey",
                      self.path("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", self.path("names"),
                      "-out", self.path("tls.crt"))  # fmt: skip
        self.write("tokens", "".join(f"{identity} {token}\n" for identity, token in tokens.items()))
        self.write("grants", grants)
        for identity, token in tokens.items():
            self.write(f"{identity}.token", token)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    @staticmethod
    def _openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=STEP_SECONDS)

    def server_settings(self):
        return ["--tls-cert", self.path("tls.crt"), "--tls-key", self.path("tls.key"), "--tokens", self.path("tokens"),
                "--grants", self.path("grants")]  # fmt: skip


class Bystander:
    """A pod and a subscriber of a coordinator, in a process of their own: bystander.py."""

    def __init__(self, server, stubs, identity=None):
        words = [sys.executable, os.path.join(os.path.dirname(__file__), "bystander.py"), stubs, str(server.grpc)]
        if server.files:
            words += [server.files.path("ca.crt"), server.files.path(f"{identity}.token")]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=as_usual)  # fmt: skip
        if self.process.stdout.readline() != "served\n":
            raise Failed("nobody served the bystander")

    def report(self):
        """What it lived through."""
        out, _ = self.process.communicate(timeout=STEP_SECONDS)
        return json.loads(out)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def migrate(conninfo, *words):
    """What `vigild migrate up` says."""
    done = subprocess.run(
        [VIGILD, "migrate", "up", *words], capture_output=True, text=True, timeout=STEP_SECONDS, check=False,
        env={**os.environ, "VIGIL_DATABASE": conninfo},
    )  # fmt: skip
    if done.returncode != 0:
        raise Failed(done.stdout + done.stderr)
    return done.stdout


def run(name, story):
    """Tells the story with a directory of its own and a list of processes, which it adds to and which end with it: the
    Postgres first. The exit code; prints "N passed, N failed" at the end."""
    failed = 0
    kept = []
    with tempfile.TemporaryDirectory(prefix=f"vigil-{name}-") as directory:
        try:
            story(directory, kept)
        except Exception:
            failed = 1
            traceback.print_exc()
            for process in (one for one in kept[1:] if isinstance(one, Process)):
                sys.stderr.write("".join(line[:300] + "\n" for line in process.text().splitlines()[-30:]))
        finally:
            for process in reversed(kept):
                process.kill()
    print(f"{Tally.passed} passed, {failed} failed")
    return failed
