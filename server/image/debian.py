"""What dpkg knows: which package a file is from, and what is on record about a package."""

import os
import re
import subprocess
from dataclasses import dataclass, field

# Arguments of one call, well below what a command line may hold.
BATCH = 2000

FIELDS = ("binary:Package", "Package", "Version", "Architecture", "source:Package", "Maintainer", "Homepage")

# Names of debian/copyright -> of SPDX, where they differ; names that are the same in both follow.
LICENSES = {
    "expat": "MIT",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only",
    "gpl-3+": "GPL-3.0-or-later",
    "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only",
    "lgpl-3+": "LGPL-3.0-or-later",
    "mpl-2.0": "MPL-2.0",
    "openldap-2.8": "OLDAP-2.8",
    "apache-2": "Apache-2.0",
    **{name.lower(): name for name in (
        "Apache-2.0", "BSL-1.0", "CC0-1.0", "FSFAP", "ISC", "MIT", "PostgreSQL", "Zlib")},
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Package:
    name: str
    version: str
    architecture: str
    source: str = field(compare=False)
    maintainer: str = field(compare=False)
    homepage: str = field(compare=False)
    # As dpkg wants to be asked for it: with the architecture where several could be installed.
    known_as: str = field(compare=False)


def _query(*arguments):
    result = subprocess.run(
        ["dpkg-query", *arguments], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return result.stdout


def _names(path):
    """What dpkg may have a file on record as, since directories have moved below /usr."""
    for name in (path, os.path.realpath(path)):
        yield name
        if name.startswith("/usr/lib"):
            yield name.removeprefix("/usr")


def owners(paths):
    """Path -> what dpkg knows its package as, for each of the paths that is from a package."""
    asked = {name: path for path in paths for name in _names(path)}
    names, found = sorted(asked), {}
    for begin in range(0, len(names), BATCH):
        for line in _query("-S", *names[begin : begin + BATCH]).splitlines():
            package, _, name = line.partition(": ")
            if name in asked and not line.startswith("diversion"):
                found[asked[name]] = package.split(", ")[0]
    return found


def packages(known_as):
    """The packages that dpkg knows under these names, in order."""
    if not known_as:
        return []
    form = "\\t".join(f"${{{name}}}" for name in FIELDS) + "\\n"
    rows = [line.split("\t") for line in _query("-W", f"-f={form}", *sorted(known_as)).splitlines()]
    return sorted(
        Package(known_as=row[0], name=row[1], version=row[2], architecture=row[3], source=row[4], maintainer=row[5],
                homepage=row[6]) for row in rows
    )  # fmt: skip


def record(package):
    """The paragraph of dpkg's database, without the lists of files to configure."""
    return _query("-s", package.known_as)


def copyright_file(package):
    """Where its licences are written down, or None."""
    path = os.path.realpath(f"/usr/share/doc/{package.name}/copyright")
    return path if os.path.isfile(path) else None


def license_names(package):
    """The names of the licences in a machine-readable debian/copyright; none when it is not one."""
    path = copyright_file(package)
    if path is None:
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if not re.match(r"\s*Format(?:-Specification)?:", text):
        return []
    names = set()
    for paragraph in re.split(r"\n\s*\n", text):
        files = re.search(r"^Files:((?:.*\n[ \t])*.*)$", paragraph, re.MULTILINE)
        # What Debian adds to build the package is not in what it builds.
        if files and not all(name.startswith("debian/") for name in files[1].split()):
            names.update(name.strip() for name in re.findall(r"^License:[ \t]*(\S.*)$", paragraph, re.MULTILINE))
    return sorted(names)


def spdx_expression(names):
    """What SPDX calls these licences together, or None when one of them has no name there."""
    terms = []
    for name in names:
        words = re.split(r"\s*,?\s+(and|or)\s+", name)
        words[0::2] = [LICENSES.get(word.lower()) for word in words[0::2]]
        words[1::2] = [word.upper() for word in words[1::2]]
        if None in words:
            return None
        terms.append(" ".join(words))
    if not terms:
        return None
    return " AND ".join(f"({term})" if " " in term and len(terms) > 1 else term for term in dict.fromkeys(terms))
