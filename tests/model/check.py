#!/usr/bin/env python3
"""Checks the model of the lease chain with the parameters that the server ships with: check.py BIN_DIRECTORY

Three settings are searched to the end, what must be reachable is reached, and every mutant is caught breaking the
promise that it is meant to break. Ends with "N passed, N failed". Needs spin and gcc."""

import concurrent.futures
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lease_chain.pml")
# For one search. It takes a fraction of either with the defaults; more means that they ask for another model.
LIMIT_SECONDS = 300
LIMIT_MEGABYTES = 3000
DEEPEST = 1_000_000

SETTINGS = ["MOVES", "OBSERVERS", "OUTAGE"]

# What must be reachable: (what, setting, its number in the model).
REACHED = [
    ("a suspicion is refuted", "MOVES", 1),
    ("death on strong evidence", "MOVES", 2),
    ("death on weak evidence", "MOVES", 3),
    ("the pod has moved", "MOVES", 4),
    ("death on strong evidence", "OBSERVERS", 2),
    ("death on weak evidence", "OBSERVERS", 3),
    ("a suspicion is refuted", "OUTAGE", 1),
    ("the pod has moved", "OUTAGE", 4),
    ("a lease at the end of the outage", "OUTAGE", 5),
]

# (mutant, setting, the promise that it breaks there)
MUTANTS = [
    ("LEASE_FROM_THE_ANSWER", "MOVES", "P7"),
    ("TRUST_FROM_THE_ANSWER", "MOVES", "P7"),
    ("TRUST_WITHOUT_RENEWAL", "MOVES", "P7"),
    ("TRUST_BEFORE_REFUTATION", "MOVES", "P7"),
    ("TRUST_BEFORE_HOSTING", "MOVES", "P7"),
    ("SUSPICION_OUTLIVES_REFUTATION", "MOVES", "P7"),
    ("SHORT_GRACE", "MOVES", "P7"),
    ("SILENCE_OF_A_STRANGER", "MOVES", "P7"),
    ("NO_WAIT", "OBSERVERS", "P7"),
    ("DEATH_ON_A_FREE_LOCK", "OBSERVERS", "P7"),
    ("DEATH_ON_A_FREE_LOCK", "OUTAGE", "P7"),
    ("VERDICT_OF_AN_OLD_SESSION", "MOVES", "P1"),
    ("VERDICT_WITHOUT_THE_LOCK", "OBSERVERS", "P1"),
    ("DIES_TWICE", "OBSERVERS", "P2"),
    ("NO_IDENTITY", "OBSERVERS", "P9"),
    ("TRUST_ENDS_WITH_THE_SESSION", "OUTAGE", "P9"),
    ("OUTAGE_OUTLASTS_TRUST", "OUTAGE", "P9"),
    ("UNSOUND_OBSERVER", "OBSERVERS", "P10"),
]


class Search:
    """One run of spin's verifier."""

    def __init__(self, output, status, seconds, trail):
        self.output, self.status, self.seconds, self.trail = output, status, seconds, trail

    def number(self, pattern):
        found = re.search(pattern, self.output)
        return int(found[1]) if found else -1

    @property
    def violated(self):
        """The assertion that does not hold, as pan prints it; empty when all do."""
        found = re.search(r"assertion violated (.*) \(at depth", self.output)
        return found[1] if found else ""

    @property
    def broken_promise(self):
        found = re.search(r"\(?(\d+)==0\)", self.violated)
        return f"P{found[1]}" if found else ""

    @property
    def exhausted(self):
        """Every reachable state was visited, and none was wrong."""
        truncated = "not completed" in self.output or "max search depth" in self.output
        return self.status == 0 and not truncated and self.number(r"errors: (\d+)") == 0


def read_timing(binaries):
    printed = subprocess.run(
        [os.path.join(binaries, "vigil_model_timing")], capture_output=True, text=True, timeout=10, check=True
    ).stdout
    return {name: int(value) for name, value in (line.split() for line in printed.splitlines())}


