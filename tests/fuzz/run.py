#!/usr/bin/env python3
"""Runs the fuzzers of tests/fuzz from their kept corpora, all at once.

usage: run.py BUILD-DIRECTORY [TARGET...] [--seconds N] [--keep]

What a run finds beyond the kept corpus stays in BUILD-DIRECTORY/corpus for the next one; --keep adds what of it reaches
new code to tests/fuzz/corpus. An input that breaks a property is shown with the command that runs it again. Ends with
"N passed, M failed", a target being one test."""

import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.relpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
KEPT = os.path.join(ROOT, "tests", "fuzz", "corpus")
SHOWN_BYTES = 400
SHOWN_LINES = 40
# What a report of libFuzzer, of a sanitizer, or of a broken property begins with.
FIRST_WORD = re.compile(r"^broken property|^==\d+==|runtime error")
OPTIONS = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1", "-use_value_profile=1"]


class Target:
    def __init__(self, name, build):
        self.name = name
        self.binary = os.path.join(build, "bin", f"vigil_fuzz_{name}")
        self.kept = os.path.join(KEPT, name)
        self.found = os.path.join(build, "corpus", name)
        self.findings = os.path.join(build, "findings", name)
        self.log = os.path.join(build, "reports", f"{name}.log")
        for directory in (self.found, self.findings, os.path.dirname(self.log)):
            os.makedirs(directory, exist_ok=True)
        self.known = set(os.listdir(self.findings))

    def start(self, seconds):
        command = [self.binary, *OPTIONS, f"-max_total_time={seconds}", f"-artifact_prefix={self.findings}/",
                   self.found, self.kept]  # fmt: skip
        with open(self.log, "w", encoding="utf-8") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def report(self, exit_code):
        """Whether it passed; prints what there is to say."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
        coverage = re.findall(r"cov: (\d+)", text)
        if exit_code == 0 and runs and coverage and os.listdir(self.kept):
            print(f"ok     {self.name}: {runs[1]} inputs, {coverage[-1]} edges reached", flush=True)
            return True
        print(f"FAILED {self.name}: exit code {exit_code}" if exit_code else f"FAILED {self.name}: nothing was tried")
        lines = text.splitlines()
        begin = next((i for i, line in enumerate(lines) if FIRST_WORD.search(line)), -20)
        print("".join(f"  {line}\n" for line in lines[begin:][:SHOWN_LINES]), end="")
        for name in sorted(set(os.listdir(self.findings)) - self.known):
            path = os.path.join(self.findings, name)
            with open(path, "rb") as file:
                content = file.read()
            print(f"  the input, {len(content)} bytes: {content[:SHOWN_BYTES]!r}")
            print(f"  to run it again: {self.binary} {path}")
            print(f"  to keep it: cp {path} {self.kept}/")
        sys.stdout.flush()
        return False

    def keep(self):
        """Adds what reaches code that the kept inputs do not, however often it does."""
        before = len(os.listdir(self.kept))
        subprocess.run(
            [self.binary, "-merge=1", "-use_counters=0", self.kept, self.found],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        print(f"kept   {self.name}: {len(os.listdir(self.kept)) - before} more inputs", flush=True)


def main():
    parser = argparse.ArgumentParser(usage="./dev fuzz [TARGET...] [--seconds N] [--keep]")
    parser.add_argument("build")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_intermixed_args()
    names = sorted(os.listdir(KEPT))
    unknown = set(arguments.targets).difference(names)
    if unknown or arguments.seconds < 1:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(names)}" if unknown else "too short")
    targets = [Target(name, arguments.build) for name in arguments.targets or names]
    runs = [(target, target.start(arguments.seconds)) for target in targets]
    try:
        results = [target.report(run.wait()) for target, run in runs]
    finally:
        for _, run in runs:
            run.kill()  # harmless when it has ended
    if arguments.keep and all(results):
        for target in targets:
            target.keep()
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
