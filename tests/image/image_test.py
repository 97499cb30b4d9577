#!/usr/bin/env python3
"""Makes the image of a build, looks at what is in it, and runs it as an orchestrator would: on a Postgres of its own it
migrates, serves, answers its health checks, hosts a pod, and drains.

usage: image_test.py BUILD OUT. Needs root, runc and buildah. Prints a line for each check and ends with
"N passed, N failed"."""

import contextlib
import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(os.path.join(ROOT, "tests", "support"))
from bill import mistakes, related
from checks import Tally, check, expect, expect_that
from container import STEP_SECONDS, Archive, Container

BUILDER = os.path.join(ROOT, "server/image/build.py")
USER = "65532"
LABELS = ("title", "description", "version", "licenses", "created", "revision")
SHELLS = {"sh", "bash", "dash", "ash", "busybox", "perl", "python3", "env", "apt", "apt-get", "dpkg", "su", "chroot"}
ELF = b"\x7fELF"


def run(*words, **more):
    return subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          timeout=5 * STEP_SECONDS, **more).stdout  # fmt: skip


def build_image(build, out):
    print(run(sys.executable, BUILDER, build, out).strip())


def hash_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


# --- what is in it ----------------------------------------------------------------------------------------------------


def check_files(archive, root):
    entries = archive.entries()
    with check("it holds no shell, no interpreter and no package manager"):
        names = {os.path.basename(entry.name) for entry in entries if not entry.isdir()}
        expect(names & SHELLS, set(), "the set of these in it")
        programs = {entry.name for entry in entries if os.path.dirname(entry.name).endswith("bin")}
        expect(programs, {"usr/bin/vigild", "usr/bin/vigil"}, "the set of programs")
    with check("whatever can be executed is a program of ours or a library"):
        executable = {entry.name for entry in entries if entry.isfile() and entry.mode & 0o111}
        strangers = {name for name in executable if not re.search(r"^usr/bin/vigild?$|\.so(\.[\d.]+)?$", name)}
        expect(strangers, set(), "the set of others")
    with check("nothing is setuid, and nothing is anybody's but root's to write"):
        for entry in entries:
            expect((entry.uid, entry.gid), (0, 0), f"the owner of {entry.name}")
            writable = entry.mode & (stat.S_IWGRP | stat.S_IWOTH) and not entry.issym()
            special = entry.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX)
            expect_that(not writable and not special, f"{entry.name} has the mode {entry.mode:o}")
            expect_that(entry.isfile() or entry.isdir() or entry.issym(), f"{entry.name} is no device")
    with check("it bears no traces: one time, in order, without caches, logs and names of this machine"):
        expect(len({entry.mtime for entry in entries}), 1, "the number of times in it")
        expect([entry.name for entry in entries], sorted(entry.name for entry in entries), "the order")
        expect({entry.uname + entry.gname for entry in entries}, {""}, "the set of names")
        for entry in entries:
            expect_that(not re.search(r"cache|/log/|/apt/|\.pyc$|locale", entry.name), f"{entry.name} is no trace")
    with check("its programs are stripped"):
        for program in ("vigild", "vigil"):
            with open(f"{root}/usr/bin/{program}", "rb") as file:
                expect(file.read(4), ELF, f"the beginning of {program}")
            sections = run("readelf", "-SW", f"{root}/usr/bin/{program}")
            for trace in (".debug_info", ".symtab", ".note.gnu.build-id"):
                expect_that(trace not in sections, f"{program} has no {trace}")


