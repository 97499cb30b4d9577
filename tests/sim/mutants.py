#!/usr/bin/env python3
"""Shows that the simulation catches what it is there for: applies each small wrong change of tests/sim/mutants to a copy of
the sources, builds the simulation, and runs seeds until one of them breaks a promise. Prints a line for each, and ends with
"N passed, N failed". A mutant that survives all its seeds, or that does not apply or compile any more, has failed.

usage: mutants.py [NAME]   those whose name has NAME in it"""

import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MUTANTS = os.path.join(ROOT, "tests", "sim", "mutants")
COPY = os.path.join(ROOT, "build", "mutants", "tree")
# As ./dev sim builds, and as far below the root: so the cache of compilations knows all but what a mutant changes.
BUILD = os.path.join(COPY, "build", "release")
SEEDS = 20000
SEED_LIMIT_SECONDS = 900
BUILD_LIMIT_SECONDS = 900


def run(command, limit, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False, **options)


def bring_copy_up_to_date():
    """Copies what differs, so that only that is compiled again, and removes what is gone."""
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], 60, cwd=ROOT).stdout.split("\n")
    wanted = {path for path in listed if path and os.path.isfile(os.path.join(ROOT, path))}
    for directory, _, files in os.walk(COPY):
        if directory.startswith(BUILD):
            continue
        for file in files:
            path = os.path.relpath(os.path.join(directory, file), COPY)
            if path not in wanted:
                os.remove(os.path.join(COPY, path))
    for path in wanted:
        source, target = os.path.join(ROOT, path), os.path.join(COPY, path)
        with open(source, "rb") as file:
            content = file.read()
        if os.path.exists(target):
            with open(target, "rb") as file:
                if file.read() == content:
                    continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)


def patch(path, reverse=False):
    command = ["patch", "-p1", "--silent", "--forward", "--no-backup-if-mismatch", "-i", path]
    return run(command + (["-R"] if reverse else []), 60, cwd=COPY)


def build():
    return run(["ninja", "-C", BUILD, "vigil_sim"], BUILD_LIMIT_SECONDS)


def verdict():
    """(whether a seed caught it, what there is to say)"""
    simulation = [os.path.join(BUILD, "bin", "vigil_sim"), "--seeds", str(SEEDS)]
    try:
        ran = run(simulation, SEED_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return False, f"survived {SEED_LIMIT_SECONDS} s of seeds"
    caught = re.search(r"^seed (\d+) breaks (P\d+): (.*)$", ran.stdout, re.MULTILINE)
    if ran.returncode == 1 and caught:
        return True, f"seed {caught[1]} breaks {caught[2]}: {caught[3]}"
    if ran.returncode == 0:
        return False, f"survived {SEEDS} seeds"
    return False, f"the simulation ended with {ran.returncode}: {(ran.stdout + ran.stderr)[-500:]}"


def try_mutant(file):
    path = os.path.join(MUTANTS, file)
    applied = patch(path)
    if applied.returncode != 0:
        bring_copy_up_to_date()
        return False, "does not apply: " + applied.stdout + applied.stderr
    try:
        built = build()
        if built.returncode != 0:
            return False, "does not compile: " + built.stdout[-2000:]
        return verdict()
    finally:
        patch(path, reverse=True)


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    files = sorted(file for file in os.listdir(MUTANTS) if file.endswith(".patch") and wanted in file)
    os.makedirs(COPY, exist_ok=True)
    bring_copy_up_to_date()
    os.environ.update(CCACHE_BASEDIR=COPY, CCACHE_NOHASHDIR="1")
    configured = run(["cmake", "--preset", "release"], 300, cwd=COPY)
    if configured.returncode != 0 or build().returncode != 0:
        print(configured.stderr + "\nthe sources do not build without a mutant")
        print("0 passed, 1 failed")
        return 1
    passed = failed = 0
    for file in files:
        began = time.monotonic()
        caught, says = try_mutant(file)
        passed, failed = passed + caught, failed + (not caught)
        outcome = "caught" if caught else "FAILED"
        print(f"{outcome}  {file.removesuffix('.patch')}: {says} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
