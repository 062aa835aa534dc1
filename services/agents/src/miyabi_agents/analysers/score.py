"""Computes the score of a review by the table in docs/review-score.md, and says why it is no pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, Finding, FindingSeverity, ReviewResult
from miyabi_agents.analysers.base import RawFinding
from miyabi_core.text import first, shortened

#: Least score that passes.
PASS_SCORE = 80
#: Below this a person is asked.
ESCALATION_SCORE = 50
#: Findings of one rule in one file count this often, so that one habit does not drown the rest.
MOST_PER_RULE_AND_FILE = 3
#: Findings that a result lists.
MAX_FINDINGS = 500
#: Analysers without a verdict that a sentence names.
NAMED = 3
#: Longest error of one of them in that sentence, and longest sentence.
MAX_ERROR, MAX_REASON = 300, 2000
#: What helps where a review is no pass for what it found.
MEND = "Mend the findings, the worst first, or have a person decide."


def score(
    findings: Sequence[tuple[str, RawFinding]],
    runs: Sequence[AnalyserRun],
    *,
    remarks: str = "",
    analysed: bool = True,
    remedy: str = "",
) -> ReviewResult:
    """Return the review's result.

    Args:
        findings: Analyser and finding, on changed lines.
        runs: How each analyser ended; one that did not complete makes the review incomplete, never a pass.
        remarks: For a person; what of them takes points is among the findings.
        analysed: Whether some analyser had something of the change to read; where none had, there is no score.
        remedy: What a person can do where the review is incomplete, as a sentence.
    """
    rendered = _rendered(findings)
    total = max(0, 100 - sum(entry.penalty for entry in rendered))
    critical = any(entry.security and entry.severity == FindingSeverity.FINDING_SEVERITY_CRITICAL for entry in rendered)
    incomplete = any(not run.completed and not run.not_applicable for run in runs)
    rendered.sort(key=lambda entry: (-entry.severity, entry.path, entry.line))
    for run in runs:
        run.penalty = sum(entry.penalty for entry in rendered if entry.analyser == run.analyser)
    named, rest = first(rendered, MAX_FINDINGS)
    result = ReviewResult(
        score=total,
        passed=total >= PASS_SCORE and not critical and not incomplete,
        incomplete=incomplete,
        escalated=critical or total < ESCALATION_SCORE,
        not_analysed=not analysed and not incomplete,
        findings=named,
        left_out=[f"{rest} more findings, which count, are not listed"] if rest else [],
        analysers=runs,
        remarks=shortened(remarks, 8000),
    )
    result.verdict_reason = shortened(_why_not(result, critical=critical, remedy=remedy), MAX_REASON)
    return result


def _rendered(findings: Sequence[tuple[str, RawFinding]]) -> list[Finding]:
    """Render the findings with what each takes."""
    seen: dict[tuple[str, str, str], int] = defaultdict(int)
    rendered = []
    for analyser, entry in findings:
        key = (analyser, entry.rule, entry.path)
        seen[key] += 1
        rendered.append(_finding(analyser, entry, entry.points if seen[key] <= MOST_PER_RULE_AND_FILE else 0))
    return rendered


def _why_not(result: ReviewResult, *, critical: bool, remedy: str) -> str:
    """Return why a review is no pass, the cause and then the remedy; empty where it is one."""
    if result.passed:
        return ""
    if result.incomplete:
        silent = [run for run in result.analysers if not run.completed and not run.not_applicable]
        causes = [f"{run.analyser}: {shortened(run.error, MAX_ERROR) or 'it did not end'}" for run in silent[:NAMED]]
        more = f" and {len(silent) - NAMED} more" if len(silent) > NAMED else ""
        return " ".join([f"{'; '.join(causes)}{more}.", *([remedy] if remedy else [])])
    worst = result.findings[0]
    what = "a critical security finding" if critical else f"{result.score} of 100, of which {PASS_SCORE} pass"
    place = f"{worst.path}:{worst.line}" if worst.line else worst.path
    said = f"{what}; the worst of {len(result.findings)} findings is {worst.analyser} {worst.rule} in {place}"
    return f"{said}: {shortened(worst.message, MAX_ERROR).rstrip('.')}. {MEND}"


def _finding(analyser: str, entry: RawFinding, penalty: int) -> Finding:
    """Render a finding."""
    return Finding(
        analyser=analyser,
        rule=entry.rule,
        path=entry.path,
        line=entry.line,
        severity=entry.severity,
        message=shortened(entry.message, 2000),
        penalty=penalty,
        security=entry.security,
    )
