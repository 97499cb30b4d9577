"""The root of the image: the two programs, the libraries that they load, and what these need beside them.

No shell, no package manager, nothing that the user of the container may write to. Whatever is not Vigil's is from a
package of the Debian that it was built on, and dpkg's record of it goes along, where scanners look for it."""

import os
import re
import shutil
import subprocess
import sys

import debian

PROGRAMS = ("vigild", "vigil")
USER = 65532
CERTIFICATES = "/usr/share/ca-certificates/mozilla"
# What the packages' own words on their licences refer to.
COMMON_LICENSES = "/usr/share/common-licenses"
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

FILES = {
    "etc/passwd": f"root:x:0:0:root:/nonexistent:/nonexistent\nvigil:x:{USER}:{USER}:vigil:/nonexistent:/nonexistent\n",
    "etc/group": f"root:x:0:\nvigil:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
# Where things are since Debian merged its directories.
LINKS = {"lib": "usr/lib", "lib64": "usr/lib64", "etc/os-release": "../usr/lib/os-release"}
MOUNT_POINTS = ("dev", "proc", "sys")


def libraries(program):
    """What the loader loads for a program, and the loader; paths of this machine, as they are asked for."""
    listed = subprocess.run(["ldd", program], check=True, stdout=subprocess.PIPE, text=True).stdout
    if "not found" in listed:
        sys.exit(f"image: a library of {program} is missing:\n{listed}")
    return {match[1] for match in re.finditer(r"(?:=> |^\s*)(/\S+) \(0x", listed, re.MULTILINE)}


def _write(root, path, text):
    target = os.path.join(root, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(target, 0o644)


def _copy(path, root, mode, to=None):
    target = os.path.join(root, (to or path).lstrip("/"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(path, target)
    os.chmod(target, mode)
    return target


def _link(root, path, to):
    target = os.path.join(root, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.symlink(to, target)


def _copy_library(path, root):
    """The file, and the name that it is asked for by."""
    real = os.path.realpath(path)
    _copy(real, root, 0o755)
    # The directory of the name is real by now, but not below /usr where the loader's own name is.
    name = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if name != real:
        _link(root, name.lstrip("/"), os.path.relpath(real, os.path.dirname(name)))


def _certificates():
    """The authorities that Debian trusts; what an administrator has added here stays here."""
    texts = []
    for name in sorted(os.listdir(CERTIFICATES)):
        with open(os.path.join(CERTIFICATES, name), encoding="ascii") as file:
            texts.append(file.read())
    return "".join(texts)


def make(build, root):
    """Makes the root from a build; returns the packages that are in it. The root must not be there yet."""
    os.makedirs(root)
    loaded = set()
    for program in PROGRAMS:
        built = os.path.join(build, "bin", program)
        loaded |= libraries(built)
        # The build's id goes, too: all else is the same in whichever directory it was built.
        subprocess.run(["strip", "--remove-section=.note.gnu.build-id", "-o",
                        _copy(built, root, 0o755, f"usr/bin/{program}"), built], check=True)  # fmt: skip
    for path in sorted(loaded):
        _copy_library(path, root)
    for path, target in LINKS.items():
        _link(root, path, target)
    for path, text in FILES.items():
        _write(root, path, text)
    for path in MOUNT_POINTS:
        os.makedirs(os.path.join(root, path))
    _write(root, "etc/ssl/certs/ca-certificates.crt", _certificates())
    _copy("/usr/lib/os-release", root, 0o644)
    _copy(os.path.join(SOURCE, "LICENSE"), root, 0o644, "usr/share/doc/vigil/copyright")

    owner = debian.owners(loaded)
    if strangers := loaded.difference(owner):
        sys.exit(f"image: from no package of Debian: {', '.join(sorted(strangers))}")
    held = debian.packages({*owner.values(), "ca-certificates", "base-files"})
    for package in held:
        _write(root, f"var/lib/dpkg/status.d/{package.name}", debian.record(package))
    return held


def add_copyrights(root, packages):
    """What the licences of these packages ask to go along with their code."""
    for package in packages:
        path = debian.copyright_file(package)
        if path:
            _copy(path, root, 0o644, f"usr/share/doc/{package.name}/copyright")
    for name in sorted(os.listdir(COMMON_LICENSES)):
        path = os.path.join(COMMON_LICENSES, name)
        if os.path.islink(path):
            _link(root, path.lstrip("/"), os.readlink(path))
        else:
            _copy(path, root, 0o644)
