#!/usr/bin/env python3
"""Runs the system tests: tests/system/run.py [--list] [PATTERN...]

PATTERN: only tests whose name (file.class.method) contains one of them. Needs root and the programs in
build/release/bin (or ML2_BIN_DIR). Prints a line per test and what it saw; the last line is "N passed, N failed".
"""
import os
import signal
import sys
import time
import traceback
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True


class Result(unittest.TestResult):
    """A line per test as it ends, its figures, and the trace if it failed."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0
        self.begun = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        self.bad = False

    def _trouble(self, word, test, error):
        self.bad = True
        self.failed += 1
        print(f"{word:5s} {name_of(test)} ({time.monotonic() - self.begun:.1f} s)", flush=True)
        print("".join("      " + line + "\n" for line in
                      "".join(traceback.format_exception(*error)).rstrip().split("\n")), end="", flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self._trouble("ERROR", test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._trouble("FAIL", test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._trouble("FAIL", subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"skip  {name_of(test)}: {reason}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        print(f"ok    {name_of(test)} ({time.monotonic() - self.begun:.1f} s)", flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        for figure in getattr(test, "figures", []):
            print(f"      saw {figure}", flush=True)


def name_of(test):
    return test.id() if hasattr(test, "id") else str(test).replace(" ", "_")


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def main():
    patterns = [argument for argument in sys.argv[1:] if argument != "--list"]
    here = os.path.dirname(os.path.abspath(__file__))
    loader = unittest.TestLoader()
    chosen = [test for test in tests_of(loader.discover(here, "test_*.py"))
              if not patterns or any(pattern in test.id() for pattern in patterns)]
    if "--list" in sys.argv:
        print("\n".join(test.id() for test in chosen))
        return 0
    if os.geteuid() != 0:
        print("run.py: the system tests make network namespaces: run them as root", file=sys.stderr)
        return 1
    if not chosen:
        print(f"run.py: no test's name contains {' or '.join(patterns)}", file=sys.stderr)
        return 1
    # One lab at a time: the classes in order, each sets its lab up and takes it down.
    result = Result()
    unittest.TestSuite(chosen).run(result)
    print(f"{result.passed} passed, {result.failed} failed", flush=True)
    return 1 if result.failed else 0


def interrupted(number, frame):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)  # so that the lab is taken down
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("run.py: interrupted", file=sys.stderr)
        sys.exit(130)
