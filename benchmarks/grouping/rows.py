"""Measures which planted duplicates and conflicts are found, and what is found that is none."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from benchmarks.grouping.planted import REPORTS, Report, fits, retold, templated
from benchmarks.measuring.report import Options, Row
from miyabi_coordinator.decide import duplicates_of, suspects_of
from miyabi_coordinator.decide.ordering import shares_of
from miyabi_coordinator.models import IssueFacts, Run, RunState

#: Batches of each kind; each plants a report of another kind in every second issue that admits it.
ROUNDS = 20
#: Issues of the largest batch that is timed.
LARGE = 10_000
#: Of the planted duplicates and conflicts, at least this share is to be found.
RECALL = 0.9
#: Parts that issues of one template are about.
_PARTS = ("invoices", "orders", "customers", "refunds")


def read_issues(data: Path) -> dict[str, list[tuple[IssueFacts, frozenset[str]]]]:
    """Read issues with the files that their fixes touched, by repository.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no object with repo, problem_statement and ground_truth_files.
    """
    found: defaultdict[str, list[tuple[IssueFacts, frozenset[str]]]] = defaultdict(list)
    for number, line in enumerate(data.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            title, _, body = entry["problem_statement"].partition("\n")
            issue = IssueFacts(number, title.strip(), "", body)
            found[entry["repo"]].append((issue, frozenset(entry["ground_truth_files"])))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{data}, line {number}: {error!r}") from error
    return found


async def rows(options: Options) -> AsyncIterator[Row]:
    """Yield how many false duplicates there are, how many planted ones and conflicts are found, and how fast."""
    if options.issues is None:
        print("row grouping: not measured: name a file of issues, ISSUES=file", file=sys.stderr)
        return
    by_repository = read_issues(options.issues)
    issues = [issue for entries in by_repository.values() for issue, _ in entries]
    yield _false_ones(issues)
    for name in REPORTS:
        yield _planted(name, issues)
    yield _asked("retold", retold, issues)
    yield _asked("retold, delivered", retold, issues, delivered=True)
    yield _asked_in_vain(by_repository)
    yield _templates(issues)
    yield _conflicts(by_repository)
    yield _large(issues)


def _row(case: str, *, found: int, planted: int, wrong: int, **more: object) -> Row:
    """Return a row on what was found; nothing wrong is allowed."""
    recall = found / planted if planted else 1.0
    good = wrong == 0 and recall >= RECALL
    ours = {"found": found, "planted": planted, "wrong": wrong, **more}
    return Row("grouping", ours, {}, recall, f"none wrong, {RECALL:.0%} found", good, planted or wrong, case)


def _false_ones(issues: list[IssueFacts]) -> Row:
    """Look for duplicates where there are none."""
    return _row("real issues", found=0, planted=0, wrong=len(duplicates_of(issues)), issues=len(issues))


def _planted(name: str, issues: list[IssueFacts]) -> Row:
    """Plant reports of one kind among all issues."""
    counted: Counter[str] = Counter()
    for seed in range(ROUNDS):
        dice = random.Random(seed)
        able = [issue for issue in issues if fits(name, issue)]
        chosen = dice.sample(able, len(able) // 2)
        copies = {1000 + issue.number: issue.number for issue in chosen}
        reports = [
            IssueFacts(1000 + issue.number, *_spread(REPORTS[name](dice, issue.title, issue.body))) for issue in chosen
        ]
        found = duplicates_of([*issues, *reports])
        counted["planted"] += len(copies)
        counted["found"] += sum(found.get(copy) == original for copy, original in copies.items())
        counted["wrong"] += sum(copies.get(copy) != original for copy, original in found.items())
    return _row(name, found=counted["found"], planted=counted["planted"], wrong=counted["wrong"], rounds=ROUNDS)


def _asked(name: str, report: Report, issues: list[IssueFacts], *, delivered: bool = False) -> Row:
    """Plant reports that only a model can confirm: each is to be compared with its original, which may be delivered."""
    counted: Counter[str] = Counter()
    for seed in range(ROUNDS):
        dice = random.Random(seed)
        able = [issue for issue in issues if fits(name, issue)]
        chosen = dice.sample(able, len(able) // 2)
        reports = [IssueFacts(1000 + issue.number, *_spread(report(dice, issue.title, issue.body))) for issue in chosen]
        found = suspects_of(reports, ours=issues) if delivered else suspects_of([*issues, *reports])
        asked = {(number - 1000, suspect.issue) for number, suspects in found.items() for suspect in suspects}
        counted["planted"] += len(chosen)
        counted["found"] += sum((issue.number, issue.number) in asked for issue in chosen)
        counted["in_vain"] += sum(copy != original for copy, original in asked)
    vain = round(counted["in_vain"] / ROUNDS, 1)
    return _row(name, found=counted["found"], planted=counted["planted"], wrong=0, rounds=ROUNDS, asked_in_vain=vain)


def _asked_in_vain(by_repository: dict[str, list[tuple[IssueFacts, frozenset[str]]]]) -> Row:
    """Count what a model is asked about in batches of real issues, one a repository; no text may be sure of any."""
    found = [suspects_of([issue for issue, _ in entries]) for entries in by_repository.values()]
    suspects = [suspect for batch in found for chosen in batch.values() for suspect in chosen]
    wrong = sum(suspect.sure for suspect in suspects)
    return _row("real batches", found=0, planted=0, wrong=wrong, comparisons=len(suspects), batches=len(found))


def _spread(report: tuple[str, str]) -> tuple[str, str, str]:
    title, body = report
    return title, "", body


def _templates(issues: list[IssueFacts]) -> Row:
    """Write each issue anew for one part after the other: none of them is a duplicate of another."""
    wrong = sum(len(duplicates_of(templated(issue, _PARTS))) for issue in issues)
    return _row("one template", found=0, planted=0, wrong=wrong, issues=len(issues) * len(_PARTS))


def _conflicts(by_repository: dict[str, list[tuple[IssueFacts, frozenset[str]]]]) -> Row:
    """Have the fixes of each repository planned in any order, with further files behind those that they touch."""
    counted: Counter[str] = Counter()
    for seed in range(ROUNDS):
        dice = random.Random(seed)
        for entries in by_repository.values():
            touched = {issue.number: files for issue, files in entries}
            runs = list(_runs(dice, touched))
            for run in runs:
                waits = {share.issue for share in shares_of(run, runs)}
                expected = {
                    other.issue
                    for other in runs
                    if other.planned < run.planned and touched[other.issue] & touched[run.issue]
                }
                counted["planted"] += len(expected)
                counted["found"] += len(waits & expected)
                counted["wrong"] += len(waits - expected)
    return _row("same files", found=counted["found"], planted=counted["planted"], wrong=counted["wrong"], rounds=ROUNDS)


def _runs(dice: random.Random, touched: dict[int, frozenset[str]]) -> Iterator[Run]:
    """Yield planned runs; every third shares a file that is planted with the one before."""
    order = dice.sample(sorted(touched), len(touched))
    for position, number in enumerate(order):
        if position % 3 == 2:
            shared = f"src/shared_{position}.py"
            touched[number] |= {shared}
            touched[order[position - 1]] |= {shared}
    for position, number in enumerate(order):
        files = (*sorted(touched[number]), *(f"src/{number}/read_{index}.py" for index in range(7)))
        yield Run("B", number, state=RunState.RUNNING, planned=float(position + 1), touches=files[:3])


def _large(issues: list[IssueFacts]) -> Row:
    """Time the largest batch: each issue written anew, with words that no other has."""
    dice = random.Random(0)
    many = []
    for number in range(LARGE):
        issue = issues[number % len(issues)]
        own = " ".join(f"w{dice.randrange(10**9)}" for _ in range(40))
        many.append(IssueFacts(number + 1, f"{issue.title} {own[:60]}", "", f"{issue.body[:2000]}\n{own}"))
    started = time.process_time()
    found = suspects_of(many)
    seconds = time.process_time() - started
    ours = {"cpu_seconds": round(seconds, 2), "issues": LARGE, "found": len(found)}
    return Row("grouping", ours, {}, seconds, "10,000 issues in 30 s of one core", seconds <= 30, LARGE, "large")
