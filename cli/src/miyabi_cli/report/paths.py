"""The critical path of a report: which seconds decided when it ended, and what would have ended it sooner."""

from __future__ import annotations

from datetime import timedelta

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_cli.report.model import Row, Section, Stretch, with_shares
from miyabi_cli.report.spoken import NOT_MEASURED, measured, share, took

#: Share of a path below which stretches are told together; `--json` has each.
SMALLEST = 0.001
#: What a stretch was, in a person's words; a test holds it against the proto.
STRETCHES: dict[int, str] = {
    pb.SegmentKind.SEGMENT_KIND_WORK: "work",
    pb.SegmentKind.SEGMENT_KIND_LOST_ATTEMPT: "lost attempt",
    pb.SegmentKind.SEGMENT_KIND_QUEUE_WAIT: "no free slot",
    pb.SegmentKind.SEGMENT_KIND_BACKOFF: "waits for a repeat",
    pb.SegmentKind.SEGMENT_KIND_SLOT_WAIT: "waits for its turn in the batch",
    pb.SegmentKind.SEGMENT_KIND_APPROVAL: "waits for a person",
    pb.SegmentKind.SEGMENT_KIND_PAUSED: "batch paused",
    pb.SegmentKind.SEGMENT_KIND_ORDER_WAIT: "waits for another issue",
    pb.SegmentKind.SEGMENT_KIND_FIX_ROUND: "fix round",
}


def stretch_name(kind: int) -> str:
    """Return what a stretch was; one that is newer than this program by its number."""
    return STRETCHES.get(kind, f"kind {kind}")


def critical_path(path: pb.CriticalPath) -> Section:
    """Return a path's stretches by kind, the longest first, and its chain in order."""
    told = [segment for segment in path.segments if segment.share >= SMALLEST]
    rows = [(_segment(segment), segment.share) for segment in told]
    if len(told) < len(path.segments):
        rows.append((_rest(path), 0.0))
    left_out = f" {path.steps_left_out} stretches more are not drawn." if path.steps_left_out else ""
    return Section(
        f"Critical path of {path.name}",
        ("what", "times", "sum", "share", "gain", "longest in"),
        with_shares(rows),
        frozenset({1, 2, 3, 4}),
        note=f"{took(path.duration)}: the chain that ended last. Gain: sooner without these seconds.{left_out}",
        bars="share",
        timeline=tuple(_stretch(step) for step in path.steps),
    )


def _segment(segment: pb.CriticalSegment) -> Row:
    """Return the row of all stretches of a kind."""
    return Row(
        (
            named(segment.kind, segment.subject),
            str(segment.count),
            took(segment.duration),
            share(segment.share),
            measured(segment, "gain"),
            issue_of(segment.example),
        )
    )


def _rest(path: pb.CriticalPath) -> Row:
    """Return the row of all stretches that are too short for rows of their own."""
    small = [segment for segment in path.segments if segment.share < SMALLEST]
    whole = sum((segment.duration.ToTimedelta() for segment in small), timedelta(0))
    times = sum(segment.count for segment in small)
    words = f"{len(small)} more, each below {share(SMALLEST)}"
    return Row((words, str(times), took(whole), share(sum(segment.share for segment in small)), NOT_MEASURED, ""))


def named(kind: int, subject: str) -> str:
    """Return what a stretch was, with the step that it belongs to."""
    what = stretch_name(kind)
    return f"{subject.replace('_', ' ')}: {what}" if subject else what


def issue_of(name: str) -> str:
    """Return the issue of a task or a run, or that it is the batch itself."""
    run = name.partition("/tasks/")[0].rpartition("/runs/")[2]
    return f"#{run}" if run.isdigit() else "batch"


def _stretch(step: pb.CriticalStep) -> Stretch:
    """Return one stretch of the chain."""
    words = f"{named(step.kind, step.subject)}, {took(step.duration)}, {step.name}"
    return Stretch(
        issue_of(step.name), stretch_name(step.kind), words, step.start_time.ToDatetime(), step.duration.ToTimedelta()
    )


def what_ifs(path: pb.CriticalPath) -> Section:
    """Return what would have ended a batch sooner."""
    rows = [(Row((entry.text, took(entry.gain))), entry.gain.ToTimedelta().total_seconds()) for entry in path.what_ifs]
    return Section(
        "What would have ended it sooner",
        ("change", "sooner by"),
        with_shares(rows),
        frozenset({1}),
        note="By running the same durations again with the change made; gains do not add up.",
        bars="sooner by",
    )
