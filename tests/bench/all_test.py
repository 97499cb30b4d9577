#!/usr/bin/env python3
"""That all benches together are measured or said not to be, and that the pages say what was measured: with a bench
program that only says what it is told to.

Prints a line for each check and ends with "N passed, N failed"."""

import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "support"))

import figures
from checks import Tally, check, expect, expect_that

BENCHES = sorted({figure.bench for figure in figures.TARGETS + figures.KEY_FIGURES})
LIMIT_SECONDS = 60
# Says what it has in a file, and fails, or never ends, where it has none.
PROGRAM = """#!/bin/sh
if [ "$1" = --list ]; then echo {names}; exit; fi
[ -e "{place}/hang" ] && [ "$1" = "$(cat "{place}/hang")" ] && exec sleep 600
cat "{place}/said/$1.json"
"""
PAGE = "# A page\n\nBefore.\n\n{begin}\nold figures\n{end}\n\nAfter.\n"


class Place:
    """A bench program, results and pages of its own."""

    def __init__(self, directory):
        self.root = directory
        for name in ("said", "tests/bench"):
            os.makedirs(os.path.join(directory, name))
        self.program = self.write("bench", PROGRAM.format(names=" ".join(BENCHES), place=directory))
        os.chmod(self.program, 0o755)
        for page in figures.PAGES:
            self.write(page, PAGE.format(begin=figures.BEGIN, end=figures.END))
        for bench in BENCHES:
            self.say(measured(bench))

    def write(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def read(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8") as file:
            return file.read()

    def pages(self):
        return [self.read(page) for page in figures.PAGES]

    def say(self, result):
        self.write(f"said/{result['bench']}.json", json.dumps(result))

    def run(self, *flags):
        return subprocess.run(
            [sys.executable, os.path.join(HERE, "all.py"), self.program, os.path.join(self.root, "results"),
             "--root", self.root, *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS,
        )  # fmt: skip


def measured(bench, **other):
    """What this bench says when everything is well."""
    rows = [
        {"name": figure.row, "value": 1.5, "unit": "ratio", "target": 2.0 if figure in figures.TARGETS else None,
         "met": True if figure in figures.TARGETS else None}
        for figure in figures.wanted(bench)
    ]  # fmt: skip
    rows.append({"name": "some_bytes", "value": 38964.25, "unit": "bytes", "target": None, "met": None})
    return {"bench": bench, "rows": rows, "vigil": "0.1.0", "postgres": {"version": "15.20 (Debian)"},
            "machine": {"cpus": 2, "processor": "some processor", "kernel": "6.1"}, **other}  # fmt: skip


def with_first_row(bench, **changes):
    result = measured(bench)
    result["rows"][0].update(changes)
    return result


def each_in_a_place(function):
    with tempfile.TemporaryDirectory() as directory:
        function(Place(directory))


def all_are_measured_and_shown(place):
    before = place.pages()
    run = place.run()
    expect(run.returncode, 0, "the exit code of " + run.stderr)
    for number, bench in enumerate(BENCHES, 1):
        expect_that(f"== {bench}, {number} of {len(BENCHES)}, after " in run.stderr, f"progress tells of {bench}")
        expect(json.loads(place.read(f"results/{bench}.json")), measured(bench), "what is kept")
        expect_that(f"| {bench} some_bytes | 38,964 | bytes | | |" in run.stdout, f"a row of {bench} is shown")
    for figure in figures.TARGETS:
        row = f"| {figure.what} | 1.50 | ≤ 2 | yes | `{figure.bench}` `{figure.row}` |"
        expect_that(row in run.stdout, f"shown: {row}")
    for words in ("Vigil 0.1.0", "PostgreSQL 15.20", "2 processors (some processor)", "Linux 6.1", "all targets met"):
        expect_that(words in run.stdout + run.stderr, f"says {words}")
    expect(place.pages(), before, "the pages that nobody asked to write")


def pages_say_what_was_measured(place):
    expect(place.run("--write").returncode, 0, "the exit code")
    for page in place.pages():
        expect_that(page.startswith("# A page\n\nBefore.\n\n") and page.endswith("\n\nAfter.\n"), "the rest stays")
        expect_that("old figures" not in page and "1.50 | ≤ 2 | yes" in page, "the figures are new")
    expect_that("some_bytes" not in place.pages()[0] and "some_bytes" in place.pages()[1], "all rows are on one page")
    before = place.pages()
    expect(place.run("--recorded", "--write").returncode, 0, "the exit code")
    expect(place.pages(), before, "the pages, written again from what is kept")


def missed_target_is_shown_as_missed(place):
    bench, row = figures.TARGETS[0].bench, figures.TARGETS[0].row
    place.say(with_first_row(bench, value=2.75, met=False))
    run = place.run("--write")
    expect(run.returncode, 0, "the exit code")
    expect_that(f"missed targets: {row}" in run.stderr, "it is named in the end")
    for page in [run.stdout, *place.pages()]:
        expect_that("| 2.75 | ≤ 2 | **no** |" in page, "it is shown as missed")


def target_that_is_a_least_is_shown_as_one(place):
    for value, met, shown in ((2.75, True, "| 2.75 | ≥ 2 | yes |"), (1.25, False, "| 1.25 | ≥ 2 | **no** |")):
        place.say(with_first_row(figures.TARGETS[0].bench, value=value, met=met))
        expect_that(shown in place.run().stdout, f"shown: {shown}")


def expect_nothing_written(place, *words):
    before = place.pages()
    run = place.run("--write", "--limit", "5")
    expect(run.returncode, 1, "the exit code")
    expect(place.pages(), before, "the pages")
    for word in words:
        expect_that(word in run.stderr, f"{word!r} is said in {run.stderr}")
    return run


def bench_that_cannot_measure_leaves_the_pages(place):
    os.remove(os.path.join(place.root, "said", f"{BENCHES[0]}.json"))
    run = expect_nothing_written(place, f"{BENCHES[0]} could not measure: exit code 1", "not measured: " + BENCHES[0])
    expect_that(f"| {BENCHES[1]} some_bytes |" in run.stdout, "the others are measured nevertheless")


def bench_that_hangs_leaves_the_pages(place):
    place.write("hang", BENCHES[-1])
    expect_nothing_written(place, f"{BENCHES[-1]} ran for more than 0 min")


def target_without_its_row_leaves_the_pages(place):
    bench, row = figures.TARGETS[0].bench, figures.TARGETS[0].row
    place.say(with_first_row(bench, name="renamed"))
    expect_nothing_written(place, f"{bench} has no row {row}")
    place.say(with_first_row(bench, target=None, met=None))
    expect_nothing_written(place, f"the row {row} of {bench} has no target")


def figure_that_may_be_absent_is_left_out(place):
    figure = next(figure for figure in figures.TARGETS if figure.may_be_absent)
    result = measured(figure.bench)
    result["rows"] = [row for row in result["rows"] if row["name"] != figure.row]
    place.say(result)
    run = place.run("--write")
    expect(run.returncode, 0, "the exit code of " + run.stderr)
    for page in [run.stdout, *place.pages()]:
        expect_that(figure.what not in page and figures.TARGETS[0].what in page, "the others are shown")


def results_of_two_machines_are_no_table(place):
    place.say(measured(BENCHES[0], vigil="0.0.9"))
    expect_nothing_written(place, "not all was measured on one machine")


def page_without_marks_leaves_them_all(place):
    place.write(list(figures.PAGES)[-1], "# A page without a place for figures\n")
    expect_nothing_written(place, "has no place for figures")


def targets_are_those_of_the_benches(program):
    """What the table is made of is there to be measured."""
    listed = subprocess.run([program, "--list"], stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS)
    expect(sorted(listed.stdout.split()), BENCHES, "the list of benches")


CHECKS = [
    all_are_measured_and_shown, pages_say_what_was_measured, missed_target_is_shown_as_missed,
    target_that_is_a_least_is_shown_as_one, bench_that_cannot_measure_leaves_the_pages,
    bench_that_hangs_leaves_the_pages, target_without_its_row_leaves_the_pages, figure_that_may_be_absent_is_left_out,
    results_of_two_machines_are_no_table,
    page_without_marks_leaves_them_all,
]  # fmt: skip


def main():
    try:
        for function in CHECKS:
            with check(function.__name__):
                each_in_a_place(function)
        with check("targets_are_those_of_the_benches"):
            targets_are_those_of_the_benches(os.path.join(os.environ["VIGIL_BIN_DIR"], "vigil_bench"))
    except Exception:
        print(f"{Tally.passed} passed, 1 failed")
        return 1
    print(f"{Tally.passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
