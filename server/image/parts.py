"""What of Debian was compiled or linked into the programs, as the build itself has it on record."""

import re
import subprocess

import debian
from root import PROGRAMS


def _ninja(build, *arguments):
    return subprocess.run(
        ["ninja", "-C", build, *arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout


def _archives(build):
    commands = _ninja(build, "-t", "commands", "-s", *(f"bin/{program}" for program in PROGRAMS))
    return set(re.findall(r"(?<=\s)/usr/\S+\.a(?=\s)", commands))


def _headers(build):
    objects = set(_ninja(build, "-t", "inputs", *(f"bin/{program}" for program in PROGRAMS)).split())
    headers, counts = set(), False
    for line in _ninja(build, "-t", "deps").splitlines():
        if line and not line.startswith(" "):
            counts = line.partition(":")[0] in objects
        elif counts and line.strip().startswith("/usr/"):
            headers.add(line.strip())
    return headers


def linked_in(build):
    """The packages whose archives are in the programs."""
    return debian.packages(set(debian.owners(_archives(build)).values()))


def compiled_in(build):
    """The packages whose headers the programs were compiled with."""
    return debian.packages(set(debian.owners(_headers(build)).values()))
