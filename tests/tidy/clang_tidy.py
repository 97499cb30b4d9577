#!/usr/bin/env python3
"""Runs clang-tidy over our sources, one process per core, and remembers what was clean: a source is checked again only
when it, a header or contract file that it includes, its compile command or the list of checks changed.

usage: clang_tidy.py BUILD-DIRECTORY. Ends with "N passed, N failed", a source being one test."""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
OURS = ("server/", "client/", "tests/")
INCLUDE_ROOTS = ("server", "client/include", "client", "client/src", "tests", "proto")
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]|^import "([^"]+)"', re.MULTILINE)
# Clang's own warnings come through clang-tidy too. Those that g++ is given in the compile command stay in force.
EXTRA = ["--extra-arg=-Wthread-safety", "--extra-arg=-Wno-unknown-warning-option"]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def included(path, text):
    """The files of the repository that the text includes; a generated header stands for its .proto."""
    for cpp, proto in INCLUDE.findall(text):
        name = re.sub(r"(\.grpc)?\.pb\.h$", ".proto", cpp or proto)
        for root in (os.path.dirname(path), *INCLUDE_ROOTS):
            candidate = os.path.normpath(os.path.join(root, name))
            if os.path.isfile(os.path.join(ROOT, candidate)):
                yield candidate
                break


def closure(source):
    """The source and all it includes, from the repository."""
    seen, open_ends = {}, [source]
    while open_ends:
        path = open_ends.pop()
        if path not in seen:
            seen[path] = read(path)
            open_ends.extend(included(path, seen[path]))
    return sorted(seen.items())


def configurations(source):
    """The lists of checks that hold for the source: the root's, and what its directories change in it."""
    directories = os.path.dirname(source).split("/")
    below = (os.path.join(*directories[: n + 1], ".clang-tidy") for n in range(len(directories)))
    return [read(path) for path in (".clang-tidy", *below) if os.path.isfile(os.path.join(ROOT, path))]


def key(source, command, version):
    digest = hashlib.sha256()
    for part in (version, *configurations(source), command, *EXTRA, *(part for pair in closure(source) for part in pair)):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def check(source, build):
    """(clang-tidy's findings or None, seconds)"""
    begin = time.monotonic()
    result = subprocess.run(
        ["clang-tidy", "-p", build, "--quiet", *EXTRA, os.path.join(ROOT, source)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    findings = None if result.returncode == 0 else result.stdout or result.stderr
    return findings, time.monotonic() - begin


def main():
    build = os.path.abspath(sys.argv[1])
    cache = os.path.join(build, "clang-tidy-clean")
    os.makedirs(cache, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = {os.path.relpath(entry["file"], ROOT): entry["command"] for entry in json.load(file)}
    keys = {
        source: os.path.join(cache, key(source, command, version))
        for source, command in sorted(commands.items())
        if source.startswith(OURS)
    }
    changed = [source for source in keys if not os.path.exists(keys[source])]
    print(f"{len(keys) - len(changed)} sources are as they were when last found clean, {len(changed)} are not", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        runs = {pool.submit(check, source, build): source for source in changed}
        for done, run in enumerate(concurrent.futures.as_completed(runs), 1):
            source, (findings, seconds) = runs[run], run.result()
            print(f"{'FAILED' if findings else 'ok':6} [{done}/{len(changed)}] {source} ({seconds:.0f} s)", flush=True)
            if findings:
                failed += 1
                print(findings, flush=True)
            else:
                open(keys[source], "w", encoding="utf-8").close()
    print(f"{len(keys) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