def check_archive(archive):
    with check("its configuration is that of a service that is not root"):
        config = archive.image["config"]
        expect(config["User"], f"{USER}:{USER}", "the user")
        expect(config["Entrypoint"], ["/usr/bin/vigild"], "the entrypoint")
        expect(config["StopSignal"], "SIGTERM", "the signal")
        expect(set(config["ExposedPorts"]), {"7420/tcp", "7421/tcp"}, "the set of ports")
    with check("its labels say what it is and from which source"):
        labels = archive.image["config"]["Labels"]
        missing = [name for name in LABELS if not labels.get(f"org.opencontainers.image.{name}")]
        expect(missing, [], "the list of labels that are missing")
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            version = re.search(r"VERSION (\d\S*) DESCRIPTION", file.read())[1]
        expect((labels["org.opencontainers.image.version"], archive.tag), (version, version), "the version")
    return version


def check_dockerfile(archive):
    """What an engine makes of the Dockerfile has the same configuration; its root is made by the same script."""
    with open(os.path.join(ROOT, "Dockerfile"), encoding="utf-8") as file:
        text = re.sub(r"\\\n\s*", "", file.read())
    final = text[text.index("FROM scratch") :]
    config = archive.image["config"]
    with check("the Dockerfile says the same"):
        for word, wanted in (("ENTRYPOINT", config["Entrypoint"]), ("CMD", config["Cmd"])):
            expect(json.loads(re.search(rf"^{word} (.*)$", final, re.MULTILINE)[1]), wanted, word)
        expect(re.search(r"^USER (\S+)$", final, re.MULTILINE)[1], config["User"], "USER")
        expect(re.search(r"^EXPOSE (.*)$", final, re.MULTILINE)[1].split(), ["7420", "7421"], "EXPOSE")
        expect(re.search(r"^ENV (.*)$", final, re.MULTILINE)[1].split(), config["Env"], "ENV")
        expect(re.search(r"^ARG VERSION=(\S+)$", final, re.MULTILINE)[1], archive.tag, "VERSION")
        labels = dict(re.findall(r'(org\.opencontainers\.image\.\w+)="([^"]*)"', final))
        expect(set(labels), set(config["Labels"]) | {"org.opencontainers.image.revision"}, "the set of labels")
        for name in ("title", "description", "licenses"):
            key = f"org.opencontainers.image.{name}"
            expect(labels[key], config["Labels"][key], key)


def check_bill(path, archive, root):
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    with check("the bill of materials is SPDX"):
        expect(list(mistakes(document)), [], "the list of mistakes")
    with check("it is about this image, and lists what is in it"):
        whole = next(package for package in document["packages"] if package["SPDXID"] == "SPDXRef-Image")
        expect("sha256:" + whole["checksums"][0]["checksumValue"], archive.digest, "the digest")
        on_record = set(os.listdir(f"{root}/var/lib/dpkg/status.d"))
        expect(related(document, "CONTAINS") - {whole["name"], "vigil"}, on_record, "the set of packages")
        expect_that({"libc6", "libssl3", "libpq5", "ca-certificates"} <= on_record, "the libraries are there")
    with check("it lists what the programs were made of"):
        linked = related(document, "STATIC_LINK") | related(document, "BUILD_DEPENDENCY_OF")
        expect_that({"libgrpc++-dev", "libprotobuf-dev", "libboost1.81-dev", "libcli11-dev", "nlohmann-json3-dev"}
                    <= linked, f"all are in {sorted(linked)}")  # fmt: skip
        for name in linked | related(document, "CONTAINS") - {whole["name"], "vigil"}:
            expect_that(os.path.isfile(f"{root}/usr/share/doc/{name}/copyright"), f"{name} brings its licences along")


