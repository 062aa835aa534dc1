"""Puts the verdicts on several projects of one change into one result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from miyabi.coordinator.v1.result_pb2 import VerifyResult
from miyabi_agents.verification.gate import Gated
from miyabi_agents.verification.judge import MAX_LISTED, MAX_REASON, against, result_of, unproved
from miyabi_agents.verification.remedies import NO_TEST, remedy
from miyabi_core.proto_time import to_duration
from miyabi_core.text import ending, shortened

#: End of the run of the change that is shown.
TAIL_CHARACTERS = 20_000
#: Counts that add up over projects.
_COUNTS = (
    "failed_before_passed_after", "failed_before", "passed_after", "broken", "red_on_base", "blocked", "total", "flaky",
    "deleted", "comparisons_left_out",
)  # fmt: skip


def merged(gated: Sequence[Gated]) -> VerifyResult:
    """Return one result: it passes where no project breaks and at least one proves the change.

    Args:
        gated: What the gate found, a project each.
    """
    whole = VerifyResult()
    results = [result_of(entry.verdict, entry.runs) for entry in gated]
    for entry, result in zip(gated, results, strict=True):
        for name in _COUNTS:
            setattr(whole, name, getattr(whole, name) + getattr(result, name))
        room = MAX_LISTED - len(whole.comparisons)
        whole.comparisons.extend(result.comparisons[:room])
        whole.comparisons_left_out += max(0, len(result.comparisons) - room)
        whole.runs.extend(entry.reports)
        whole.environments.extend(entry.environments)
        whole.expectations.extend(entry.expectations)
        whole.approval_reasons.extend(entry.approvals)
        whole.notes.extend(shortened(note, 1000) for note in entry.notes)
    _say_what_ran(whole, gated)
    whole.verdict_reason = _reason(gated)
    whole.passed = bool(results) and not whole.verdict_reason
    _bound(whole)
    return whole


def _reason(gated: Sequence[Gated]) -> str:
    """Return why the whole is no pass: what speaks against a project, else that nothing proves one; what helps."""
    speaking = {cause: entry for entry in gated if (cause := against(entry.verdict, entry.runs))}
    if not speaking:
        speaking = {unproved(entry.verdict, entry.runs): entry for entry in gated}
        if "" in speaking:
            return ""
    if not speaking:
        return f"no test was run. {NO_TEST}"
    first = next(iter(speaking.values()))
    helps = remedy(first.verdict, first.runs)
    return f"{shortened('; '.join(speaking), MAX_REASON - len(helps) - len('. '))}. {helps}"


def _say_what_ran(whole: VerifyResult, gated: Sequence[Gated]) -> None:
    """Say what ran, for how long and in what."""
    before = sum((run.duration.ToTimedelta() for run in whole.runs if run.name.startswith("base")), timedelta())
    after = sum((run.duration.ToTimedelta() for run in whole.runs if not run.name.startswith("base")), timedelta())
    whole.duration_before.CopyFrom(to_duration(before))
    whole.duration_after.CopyFrom(to_duration(after))
    for entry in gated:
        ran = entry.ran
        if ran is None:
            continue
        whole.command.extend(ran.report.command.split("\0"))
        whole.output_tail = ending(whole.output_tail + ran.report.output_tail, TAIL_CHARACTERS)
        whole.sandbox_layers[:] = ran.layers
        whole.missing_sandbox_layers[:] = ran.missing_layers
        whole.runtime = ", ".join(filter(None, (whole.runtime, shortened(entry.runtime, 200))))


def _bound(whole: VerifyResult) -> None:
    """Keep to the limits of the interface."""
    del whole.runs[40:]
    del whole.environments[20:]
    del whole.expectations[50:]
    del whole.approval_reasons[50:]
    del whole.notes[100:]
