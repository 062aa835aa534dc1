"""What other programs read of a review is SARIF by the published schema, whatever the findings say, and fits its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, Finding, ReviewResult
from miyabi_agents.analysers.sarif import MAX_CHARACTERS, sarif_of

#: What `make setup-dev` fetches.
SCHEMA = Path(__file__).parents[4] / "build/sarif/sarif-2.1.0.json"
WORDS = st.text(max_size=40)
FINDINGS = st.builds(
    Finding,
    analyser=st.sampled_from(["ruff", "mypy"]),
    rule=WORDS.filter(bool),
    path=WORDS.filter(bool),
    line=st.integers(0, 10**6),
    severity=st.integers(0, 4),
    message=WORDS,
    penalty=st.integers(0, 40),
    security=st.booleans(),
)
RUNS = [
    AnalyserRun(analyser="ruff", version="1", completed=True, notes=["by other rules"]),
    AnalyserRun(analyser="mypy", error="it crashed"),
    AnalyserRun(analyser="tsc", not_applicable=True),
]


def log_of(findings: list[Finding], *, most: int = MAX_CHARACTERS) -> dict[str, Any]:
    """Return the log of findings."""
    text = sarif_of(ReviewResult(score=70, findings=findings, analysers=RUNS, left_out=["a.png: binary"]), most=most)
    assert len(text) <= most
    read: dict[str, Any] = json.loads(text)
    return read


@settings(deadline=None, max_examples=50)
@given(st.lists(FINDINGS, max_size=5))
def test_every_log_is_valid(findings: list[Finding]) -> None:
    """By the schema that OASIS publishes; every finding is in it, under its analyser."""
    assert SCHEMA.exists(), "run `make setup-dev`"
    log = log_of(findings)
    assert [error.message for error in Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(log)] == []
    assert sum(len(run["results"]) for run in log["runs"]) == len(findings)


def test_an_analyser_without_a_verdict_says_so() -> None:
    """One that crashed is told as one that did not succeed, with why; one that had nothing to look at is not there."""
    first, second = (run["invocations"][0] for run in log_of([])["runs"])
    assert (first["executionSuccessful"], second["executionSuccessful"]) == (True, False)
    assert second["toolExecutionNotifications"] == [{"level": "error", "message": {"text": "it crashed"}}]


def test_what_was_not_run_is_said() -> None:
    """An audit that reached no index is no audit that found nothing: its reason stands first in what nobody looked at."""
    audit = AnalyserRun(analyser="dependency audit", not_applicable=True, notes=["not run for a 1.0: refused", "more"])
    log = json.loads(sarif_of(ReviewResult(score=100, analysers=[*RUNS, audit], left_out=["a.png: binary"])))
    assert log["properties"]["notLookedAt"] == ["dependency audit: not run for a 1.0: refused", "a.png: binary"]


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    """The worst come first; the log stays whole JSON and says how many findings it is without."""
    findings = [Finding(analyser="ruff", rule=f"R{n}", path="a.py", line=n, message="x" * 500) for n in range(1, 400)]
    log = log_of(findings)
    kept = [result["ruleId"] for run in log["runs"] for result in run["results"]]
    assert 0 < len(kept) < len(findings)
    assert kept == [finding.rule for finding in findings[: len(kept)]]
    said = f"{len(findings) - len(kept)} of {len(findings)} findings do not fit in here"
    assert log["properties"]["notLookedAt"] == [said, "a.png: binary"]
