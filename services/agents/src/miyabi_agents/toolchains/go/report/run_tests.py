"""Runs `go test -json`, writes its events to a report, and runs a package again without a test that ended it.

    python3 -I run_tests.py GO TEST-ARGUMENTS… -- PACKAGES…

Plain Python of the standard library: it is run in the sandbox, by whatever interpreter is there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

#: How often a package whose tests were ended by a panic is run again without the test that did it.
MAX_ROUNDS = 5
#: Lines of output that are kept of one test; the rest is for the terminal alone.
MAX_LINES = 60
#: Longest line of output that is kept.
MAX_LINE = 2000
#: Packages that are named to one command.
MAX_PACKAGES = 2000


class Report:
    """The report, and what is known of the run."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")
        self.lines: dict[tuple[str, str], int] = {}
        self.open_tests: dict[str, dict[str, None]] = {}
        self.failed_packages: set[str] = set()
        #: Packages whose test binary said its last word; one that a panic or an exit ended does not.
        self.ended: set[str] = set()
        #: Tests that a panic was printed for, and the last that failed, by package.
        self.panicked: dict[str, set[str]] = {}
        self.last: dict[str, str] = {}

    def write(self, event: dict[str, Any]) -> None:
        """Write one event."""
        self.file.write(json.dumps(event) + "\n")

    def take(self, line: str) -> None:
        """Take one line of the runner; what is no event is said to be none."""
        try:
            event = json.loads(line)
            action = event["Action"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self.write({"Action": "text", "Output": line[:MAX_LINE]})
            sys.stdout.write(line)
            return
        key = (event.get("Package", event.get("ImportPath", "")), event.get("Test", ""))
        if action in ("output", "build-output"):
            self.output(event, key)
            return
        if action == "run":
            self.open_tests.setdefault(key[0], {})[key[1]] = None
        elif action in ("pass", "fail", "skip") and key[1]:
            self.open_tests.get(key[0], {}).pop(key[1], None)
            if action == "fail":
                self.last[key[0]] = key[1]
        elif action == "fail":
            self.failed_packages.add(key[0])
        self.write(event)

    def output(self, event: dict[str, Any], key: tuple[str, str]) -> None:
        """Keep the first and show all lines of output."""
        text = event.get("Output", "")
        sys.stdout.write(text)
        if not key[1] and text in ("FAIL\n", "PASS\n"):
            self.ended.add(key[0])
        if key[1] and text.startswith(("panic: ", "fatal error: ")):
            self.panicked.setdefault(key[0], set()).add(key[1])
        count = self.lines[key] = self.lines.get(key, 0) + 1
        if count <= MAX_LINES:
            event["Output"] = text[:MAX_LINE]
            self.write(event)

    def forget(self, package: str) -> None:
        """Forget what is known of a package, which is run again."""
        for known in (self.open_tests, self.panicked, self.last):
            known.pop(package, None)
        self.failed_packages.discard(package)
        self.ended.discard(package)

    def again(self, skipped: dict[str, list[str]]) -> dict[str, list[str]]:
        """Return the packages to run again, each with the outermost tests to leave out, and forget what was open."""
        wanted: dict[str, list[str]] = {}
        for package in sorted(self.failed_packages - self.ended):
            tests = {*self.open_tests.get(package, ()), *self.panicked.get(package, ())} or {self.last.get(package, "")}
            top = sorted({test.split("/")[0] for test in tests if test})
            new = [test for test in top if test not in skipped.get(package, [])]
            if new and re.fullmatch(r"[\w/.~+-]+", package):
                wanted[package] = new
        return wanted


def run(command: list[str], report: Report) -> int:
    """Run one command; returns its exit status."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", errors="replace")
    assert process.stdout is not None
    for line in process.stdout:
        report.take(line)
    return process.wait()


def main() -> int:
    """Run all packages, then those again whose tests were ended in the middle."""
    split = sys.argv.index("--")
    go, arguments, packages = sys.argv[1], sys.argv[2:split], sys.argv[split + 1 :]
    if covered := os.environ.get("MIYABI_COVERED_PACKAGES"):
        profile = Path(os.environ["MIYABI_REPORT"]) / "coverage.go.out"
        arguments += [f"-coverpkg={covered}", f"-coverprofile={profile}"]
    report = Report(Path(os.environ["MIYABI_REPORT"]) / "go.jsonl")
    status = run([go, "test", "-json", *arguments, *packages], report)
    report.write({"Action": "miyabi-ran", "Exit": status})
    skipped: dict[str, list[str]] = {}
    for _ in range(MAX_ROUNDS):
        wanted = report.again(skipped)
        if not wanted:
            break
        for package, tests in sorted(wanted.items()):
            # Tests that did not fail by themselves but were running in parallel are among those left out; they get the
            # reason of the one that ended them.
            skipped.setdefault(package, []).extend(tests)
            report.write({"Action": "miyabi-again", "Package": package, "Skipped": skipped[package]})
            report.forget(package)
            pattern = "^(" + "|".join(re.escape(test) for test in skipped[package]) + ")$"
            status_again = run([go, "test", "-json", *arguments, "-skip", pattern, package], report)
            report.write({"Action": "miyabi-ran", "Exit": status_again})
            status = status or status_again
    report.write({"Action": "miyabi-end", "Exit": status})
    report.file.close()
    return status if status >= 0 else 1


sys.exit(main())