def check_bill_can_fail(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    breaks = [
        ('"spdxVersion": "SPDX-2.3"', '"spdxVersion": "SPDX-2.2"'), ('"name": "libc6"', '"nam": "libc6"'),
        ('"SPDXRef-Vigil"', '"SPDXRef Vigil"'), ("pkg:deb/debian/", "pkg:deb "), ('"Organization: ', '"'),
        ('"relationshipType": "CONTAINS"', '"relationshipType": "HOLDS"'), ('"Apache-2.0"', '"Apache 2"'),
        ('"SPDXID": "SPDXRef-Image"', '"SPDXID": "SPDXRef-Vigil"'),
    ]  # fmt: skip
    with check("a broken bill of materials is told from a sound one"):
        for sound, broken in breaks:
            expect_that(sound in text, f"{sound} is there to be broken")
            expect_that(list(mistakes(json.loads(text.replace(sound, broken)))), f"{broken} is noticed")


def check_other_readers(path, tag):
    """buildah's library is the one that podman, skopeo and CRI-O read archives with."""
    with tempfile.TemporaryDirectory(prefix="vigil-image-store-") as store:
        buildah = ("buildah", "--root", f"{store}/root", "--runroot", f"{store}/run", "--storage-driver", "vfs")
        policy = f"{store}/policy.json"
        with open(policy, "w", encoding="utf-8") as file:
            json.dump({"default": [{"type": "insecureAcceptAnything"}]}, file)
        for kind in ("oci-archive", "docker-archive"):
            with check(f"other tools read it as {kind}"):
                image = run(*buildah, "pull", "--quiet", "--signature-policy", policy, f"{kind}:{path}").strip()
                found = json.loads(run(*buildah, "inspect", "--type", "image", image))
                expect(found["OCIv1"]["config"]["User"], f"{USER}:{USER}", "the user")
                expect(found["OCIv1"]["config"]["Labels"]["org.opencontainers.image.version"], tag, "the version")


# --- how it runs ------------------------------------------------------------------------------------------------------


class Database:
    """A Postgres of the tests: the private one of a `vigild dev`, and a database of our own in it."""

    def __init__(self, vigild):
        self.server = subprocess.Popen(
            [vigild, "dev", "--listen", "127.0.0.1:0", "--http-listen", "off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        for line in self.server.stdout:
            if found := re.search(r"psql -h (\S+) -p (\d+)", line):
                directory, self.port = found.groups()
                break
        else:
            raise AssertionError("vigild dev did not start")
        with open(f"{directory}/password", encoding="ascii") as file:
            self.password = file.read().strip()
        run("psql", "-h", directory, "-p", self.port, "-U", "postgres", "-qc", "CREATE DATABASE image",
            env={**os.environ, "PGPASSWORD": self.password})  # fmt: skip

    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} user=postgres password={self.password} dbname=image"

    def stop(self):
        self.server.terminate()
        self.server.wait(STEP_SECONDS)


@contextlib.contextmanager
def container(archive, root, arguments, environment=()):
    made = Container(archive, root, arguments, environment)
    try:
        yield made
    finally:
        made.remove()


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def check_entrypoint(archive, root, version):
    for arguments, wanted in ((["--help"], "a cluster liveness coordinator"), (["version"], f"vigild {version}")):
        with check(f"its entrypoint takes {arguments[0]}"), container(archive, root, arguments) as made:
            expect((made.exit_code(), wanted in made.text), (0, True), f"the answer:\n{made.text}")
    with check("without a database it says what to set"), container(archive, root, ["serve"]) as made:
        expect(made.exit_code(), 1, "the exit code")
        expect_that("VIGIL_DATABASE" in made.text, made.text)


def check_confined(made):
    with check("it runs as its user, without capabilities, on a root that nobody writes to"):
        with open(f"/proc/{made.pid()}/status", encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        expect(set(status["Uid"].split() + status["Gid"].split()), {USER}, "the set of its ids")
        expect({int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}, {0}, "its capabilities")
        expect(status["NoNewPrivs"], "1", "no_new_privs")
        with open(f"/proc/{made.pid()}/mountinfo", encoding="utf-8") as file:
            (options,) = (line.split()[5] for line in file if line.split()[4] == "/")
        expect_that("ro" in options.split(","), f"its root is mounted {options}")
    with check("there is no shell to run in it"):
        code, text = made.run("/bin/sh", "-c", "true")
        expect_that(code != 0 and "no such file" in text, f"/bin/sh: {code}, {text}")


def await_ready(made):
    deadline = time.monotonic() + STEP_SECONDS
    code, text = 1, ""
    while code != 0 and time.monotonic() < deadline:
        code, text = made.run("/usr/bin/vigild", "healthcheck", "--ready")
    expect(code, 0, f"the health check, which says {text}")


def check_pod(made, grpc_port):
    vigil = ("/usr/bin/vigil", "--address", f"127.0.0.1:{grpc_port}")
    work = made.command(*vigil, "run", "--pod", "first", "--work", "hello", "--", "/usr/bin/vigild", "prestop",
                        "--delay", "1h")  # fmt: skip
    with check("a pod registers and works"):
        pod = subprocess.Popen(work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        expect_that("waiting" in pod.stdout.readline(), "its command runs")
        code, pods = made.run(*vigil, "pods", "list")
        expect((code, "first" in pods, "ALIVE" in pods), (0, True, True), f"the list of pods:\n{pods}")
    with check("it leaves when it is told to stop"):
        pod.terminate()
        pod.communicate(timeout=STEP_SECONDS)
        code, events = made.run(*vigil, "events", "tail", "--oldest")
        expect((code, "LEFT" in events), (0, True), f"the log:\n{events}")


def check_runs(archive, root, database):
    grpc_port, http_port = free_ports(2)
    # The coordinator is alone, so nobody takes its pods; plain text, since what is shown here is the image.
    environment = (f"VIGIL_DATABASE={database.conninfo()}", f"VIGIL_LISTEN=127.0.0.1:{grpc_port}",
                   f"VIGIL_HTTP_LISTEN=127.0.0.1:{http_port}", "VIGIL_DRAIN_TIMEOUT=2s",
                   "VIGIL_INSECURE=true")  # fmt: skip
    with check("it migrates"), container(archive, root, ["migrate", "up"], environment) as made:
        expect((made.exit_code(), "applied 0001" in made.text), (0, True), f"the answer:\n{made.text}")
    with container(archive, root, None, environment) as made:
        with check("it serves"):
            made.await_text("Joined the cluster.")
            await_ready(made)
            code, text = made.run("/usr/bin/vigild", "healthcheck")
            expect((code, text), (0, "live\n"), "the answer of the health check")
        check_confined(made)
        check_pod(made, grpc_port)
        with check("its hook before the stop waits"):
            code, text = made.run("/usr/bin/vigild", "prestop", "--delay", "100ms")
            expect(code, 0, f"the exit code, with {text}")
        with check("SIGTERM drains it, and it ends with 0"):
            made.signal("TERM")
            expect(made.exit_code(), 0, f"the exit code, with\n{made.text}")


def test(build, out):
    with check("it is built without an engine"):
        build_image(build, out)
    path, bill = f"{out}/vigil.tar", f"{out}/vigil.spdx.json"
    with tempfile.TemporaryDirectory(prefix="vigil-image-") as directory:
        with check("what it says of its parts is so"):
            archive = Archive(path, f"{directory}/archive")
            root = f"{directory}/root"
            archive.unpack(root)
        with check("the same build gives the same bytes"):
            build_image(build, f"{directory}/again")
            expect(hash_of(f"{directory}/again/vigil.tar"), hash_of(path), "the archive")
            expect(hash_of(f"{directory}/again/vigil.spdx.json"), hash_of(bill), "the bill of materials")
        check_files(archive, root)
        version = check_archive(archive)
        check_dockerfile(archive)
        check_bill(bill, archive, root)
        check_bill_can_fail(bill)
        check_other_readers(path, version)
        check_entrypoint(archive, root, version)
        database = Database(f"{build}/bin/vigild")
        try:
            check_runs(archive, root, database)
        finally:
            database.stop()


def main():
    failed = 0
    try:
        test(*sys.argv[1:])
    except Exception:
        traceback.print_exc()
        failed = 1
    print(f"{Tally.passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
