#!/usr/bin/env python3
"""Makes the image of a build, without an engine: OUT/vigil.tar (an OCI archive, which `docker load` takes too),
OUT/vigil.spdx.json (what is in it), and OUT/root (its files).

usage: build.py BUILD OUT, where BUILD is a directory of the build that holds bin/vigild and bin/vigil. With --root, no
archive is made and OUT/root is all: an engine makes the image from it."""

import json
import os
import re
import shutil
import subprocess
import sys

import archive
import debian
import parts
import root
import sbom

NAME = "vigil"
LICENSE = "Apache-2.0"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _git(*words):
    result = subprocess.run(["git", "-C", root.SOURCE, *words], check=False, capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else ""


def project():
    """(version, description) as the build has them."""
    with open(os.path.join(root.SOURCE, "CMakeLists.txt"), encoding="utf-8") as file:
        return re.search(r'project\(vigil VERSION (\S+) DESCRIPTION "([^"]*)"', file.read()).groups()


def source_date():
    """SOURCE_DATE_EPOCH, else when the last change was committed."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or 0)


def revision():
    commit = _git("rev-parse", "HEAD")
    return commit + ("-dirty" if commit and _git("status", "--porcelain") else "")


def distribution():
    with open("/usr/lib/os-release", encoding="utf-8") as file:
        values = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
    return f"{values['ID']}-{values['VERSION_ID'].strip(chr(34))}"


def configuration(version, description, epoch):
    labels = {"title": NAME, "description": description, "version": version, "licenses": LICENSE,
              "created": archive.timestamp(epoch), "revision": revision()}  # fmt: skip
    return {
        "User": f"{root.USER}:{root.USER}",
        "Env": ["PATH=/usr/bin", "VIGIL_LISTEN=0.0.0.0:7420", "VIGIL_HTTP_LISTEN=0.0.0.0:7421"],
        "Entrypoint": ["/usr/bin/vigild"],
        "Cmd": ["serve"],
        "WorkingDir": "/",
        "StopSignal": "SIGTERM",
        "ExposedPorts": {"7420/tcp": {}, "7421/tcp": {}},
        "Labels": {f"org.opencontainers.image.{key}": value for key, value in labels.items() if value},
    }


def main():
    only_root = "--root" in sys.argv
    words = [word for word in sys.argv[1:] if word != "--root"]
    if len(words) != 2:
        sys.exit(__doc__)
    build, out = words
    shutil.rmtree(out, ignore_errors=True)
    held = root.make(build, f"{out}/root")
    linked, compiled = parts.linked_in(build), parts.compiled_in(build)
    root.add_copyrights(f"{out}/root", {*held, *linked, *compiled})
    if only_root:
        return
    (version, description), epoch = project(), source_date()
    digest = archive.write(f"{out}/{NAME}.tar", f"{out}/root", configuration(version, description, epoch),
                           ARCHITECTURES[os.uname().machine], f"{NAME}:{version}", epoch)  # fmt: skip
    image = {"name": NAME, "version": version, "digest": digest, "license": LICENSE, "epoch": epoch}
    with open(f"{out}/{NAME}.spdx.json", "w", encoding="utf-8") as file:
        json.dump(sbom.document(image, distribution(), held, linked, compiled), file, indent=2, sort_keys=True)
        file.write("\n")
    size = os.path.getsize(f"{out}/{NAME}.tar")
    print(f"{out}/{NAME}.tar: {NAME}:{version} {digest}, {size / 1e6:.1f} MB; {len(held)} packages of Debian in it")


if __name__ == "__main__":
    main()
