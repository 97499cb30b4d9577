"""The repository as the rules see it: paths and texts, so that a rule can be shown a made-up tree too."""

import os
import re
from dataclasses import dataclass, field

# Made by tools, or not ours.
SKIPPED_DIRECTORIES = {".git", "build", "node_modules", "__pycache__", ".cache"}
VENDORED = ("proto/google/", "proto/grpc/", "tests/tools/package-lock.json", "LICENSE")


@dataclass
class Tree:
    """Texts by path, relative to the root, with '/'."""

    texts: dict
    directories: set = field(default_factory=set)

    def __post_init__(self):
        for path in self.texts:
            while "/" in path:
                path = path.rsplit("/", 1)[0]
                self.directories.add(path)

    def exists(self, path):
        return path in self.texts or path in self.directories or path in ("", ".")

    def files(self, *suffixes, under=""):
        """(path, text) of our own files that end in one of the suffixes, in order."""
        for path in sorted(self.texts):
            if path.startswith(under) and path.endswith(suffixes) and not path.startswith(VENDORED):
                yield path, self.texts[path]


def load(root):
    texts = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in SKIPPED_DIRECTORIES]
        for name in files:
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8", errors="replace") as file:
                texts[os.path.relpath(path, root).replace(os.sep, "/")] = file.read()
    return Tree(texts)


_CPP_TOKENS = re.compile(
    r"""(?://[^\n]*|/\*.*?\*/)"""
    r"""|(?:R"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)")"""
    r"""|(?:"(?:\\.|[^"\\\n])*")"""
    r"""|(?P<digits>\b\d[\d']*)"""  # so that a digit separator opens no character
    r"""|(?:'(?:\\.|[^'\\\n])+')""",
    re.DOTALL | re.VERBOSE,
)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_alone(cpp):
    """C++ or proto text with its comments and strings blanked."""
    return _CPP_TOKENS.sub(lambda m: m[0] if m["digits"] else _blank(m[0]), cpp)


def sql_alone(sql):
    """SQL text with its comments and strings blanked."""
    return re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", lambda m: _blank(m[0]), sql, flags=re.DOTALL)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
