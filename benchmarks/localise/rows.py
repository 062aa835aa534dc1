"""Row `localise`: how often a file that the fix touched is among the first ones, beside plain BM25 in the same run.

Weights were chosen by hand on these issues; to see that they hold elsewhere, each repository has a line of its own, and
`passed` wants ours above BM25 without tests in each; the line `held out` judges each repository by weights that were
chosen on the others (`crossed.py`). Issues and mirrors are given by LOCALISE_DATA and
LOCALISE_MIRRORS; where a mirror lacks a commit, a source distribution stands for it (`sources.py`). LOCALISE_FIXES may
name a file of further fixes, of any language (`fixes.py`), whose repositories are among the mirrors; with
LOCALISE_HISTORY=1 the newest fixes in the history of each mirror are measured as well (`history.py`).
"""

from __future__ import annotations

import os
import resource
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from benchmarks.localise.crossed import held_out
from benchmarks.localise.fixes import read_fixes
from benchmarks.localise.history import read_histories
from benchmarks.localise.issues import read_cases
from benchmarks.localise.measuring import DEPTH, Indexing, Measured, Reader, index_twice, measure
from benchmarks.localise.sources import source_of
from benchmarks.measuring.report import Row, percentile

#: Goals: shares of issues with a touched file within the first 1, 3, 5 and 10, in percent.
GOALS = {"acc@1": 68.0, "acc@3": 84.0, "acc@5": 88.0, "recall@10": 92.0}
#: Places that the goals speak of.
_WITHIN = {"acc@1": 1, "acc@3": 3, "acc@5": 5, "recall@10": DEPTH}
#: Longest query at the 95th percentile, in milliseconds of CPU.
QUERY_MS = 100.0


async def rows() -> AsyncIterator[Row]:
    """Measure the row: one line a repository, then all.

    Raises:
        KeyError: LOCALISE_DATA is not set.
        OSError: issues or sources cannot be had.
    """
    mirrors = Path(os.environ.get("LOCALISE_MIRRORS", "build/mirrors"))
    cache = Path(os.environ.get("LOCALISE_CACHE", "build/localise"))
    cases = read_cases(Path(os.environ["LOCALISE_DATA"]))
    every: list[Measured] = []
    largest = Indexing(0, 0.0, 0.0)
    for repository in sorted({case.repository for case in cases}):
        reader, found = Reader(), []
        indexing = None
        for case in (case for case in cases if case.repository == repository):
            source = source_of(repository, case.commit, created=case.created, mirrors=mirrors, cache=cache)
            indexing = indexing or index_twice(repository, source)
            found.append(measure(repository, case.text, case.touched, reader.records(source)))
        assert indexing is not None
        largest = max(largest, indexing, key=lambda one: one.files)
        every += found
        yield _row(found, indexing, repository, "no share below plain BM25 without tests", _above)
    yield _row(every, largest, "all", f"{GOALS}, query p95 <= {QUERY_MS:.0f} ms", _reached)
    yield _crossed(every)
    async for row in _fixes(mirrors):
        yield row
    if os.environ.get("LOCALISE_HISTORY") == "1":
        async for row in _histories(mirrors):
            yield row


async def _fixes(mirrors: Path) -> AsyncIterator[Row]:
    """Measure fixes of any language, one line a language; those that cannot be had are a line that did not pass.

    Raises:
        OSError: the fixes cannot be read.
    """
    if (data := os.environ.get("LOCALISE_FIXES")) is None:
        return
    fixes, missing = read_fixes(Path(data), mirrors)
    for language in sorted({fix.language for fix in fixes}, key=lambda one: one.value):
        found, largest = [], Indexing(0, 0.0, 0.0)
        for fix in (fix for fix in fixes if fix.language is language):
            indexing = index_twice(fix.name, fix.source)
            largest = max(largest, indexing, key=lambda one: one.files)
            found.append(measure(fix.name, fix.text, fix.touched, Reader().records(fix.source)))
        yield _row(found, largest, f"fixes: {language.value}", "no share below plain BM25 without tests", _above)
    if missing:
        yield Row("localise", {"not_run": missing}, {}, 0.0, "every fix is measured", False, 0, "fixes: not run")


async def _histories(mirrors: Path) -> AsyncIterator[Row]:
    """Measure fixes out of the history of each mirror, one line a repository, then all, then all by others' weights.

    Raises:
        OSError: there are no mirrors.
    """
    every: list[Measured] = []
    largest = Indexing(0, 0.0, 0.0)
    for name, fixes in read_histories(mirrors):
        reader, indexing = Reader(), index_twice(name, fixes[0].source)
        largest = max(largest, indexing, key=lambda one: one.files)
        found = [measure(name, fix.text, fix.touched, reader.records(fix.source)) for fix in fixes]
        every += found
        yield _row(found, indexing, f"history: {name}", "no share below plain BM25 without tests", _above)
    if every:
        yield _row(every, largest, "history: all", "no share below plain BM25 without tests", _above)
        yield _crossed(every, "history: held out")


def _crossed(found: Sequence[Measured], case: str = "held out") -> Row:
    """Compare what each repository reaches by weights that were chosen on the others with the weights in use."""
    crossed = shares(held_out([one.judged for one in found], depth=DEPTH))
    used = shares([one.ours for one in found])
    ratio = crossed["acc@5"] / (used["acc@5"] or 1)
    passed = all(crossed[name] >= goal for name, goal in GOALS.items())
    return Row("localise", crossed, {"weights_in_use": used}, ratio, str(GOALS), passed, len(found), case)


def _row(
    found: Sequence[Measured], indexing: Indexing, case: str, goal: str, passed: Callable[[Sequence[Measured]], bool]
) -> Row:
    """Compare rankings of some issues."""
    ours = {
        **shares([one.ours for one in found]),
        "files": indexing.files,
        "index_cpu_s": round(indexing.nothing_kept, 2),
        "index_kept_cpu_s": round(indexing.kept, 2),
        "query_p95_ms": round(percentile([one.query_ms for one in found], 0.95), 1),
        "process_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    baseline = {
        "bm25": shares([one.plain for one in found]),
        "bm25_without_tests": shares([one.plain_without_tests for one in found]),
    }
    ratio = ours["acc@5"] / (baseline["bm25_without_tests"]["acc@5"] or 1)
    return Row("localise", ours, baseline, ratio, goal, passed(found), len(found), case)


def shares(ranks: Sequence[int]) -> dict[str, float]:
    """Return the shares of ranks within each goal's places, in percent."""
    return {name: round(100 * sum(rank < within for rank in ranks) / len(ranks), 1) for name, within in _WITHIN.items()}


def _above(found: Sequence[Measured]) -> bool:
    """Tell whether no share is below that of BM25 without tests."""
    ours, plain = shares([one.ours for one in found]), shares([one.plain_without_tests for one in found])
    return all(ours[name] >= plain[name] for name in _WITHIN)


def _reached(found: Sequence[Measured]) -> bool:
    """Tell whether every goal is reached."""
    ours = shares([one.ours for one in found])
    quick = percentile([one.query_ms for one in found], 0.95) <= QUERY_MS
    return quick and all(ours[name] >= goal for name, goal in GOALS.items())
