"""A container without an engine: an OCI archive, unpacked, and run by runc as an orchestrator would with the strictest
security context: a read-only root, the image's user, no capability, no new privileges."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
import uuid

STEP_SECONDS = 60
NO_CAPABILITIES = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}


class Archive:
    """An OCI archive whose every blob has been compared with its digest."""

    def __init__(self, path, directory):
        with tarfile.open(path) as tar:
            tar.extractall(directory)
        self.directory = directory
        index = self._json("index.json")
        (entry,) = index["manifests"]
        self.digest = entry["digest"]
        self.tag = entry["annotations"]["org.opencontainers.image.ref.name"]
        self.manifest = json.loads(self._blob(entry))
        self.image = json.loads(self._blob(self.manifest["config"]))
        (layer,) = self.manifest["layers"]
        self._blob(layer)
        self.layer = self._path(layer)

    def _json(self, name):
        with open(os.path.join(self.directory, name), encoding="utf-8") as file:
            return json.load(file)

    def _path(self, descriptor):
        return os.path.join(self.directory, "blobs", *descriptor["digest"].split(":"))

    def _blob(self, descriptor):
        with open(self._path(descriptor), "rb") as file:
            data = file.read()
        if len(data) != descriptor["size"] or "sha256:" + hashlib.sha256(data).hexdigest() != descriptor["digest"]:
            raise ValueError(f"a blob is not what its descriptor says: {descriptor}")
        return data

    def entries(self):
        """The files of the root, as the layer has them."""
        with tarfile.open(self.layer) as tar:
            return tar.getmembers()

    def unpack(self, root):
        with tarfile.open(self.layer) as tar:
            tar.extractall(root, numeric_owner=True)


class Container:
    """One that runs, with everything that it has said. The network is the machine's own."""

    def __init__(self, archive, root, arguments, environment=()):
        self.archive = archive
        self.name = f"vigil-{uuid.uuid4().hex[:12]}"
        self.bundle = tempfile.mkdtemp(prefix="vigil-image-bundle-")
        self.state = os.path.join(self.bundle, "state")
        self._configure(root, arguments, environment)
        self.text, self.said = "", threading.Condition()
        self.process = subprocess.Popen(
            ["runc", "--root", self.state, "run", "--bundle", self.bundle, self.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _configure(self, root, arguments, environment):
        config = self.archive.image["config"]
        user, group = (int(number) for number in config["User"].split(":"))
        words = config["Entrypoint"] + list(config["Cmd"] if arguments is None else arguments)
        namespaces = ("pid", "mount", "ipc", "uts")
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump({
                "ociVersion": "1.0.2",
                "process": {
                    "user": {"uid": user, "gid": group}, "cwd": config["WorkingDir"], "args": words,
                    "env": [*config["Env"], *environment], "capabilities": NO_CAPABILITIES, "noNewPrivileges": True,
                },
                "root": {"path": root, "readonly": True},
                "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
                "linux": {"namespaces": [{"type": kind} for kind in namespaces]},
            }, file)  # fmt: skip

    def _read(self):
        for line in self.process.stdout:
            with self.said:
                self.text += line
                self.said.notify_all()
        with self.said:
            self.said.notify_all()

    def await_text(self, text):
        with self.said:
            self.said.wait_for(lambda: text in self.text or not self.reader.is_alive(), STEP_SECONDS)
            if text not in self.text:
                raise AssertionError(f"'{text}' is missing in:\n{self.text}")

    def pid(self):
        """The process at the head of the container, as the machine knows it."""
        state = subprocess.run(["runc", "--root", self.state, "state", self.name], check=True, capture_output=True)
        return json.loads(state.stdout)["pid"]

    def command(self, *words):
        return ["runc", "--root", self.state, "exec", self.name, *words]

    def run(self, *words):
        """A further process in the container, as an orchestrator runs its probes; (exit code, what it said)."""
        result = subprocess.run(self.command(*words), check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=STEP_SECONDS)  # fmt: skip
        return result.returncode, result.stdout

    def signal(self, name):
        subprocess.run(["runc", "--root", self.state, "kill", self.name, name], check=True)

    def exit_code(self):
        code = self.process.wait(STEP_SECONDS)
        self.reader.join(STEP_SECONDS)
        return code

    def remove(self):
        if self.process.poll() is None:
            subprocess.run(["runc", "--root", self.state, "delete", "--force", self.name], check=False)
            self.process.kill()
        self.process.wait(STEP_SECONDS)
        shutil.rmtree(self.bundle, ignore_errors=True)
