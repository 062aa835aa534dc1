"""An analyser that fails on one file has a verdict on the others, within a bounded number of tries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.analysers.base import MEDIUM, AnalyserError, RawFinding, Report, Subject
from miyabi_agents.analysers.parts import MAX_NAMES_BYTES, MOST_FAILURES, batches, in_parts
from miyabi_agents.analysers.suite import run_all
from services.agents.tests.test_review import Silent

FILES = tuple(f"n{number:04}.py" for number in range(1000))


class Fragile:
    """Ends without a verdict where it is given one of some files; finds something in each of the others."""

    name = "fragile"
    judges_code = True

    def __init__(self, bad: set[str], error: Exception | None = None) -> None:
        self.bad, self.calls = bad, 0
        self.error = error or AnalyserError("it ended with 139")

    def applies(self, path: str) -> bool:
        return True

    def version(self) -> str:
        return "1"

    async def analyse(self, subject: Subject, files: Sequence[str], runner: Any) -> Report:
        self.calls += 1
        if self.bad & set(files):
            raise self.error
        return Report([RawFinding("r", path, 0, MEDIUM, 1, "m") for path in files])


@pytest.mark.parametrize("bad", [set(), {FILES[0]}, {FILES[-1]}, set(FILES[10:15]), {FILES[0], FILES[500], FILES[999]}])
async def test_findings_of_the_other_files_are_kept(tmp_path: Path, bad: set[str]) -> None:
    """Each file that it fails on alone is named; each other one has its finding."""
    fragile = Fragile(bad)
    report = await in_parts(fragile, Subject(tmp_path, tmp_path, FILES), FILES, None)  # type: ignore[arg-type]
    assert set(report.unread) == bad
    assert sorted(entry.path for entry in report.findings) == sorted(set(FILES) - bad)


async def test_an_analyser_that_always_fails_is_given_up(tmp_path: Path) -> None:
    """After so many failures no smaller parts are tried, and no file is said to be looked at."""
    fragile = Fragile(set(FILES))
    report = await in_parts(fragile, Subject(tmp_path, tmp_path, FILES), FILES, None)  # type: ignore[arg-type]
    assert (set(report.unread), report.findings) == (set(FILES), [])
    assert fragile.calls <= MOST_FAILURES + 20


async def test_an_analyser_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """The first failure after the time is over is the last try of that part."""
    now = iter([0.0, *[10_000.0] * 9999])
    fragile = Fragile(set(FILES))
    subject = Subject(tmp_path, tmp_path, FILES)
    await in_parts(fragile, subject, FILES, None, clock=lambda: next(now))  # type: ignore[arg-type]
    assert fragile.calls == len(list(batches(FILES)))


async def test_output_that_is_none_is_a_failure_of_its_file(tmp_path: Path) -> None:
    """What a tool prints of one file, and is not what it should be, costs the others nothing."""
    silent: Any = Silent()
    subject = Subject(tmp_path, tmp_path, FILES[:9])
    looked = await run_all([Fragile({FILES[3]}, KeyError("results"))], subject, silent, None)  # type: ignore[arg-type]
    assert looked.runs[0].error == f"no verdict on {FILES[3]}: its output could not be understood (KeyError)"
    assert (len(looked.findings), looked.runs[0].completed) == (8, False)


@pytest.mark.parametrize("files", [(), ("a",), FILES, ("x" * 40_000, "b", "y" * 40_000), ("\u96c5" * 300,) * 100])
def test_names_are_given_in_parts_that_a_command_takes(files: tuple[str, ...]) -> None:
    """All of them, in order; a name that is too long for any part is one alone."""
    parts = list(batches(files))
    assert tuple(file for part in parts for file in part) == files
    assert all(len(part) == 1 or sum(len(name.encode()) for name in part) <= MAX_NAMES_BYTES for part in parts)
