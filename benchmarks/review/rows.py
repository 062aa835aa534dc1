"""Row `review`: recall over planted defects, and the least score of honest changes.

Real changes are read from the folder of clones that `MIYABI_BENCH_REVIEW_MIRRORS` names. What needs an environment of
the repository (go vet, clippy, eslint, tsc) is no part of it: the tests of the review run these.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.measuring.report import Row
from benchmarks.review.honest import Honest, honest
from benchmarks.review.looking import reviewed, written
from benchmarks.review.planted import Planted, clean, planted
from miyabi.coordinator.v1.result_pb2 import ReviewResult
from miyabi_agents.analysers.score import PASS_SCORE

#: Names the folder of clones that real changes are read from.
MIRRORS = "MIYABI_BENCH_REVIEW_MIRRORS"
#: Share of planted defects that are to be found.
RECALL = 0.95
#: Real changes that are reviewed at most, and that the goal is about.
MOST_HONEST, FEWEST_HONEST = 70, 60


async def rows() -> AsyncIterator[Row]:
    """Measure all of it."""
    yield await _recall()
    yield await _written()
    yield await _merged()


def _named(defect: Planted, result: ReviewResult) -> bool:
    """Tell whether a finding in the defect's file has one of the names of its class."""
    names = [f"{entry.rule} {entry.message}" for entry in result.findings if entry.path == defect.path]
    return any(rule in name for rule in defect.rules for name in names)


async def _recall() -> Row:
    """Plant all defects of a language in one change, and count those that are named."""
    by_suffix: defaultdict[str, list[Planted]] = defaultdict(list)
    for defect in planted():
        by_suffix[Path(defect.path).suffix].append(defect)
    missed, count, incomplete = [], 0, []
    for suffix, defects in by_suffix.items():
        result = await reviewed(
            *written({one.path: one.code for one in defects}, {one.path: one.before for one in defects})
        )
        incomplete += [suffix] if result.incomplete else []
        count += len(defects)
        missed += [f"{one.path} {one.kind}: {'/'.join(one.rules)}" for one in defects if not _named(one, result)]
    recall = 1 - len(missed) / count
    ours = {
        "recall": round(recall, 4), "missed": missed, "incomplete": incomplete,
        "classes": len({one.kind for one in planted()}), "languages": len({Path(one.path).suffix for one in planted()}),
    }  # fmt: skip
    return Row("review", ours, {}, recall, f">= {RECALL}", recall >= RECALL and not incomplete, count, "planted")


async def _written() -> Row:
    """Review honest changes that are written for it."""
    scores = {}
    for path, before, after in clean():
        result = await reviewed(*written({path: after}, {path: before}))
        scores[path] = 0 if result.incomplete else result.score
    return _lowest(scores, "clean, written", len(scores))


async def _merged() -> Row:
    """Review real changes; without a folder of clones it was not run."""
    named = os.environ.get(MIRRORS, "")
    if not named:
        return Row(
            "review", {"not run": f"no data: {MIRRORS} is not set"}, {}, 0, "none below 80", True, 0, "clean, real"
        )
    scores, why = {}, {}
    for change in _by_turns(list(honest(Path(named)))):
        result = await change.review()
        scores[change.name] = 0 if result.incomplete else result.score
        if not result.passed:
            worst = [f"{entry.path}:{entry.line} {entry.analyser} {entry.rule}" for entry in result.findings[:4]]
            why[change.name] = f"{result.verdict_reason[:300]} {worst}"
    return _lowest(scores, "clean, real", FEWEST_HONEST, why)


def _by_turns(every: list[Honest]) -> list[Honest]:
    """Return changes of all repositories by turns, as many as are reviewed."""
    by_mirror: defaultdict[Path, list[Honest]] = defaultdict(list)
    for change in every:
        by_mirror[change.mirror].append(change)
    longest = max(map(len, by_mirror.values()), default=0)
    turns = [changes[number] for number in range(longest) for changes in by_mirror.values() if number < len(changes)]
    return turns[:MOST_HONEST]


def _lowest(scores: dict[str, int], case: str, fewest: int, why: dict[str, str] | None = None) -> Row:
    """Return the row of the least score."""
    least = min(scores.values(), default=0)
    ours = {"lowest": least, "below 80": sum(score < PASS_SCORE for score in scores.values()), "why": why or {}}
    good = least >= PASS_SCORE and len(scores) >= fewest
    return Row("review", ours, {}, least / PASS_SCORE, "none below 80", good, len(scores), case)
