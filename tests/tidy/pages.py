#!/usr/bin/env python3
"""Runs the commands that the pages show. A fenced block under a line `<!-- runs -->` is run by bash at the root of the
repository, with the binaries of the build in the PATH; it passes when all of it exits with 0 within the limit.

usage: pages.py DIRECTORY-OF-BINARIES. Ends with "N passed, N failed", a block being one test."""

import os
import re
import subprocess
import sys

from tree import line_of, load

LIMIT_SECONDS = 60
BLOCK = re.compile(r"^<!-- runs -->\n+```(?:bash|sh|shell|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(script, root, binaries):
    """None, or what went wrong."""
    environment = {**os.environ, "PATH": os.path.abspath(binaries) + os.pathsep + os.environ["PATH"]}
    try:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=root, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"ran for more than {LIMIT_SECONDS} s"
    return None if result.returncode == 0 else f"exit code {result.returncode}\n{result.stdout}"


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    passed = failed = 0
    for path, text in load(root).files(".md"):
        for block in BLOCK.finditer(text):
            problem = run(block[1], root, sys.argv[1])
            passed, failed = passed + (problem is None), failed + (problem is not None)
            print(f"{'FAILED' if problem else 'ok':6} {path}:{line_of(text, block.start(1))}")
            if problem:
                print(problem)
    if passed + failed == 0:
        print("FAILED no page has a block under <!-- runs -->")
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
