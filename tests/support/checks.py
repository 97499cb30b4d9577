"""Checks that build on each other: what the tests in Python have in common."""

import contextlib


class Failed(Exception):
    """A check that did not hold."""


class Tally:
    passed = 0


@contextlib.contextmanager
def check(name):
    """The checks within; what follows builds on them, so the first that fails ends the test."""
    try:
        yield
    except Exception as error:
        print(f"FAILED {name}: {error}", flush=True)
        raise
    Tally.passed += 1
    print(f"ok     {name}", flush=True)


def expect(actual, wanted, what):
    if actual != wanted:
        raise Failed(f"{what} is {actual!r} and not {wanted!r}")


def expect_that(holds, what):
    if not holds:
        raise Failed(f"not so: {what}")
