"""Shows a review: its score or why there is none, what was analysed and what was not, findings, remarks."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from rich.console import Console

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, Finding, FindingSeverity, ReviewResult
from miyabi_cli.terminal import TerminalText, commit, joined, lines, ours, say, shown
from miyabi_core.text import Untrusted, first

#: Findings that are printed; the others are counted, and `--json` has them all.
MOST_FINDINGS = 50


def show_review(console: Console, review: ReviewResult) -> None:
    """Print what a review measured: score, cause, analysers, what none of them looked at, findings, remarks."""
    say(console, ours("  review: "), _score(review))
    if review.verdict_reason:
        say(console, ours("    verdict: "), lines(Untrusted(review.verdict_reason), style="red"))
    if review.compared_sha:
        head, base = commit(Untrusted(review.head_sha)), commit(Untrusted(review.compared_sha))
        say(console, ours("    compared: "), head, ours(" with "), base)
    for run in review.analysers:
        _analyser(console, run)
    for entry in review.left_out:
        say(console, ours("    left out: "), shown(Untrusted(entry), style="yellow"))
    _findings(console, review.findings)
    if review.remarks:
        say(console, ours("    remarks of the model, of which only quoted concerns take points:"))
        say(console, lines(Untrusted(indent(review.remarks, " " * 6))))
    if review.comment_url:
        say(console, ours("    comment: "), shown(Untrusted(review.comment_url)))


def _score(review: ReviewResult) -> TerminalText:
    """Return the score, or that there is none and why."""
    if review.incomplete:
        return ours("incomplete, so there is no verdict", style="red")
    if review.not_analysed:
        return ours("no analyser had anything to read, so there is no score", style="yellow")
    escalated = ours("; a person has to look", style="red") if review.escalated else ours("")
    good = ours("passed", style="green") if review.passed else ours("not passed", style="red")
    return joined(ours("{} of 100, ", review.score), good, escalated)


def _analyser(console: Console, run: AnalyserRun) -> None:
    """Print how one analyser ended, and what it did not look at."""
    say(
        console,
        ours("    analyser: "),
        shown(Untrusted(f"{run.analyser} {run.version}".strip())),
        ours(": "),
        _end(run),
    )
    for note in run.notes:
        say(console, ours("      "), shown(Untrusted(note)))


def _end(run: AnalyserRun) -> TerminalText:
    """Return how one analyser ended."""
    if run.not_applicable:
        return ours("nothing to look at")
    if run.completed:
        return ours("-{} points", run.penalty)
    return joined(ours("no verdict: ", style="red"), lines(Untrusted(run.error or "no reason was given")))


def _findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print the worst findings, and how many more there are."""
    named, rest = first(findings, MOST_FINDINGS)
    for finding in named:
        say(console, ours("    finding: "), _finding(finding))
    if rest:
        say(console, ours("    and {} findings more", rest))


def _finding(finding: Finding) -> TerminalText:
    """Return one finding."""
    severity = FindingSeverity.Name(finding.severity).removeprefix("FINDING_SEVERITY_").lower()
    words = f"{finding.path}:{finding.line} {severity} {finding.analyser} {finding.rule}: {finding.message}"
    return joined(shown(Untrusted(words)), ours(" (-{})", finding.penalty))
