"""Computes the score of a review by the table in docs/review-score.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, Finding, FindingSeverity, ReviewResult
from miyabi_agents.analysers.base import RawFinding

#: Least score that passes.
PASS_SCORE = 80
#: Below this a person is asked.
ESCALATION_SCORE = 50
#: Findings of one rule in one file count this often, so that one habit does not drown the rest.
MOST_PER_RULE_AND_FILE = 3
#: Findings that a result lists.
MAX_FINDINGS = 500


def score(
    findings: Sequence[tuple[str, RawFinding]], runs: Sequence[AnalyserRun], *, remarks: str = ""
) -> ReviewResult:
    """Return the review's result.

    Args:
        findings: Analyser and finding, on changed lines.
        runs: How each analyser ended; one that did not complete makes the review incomplete, never a pass.
        remarks: For a person; they take no points.
    """
    seen: dict[tuple[str, str, str], int] = defaultdict(int)
    rendered = []
    for analyser, entry in findings:
        key = (analyser, entry.rule, entry.path)
        seen[key] += 1
        penalty = entry.points if seen[key] <= MOST_PER_RULE_AND_FILE else 0
        rendered.append(_finding(analyser, entry, penalty))
    total = max(0, 100 - sum(entry.penalty for entry in rendered))
    critical = any(entry.security and entry.severity == FindingSeverity.FINDING_SEVERITY_CRITICAL for entry in rendered)
    incomplete = any(not run.completed and not run.not_applicable for run in runs)
    rendered.sort(key=lambda entry: (-entry.severity, entry.path, entry.line))
    for run in runs:
        run.penalty = sum(entry.penalty for entry in rendered if entry.analyser == run.analyser)
    return ReviewResult(
        score=total,
        passed=total >= PASS_SCORE and not critical and not incomplete,
        incomplete=incomplete,
        escalated=critical or total < ESCALATION_SCORE,
        findings=rendered[:MAX_FINDINGS],
        analysers=runs,
        remarks=remarks[:8000],
    )


def _finding(analyser: str, entry: RawFinding, penalty: int) -> Finding:
    """Render a finding."""
    return Finding(
        analyser=analyser,
        rule=entry.rule,
        path=entry.path,
        line=entry.line,
        severity=entry.severity,
        message=entry.message[:2000],
        penalty=penalty,
        security=entry.security,
    )
