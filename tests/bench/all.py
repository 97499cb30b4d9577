#!/usr/bin/env python3
"""Runs all benches with their defaults, one after the other, and prints one table of their figures.

usage: all.py BENCH-PROGRAM RESULTS [--write] [--recorded]

The object of each bench is kept in RESULTS. Progress goes to standard error, the table to standard output. Exit codes:
0 measured, whether or not the targets were met; 1 could not measure; 2 wrong usage."""

import argparse
import json
import os
import subprocess
import sys
import time

import figures

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# For all of them together.
LIMIT_SECONDS = 3600


def say(text):
    print(text, file=sys.stderr, flush=True)


def minutes(seconds):
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def benches(program):
    listed = subprocess.run([program, "--list"], check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    return listed.stdout.split()


def measure(program, bench, kept, seconds):
    """Runs it within so many seconds and keeps its object, unless it could not measure."""
    try:
        run = subprocess.run(
            [program, bench, "-o", "json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise figures.Unusable(f"{bench} ran for more than {minutes(seconds)}") from None
    if run.returncode != 0:
        raise figures.Unusable(f"{bench} could not measure: exit code {run.returncode}")
    figures.check(bench, json.loads(run.stdout))
    with open(kept, "w", encoding="utf-8") as file:
        file.write(run.stdout)


def measure_all(program, names, kept_of, limit):
    """The names of those that could not measure."""
    begin, failed = time.monotonic(), []
    for place, bench in enumerate(names, 1):
        so_far = time.monotonic() - begin
        say(f"== {bench}, {place} of {len(names)}, after {minutes(so_far)}")
        try:
            measure(program, bench, kept_of(bench), max(limit - so_far, 1))
        except (figures.Unusable, ValueError) as error:
            say(f"all.py: {error}")
            failed.append(bench)
        say(f"   {minutes(time.monotonic() - begin - so_far)}")
    say(f"== all in {minutes(time.monotonic() - begin)}")
    return failed


def load(names, kept_of):
    results = figures.Results()
    for bench in names:
        try:
            with open(kept_of(bench), encoding="utf-8") as file:
                results.add(bench, json.load(file), os.path.getmtime(file.name))
        except FileNotFoundError:
            raise figures.Unusable(f"there is no result of {bench}") from None
    return results


def main():
    parser = argparse.ArgumentParser(usage="./dev bench --all [--write] [--recorded]")
    parser.add_argument("program", help=argparse.SUPPRESS)
    parser.add_argument("results", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="the figures into the pages that show them")
    parser.add_argument("--recorded", action="store_true", help="measure nothing: take what build/bench has")
    parser.add_argument("--limit", type=float, default=LIMIT_SECONDS, help="seconds for all of them")
    parser.add_argument("--root", default=ROOT, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.makedirs(arguments.results, exist_ok=True)
    kept_of = lambda bench: os.path.join(arguments.results, bench + ".json")
    names = benches(arguments.program)
    failed = [] if arguments.recorded else measure_all(arguments.program, names, kept_of, arguments.limit)
    try:
        results = load([name for name in names if name not in failed], kept_of)
        if results.measured:
            print(figures.for_developers(results), end="", flush=True)
        if failed:
            raise figures.Unusable(f"not measured: {', '.join(failed)}; the pages stay as they are")
        if arguments.write:
            figures.write_pages(arguments.root, results)
    except figures.Unusable as error:
        say(f"all.py: {error}")
        return 1
    missed = results.missed()
    say(f"missed targets: {', '.join(missed)}" if missed else "all targets met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
