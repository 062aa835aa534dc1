"""Writes a review's findings as SARIF, which other programs read.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, Finding, FindingSeverity, ReviewResult

#: Name of the text that holds it, among the texts of a run.
STEP = "review.sarif"
#: The version, and where its schema is published.
VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: Characters that a text of a run holds at most (event.proto); what does not fit is left out, the least severe first.
MAX_CHARACTERS = 100_000
#: Levels by severity.
_LEVELS = {
    FindingSeverity.FINDING_SEVERITY_CRITICAL: "error",
    FindingSeverity.FINDING_SEVERITY_HIGH: "error",
    FindingSeverity.FINDING_SEVERITY_MEDIUM: "warning",
}


def sarif_of(result: ReviewResult, *, most: int = MAX_CHARACTERS) -> str:
    """Return the log: one run for each analyser, findings on changed lines, with how and why each ended.

    Args:
        result: What the review measured.
        most: Characters that it may have.
    """
    kept = len(result.findings)
    text = _log(result, kept)
    while len(text) > most and kept:
        # By the share that is too much, and one more, so that it ends.
        kept = max(0, min(kept - 1, kept * most // len(text)))
        text = _log(result, kept)
    return text


def _log(result: ReviewResult, kept: int) -> str:
    """Return the log with the first of the findings, which are the worst."""
    by_tool: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in result.findings[:kept]:
        by_tool[finding.analyser].append(finding)
    runs = [_run(run, by_tool[run.analyser]) for run in result.analysers if not run.not_applicable]
    log: dict[str, Any] = {"$schema": SCHEMA, "version": VERSION, "runs": runs}
    # Without this a reader would take what was not run for something that found nothing.
    silent = [f"{run.analyser}: {run.notes[0]}" for run in result.analysers if run.not_applicable and run.notes]
    out = [*silent, *result.left_out]
    if kept < len(result.findings):
        out.insert(0, f"{len(result.findings) - kept} of {len(result.findings)} findings do not fit in here")
    log["properties"] = {"score": result.score, "passed": result.passed, "notLookedAt": out}
    return json.dumps(log, ensure_ascii=False, separators=(",", ":"))


def _run(run: AnalyserRun, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return one analyser's run."""
    rules = sorted({finding.rule for finding in findings})
    driver: dict[str, Any] = {"name": run.analyser, "rules": [{"id": rule} for rule in rules]}
    if run.version:
        driver["version"] = run.version
    told = [{"level": "note", "message": {"text": note}} for note in run.notes]
    if run.error:
        told.insert(0, {"level": "error", "message": {"text": run.error}})
    invocation: dict[str, Any] = {"executionSuccessful": run.completed}
    if told:
        invocation["toolExecutionNotifications"] = told
    results = [_result(finding, rules.index(finding.rule)) for finding in findings]
    return {"tool": {"driver": driver}, "invocations": [invocation], "results": results}


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    """Return one finding; of a whole file it has no line."""
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.path)}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": _LEVELS.get(finding.severity, "note"),
        "message": {"text": finding.message or finding.rule},
        "locations": [{"physicalLocation": place}],
        "properties": {"points": finding.penalty, "security": finding.security},
    }
