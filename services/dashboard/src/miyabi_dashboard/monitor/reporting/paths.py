"""Renders critical paths with what their seconds had gained, had they been zero."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.proto_time import to_duration, to_timestamp
from miyabi_core.text import first
from miyabi_dashboard.monitor.critical_path import Change, Stretch
from miyabi_dashboard.monitor.critical_path.analysis import Analysis
from miyabi_dashboard.monitor.measuring import Family
from miyabi_dashboard.monitor.measuring.reading import kind_name

#: Critical paths of a report: the batch's, and those of its longest runs.
MOST_PATHS = 20
#: Stretches of a chain that a report lists.
MOST_STEPS = 200
#: What-ifs that a report lists, of at least so many seconds.
MOST_WHAT_IFS, LEAST_GAIN = 10, 0.1
_WORK = frozenset({pb.SEGMENT_KIND_WORK, pb.SEGMENT_KIND_FIX_ROUND, pb.SEGMENT_KIND_LOST_ATTEMPT})


def critical_path(analysis: Analysis, issue: int) -> pb.CriticalPath:
    """Return the path of an issue's run; of the batch where *issue* is 0."""
    path = analysis.path_of(issue) if issue else analysis.path
    name = analysis.history.name
    steps, rest = first(path, MOST_STEPS)
    whole = sum(stretch.seconds for stretch in path)
    found = pb.CriticalPath(
        name=f"{name}/runs/{issue}" if issue else name,
        duration=_span(whole),
        segments=_segments(analysis, path, whole, issue),
        steps=[_step(stretch) for stretch in steps],
        steps_left_out=rest,
    )
    if not issue:
        found.what_ifs.extend(_what_ifs(analysis))
    return found


def _segments(analysis: Analysis, path: Sequence[Stretch], whole: float, issue: int) -> list[pb.CriticalSegment]:
    """Return the stretches by kind and subject, longest first."""
    groups: dict[tuple[int, str], list[Stretch]] = {}
    for stretch in path:
        groups.setdefault((stretch.kind, stretch.subject), []).append(stretch)
    found = []
    for stretches in groups.values():
        longest = max(stretches, key=lambda stretch: stretch.seconds)
        seconds = sum(stretch.seconds for stretch in stretches)
        segment = pb.CriticalSegment(
            kind=longest.kind,
            subject=longest.subject,
            count=len(stretches),
            duration=_span(seconds),
            share=seconds / whole if whole else 0.0,
            example=longest.name,
        )
        change = analysis.gone(longest)
        if analysis.predicts(change):
            segment.gain.CopyFrom(_span(max(0.0, analysis.gain(change, issue=issue))))
        found.append(segment)
    return sorted(found, key=lambda segment: (-segment.share, segment.kind, segment.subject))


def _step(stretch: Stretch) -> pb.CriticalStep:
    return pb.CriticalStep(
        kind=stretch.kind,
        subject=stretch.subject,
        name=stretch.name,
        start_time=to_timestamp(datetime.fromtimestamp(stretch.start, UTC)),
        duration=_span(stretch.seconds),
    )


def _what_ifs(analysis: Analysis) -> list[pb.WhatIf]:
    """Return what would have ended the batch sooner, most gain first."""
    plan = analysis.plan
    changes = [
        ("slots+1", "One more slot on the agents", Change(slots=1)),
        ("slots*2", "Twice as many slots on the agents", Change(slots=plan.seen_slots)),
        ("concurrency+1", "One more issue in flight", Change(concurrency=1)),
        ("concurrency*2", "Twice as many issues in flight", Change(concurrency=plan.concurrency)),
        ("half:models", "Calls of models in half their time", Change(model_factor=0.5)),
    ]
    kinds = sorted({step.kind for run in plan.runs for step in run.steps})
    changes += [(f"half:{kind}", f"Each {kind} step in half its time", Change(kind=kind, factor=0.5)) for kind in kinds]
    gains = [(analysis.gain(change), name, text) for name, text, change in changes]
    gains = sorted((entry for entry in gains if entry[0] >= LEAST_GAIN), key=lambda entry: (-entry[0], entry[1]))
    listed, _ = first(gains, MOST_WHAT_IFS)
    return [pb.WhatIf(change=name, text=text, gain=_span(gained)) for gained, name, text in listed]


def share_of(analyses: Sequence[Analysis], family: Family, subject: str, kind: int) -> float:
    """Return which share of batches' critical paths something was, all batches together."""
    whole = sum(stretch.seconds for analysis in analyses for stretch in analysis.path)
    if not whole:
        return 0.0
    return min(1.0, sum(_seconds_of(analysis, family, subject, kind_name(kind)) for analysis in analyses) / whole)


def _seconds_of(analysis: Analysis, family: Family, subject: str, kind: str) -> float:
    """Return the seconds of a batch's critical path that something was."""
    if family in {Family.TASK, Family.QUEUE}:
        kinds = _WORK if family is Family.TASK else {pb.SEGMENT_KIND_QUEUE_WAIT}
        return sum(entry.seconds for entry in analysis.path if entry.kind in kinds and entry.subject == subject)
    return analysis.call_seconds.get((subject, kind), 0.0)


def _span(seconds: float) -> Duration:
    return to_duration(timedelta(seconds=seconds))