def ticks_from(timing):
    """The constants of the model. README.md says why these roundings are the cautious ones."""
    tick = math.gcd(timing["trust_window"], timing["lease"])
    rate = 1000 + timing["clock_rate_permille"]

    def at_least(duration):
        """How many ticks have surely passed on every clock when it has passed on one. The server rounds to the
        nanosecond."""
        return (duration + 1) * 1000 // rate // tick

    sure_trust = (timing["trust_window"] * 1000 // rate - timing["ping_interval"]) // tick
    return tick, {
        "TRUST": timing["trust_window"] // tick,
        "LEASE": timing["lease"] // tick,
        "GRACE": at_least(timing["grace"]),
        "WAIT": at_least(timing["wait"]),
        "GRACE_WITHOUT_RATES": at_least(timing["trust_window"] + timing["lease"]),
        "SURE_TRUST": sure_trust,
        "OUTAGE_TICKS": sure_trust,
    }


def search(defines, breadth_first=False):
    """Generates, compiles and runs a verifier in a directory of its own."""
    flags = [f"-D{name}={value}" for name, value in defines.items()]
    with tempfile.TemporaryDirectory(prefix="vigil_model_") as directory:
        shutil.copy(MODEL, directory)
        model = os.path.basename(MODEL)

        def run(*command, limit=60):
            return subprocess.run(
                command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit
            )

        made = run("spin", "-a", *flags, model)
        if made.returncode == 0:
            order = ["-DBFS"] if breadth_first else []
            made = run("gcc", "-O2", "-w", "-DSAFETY", f"-DMEMLIM={LIMIT_MEGABYTES}", *order, "-o", "pan", "pan.c")
        if made.returncode != 0:
            return Search(made.stdout, made.returncode, 0.0, "")
        begun = time.monotonic()
        try:
            ran = run("./pan", f"-m{DEEPEST}", "-w23", limit=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            return Search(f"search not completed: it ran for {LIMIT_SECONDS} s", 1, LIMIT_SECONDS, "")
        seconds = time.monotonic() - begun
        trail = ""
        if os.path.exists(os.path.join(directory, model + ".trail")):
            trail = run("spin", "-t", "-p", *flags, model).stdout
        return Search(ran.stdout, ran.returncode, seconds, trail)


def steps_of(trail):
    """A trail in words: who takes each step, and the line of the model at which it begins."""
    with open(MODEL, encoding="utf-8") as file:
        source = file.read().splitlines()
    # The numbers of those that there are two of, in the order in which the model starts them.
    which = {"1": " A", "2": " B", "3": " A", "7": " B"}
    told = ""
    for match in re.finditer(r"^\s*(\d+):\s+proc\s+(\d+) \((\w+):1\) \S*:(\d+) \(state", trail, re.MULTILINE):
        line = source[int(match[4]) - 1].strip()
        if line.startswith(":: d_step {") and match[1] != told:
            told = match[1]
            yield f"{match[3]}{which.get(match[2], '')}: {line.removeprefix(':: d_step {').strip(' }')}"


def main():
    timing = read_timing(sys.argv[1])
    tick, constants = ticks_from(timing)
    print(f"one tick is {tick / 1e9:g} s; " + ", ".join(f"{name} {value}" for name, value in constants.items()))
    if min(constants.values()) < 1:
        print("a tick is too long for these parameters: a duration rounds to none")
        print("0 passed, 1 failed")
        return 1

    def soundly(setting):
        found = search({**constants, setting: 1})
        states, depth = found.number(r"(\d+) states, stored"), found.number(r"depth reached (\d+)")
        story = f"{states} states, depth {depth}, {found.seconds:.1f} s"
        if found.exhausted:
            return True, f"{setting}: every promise holds; searched to the end: {story}", []
        if not found.violated:
            return False, f"{setting}: not searched to the end: {story}", found.output.splitlines()[-20:]
        shortest = search({**constants, setting: 1}, breadth_first=True)
        trail = list(steps_of(shortest.trail or found.trail))
        return False, f"{setting}: {found.broken_promise or found.violated} is broken by these steps", trail

    def reached(what, setting, number):
        found = search({**constants, setting: 1, "SEEN": number})
        met = f"!={number})" in found.violated
        return met, f"{setting}: {what}" if met else f"{setting}: never reached: {what}", []

    def caught(mutant, setting, promise):
        extra = {mutant: 1}
        if mutant == "OUTAGE_OUTLASTS_TRUST":
            extra["OUTAGE_TICKS"] = constants["OUTAGE_TICKS"] + constants["LEASE"] + 1
        found = search({**constants, setting: 1, **extra})
        met = found.broken_promise == promise
        story = f"breaks {promise}" if met else f"should break {promise}: {found.broken_promise or 'nothing is broken'}"
        return met, f"{setting}: mutant {mutant} {story}", [] if met else found.output.splitlines()[-5:]

    checks = [(soundly, (setting,)) for setting in SETTINGS]
    checks += [(reached, row) for row in REACHED] + [(caught, row) for row in MUTANTS]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for passed, line, details in pool.map(lambda check: check[0](*check[1]), checks):
            failed += not passed
            print(f"{'ok' if passed else 'FAILED':6} {line}", flush=True)
            for detail in details:
                print(f"         {detail}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
