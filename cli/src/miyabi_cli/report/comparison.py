"""Compares two batches: what each measured, and by how much the second is more or less than the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import MessageToDict

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_cli.report.contents import TABLES
from miyabi_cli.report.model import Report, Row, Section, Sections
from miyabi_cli.report.paths import named
from miyabi_cli.report.spoken import NOT_MEASURED, count, money, share, took

#: What stands where something is in both and has not changed, or cannot be told.
SAME = "="
#: Both answers.
Pair = tuple[pb.GetPerformanceReportResponse, pb.GetPerformanceReportResponse]
#: How a number is written.
Write = Callable[[float], str]


@dataclass(frozen=True)
class Compared:
    """One thing in both batches; None where a batch did not measure it.

    Args:
        table: Section that it stands in.
        name: What it is, maybe in a stranger's words.
        before: Of the first batch.
        after: Of the second.
        write: How its numbers are written.
    """

    table: str
    name: str
    before: float | None
    after: float | None
    write: Write

    @property
    def change(self) -> str:
        """By how much the second is more or less than the first."""
        if self.before is None or self.after is None:
            return NOT_MEASURED
        if self.before == self.after:
            return SAME
        if not self.before:
            return f"+{self.write(self.after)}"
        return f"{(self.after - self.before) / self.before:+.0%}"


def comparison_of(pair: Pair, names: tuple[str, str]) -> Report:
    """Return the report that compares two batches.

    Args:
        pair: What was measured of each.
        names: Their names.
    """
    sections = Sections()
    compared = list(measures(pair))
    for title in dict.fromkeys(entry.table for entry in compared):
        rows = tuple(_row(entry) for entry in compared if entry.table == title)
        sections.add(Section(title, ("", "A", "B", "change"), rows, frozenset({1, 2, 3})))
    return Report(
        title="Two batches compared",
        facts=(("A", names[0]), ("B", names[1])),
        sections=tuple(sections.there),
        silent=tuple(sections.silent),
        not_measured=tuple(
            f"{letter}: {words}" for letter, answer in zip("AB", pair, strict=True) for words in answer.not_measured
        ),
    )


def comparison_json(pair: Pair, names: tuple[str, str]) -> dict[str, Any]:
    """Return the comparison for machines: both answers, and each number of both."""
    return {
        "a": {"batch": names[0], "report": MessageToDict(pair[0], preserving_proto_field_name=True)},
        "b": {"batch": names[1], "report": MessageToDict(pair[1], preserving_proto_field_name=True)},
        "changes": [
            {"table": entry.table, "name": entry.name, "a": entry.before, "b": entry.after} for entry in measures(pair)
        ],
    }


def measures(pair: Pair) -> Iterable[Compared]:
    """Yield what is compared, table by table."""
    for name, read, write in _TOTALS:
        yield Compared("Totals", name, read(pair[0]), read(pair[1]), write)
    yield from _by_name("Critical path", [_segments(answer) for answer in pair])
    for title, field, _ in TABLES:
        found = [list(getattr(answer, field)) for answer in pair]
        yield from _by_name(f"{title}, sum", [{entry.subject: _seconds(entry.total) for entry in one} for one in found])
        yield from _by_name(
            f"{title}, median", [{entry.subject: _seconds(entry.p50) for entry in one} for one in found]
        )
    failed = [{entry.reason.replace("_", " "): float(entry.runs) for entry in answer.failures} for answer in pair]
    yield from _by_name("Issues that failed, by reason", failed, write=lambda number: count(int(number)))


def _by_name(table: str, found: list[dict[str, float]], *, write: Write | None = None) -> Iterable[Compared]:
    """Yield what either batch has, the largest first."""
    before, after = found
    names = sorted({**before, **after}, key=lambda name: -max(before.get(name, 0.0), after.get(name, 0.0)))
    for name in names:
        yield Compared(table, name, before.get(name), after.get(name), write or _spoken)


def _segments(answer: pb.GetPerformanceReportResponse) -> dict[str, float]:
    """Return the stretches of a batch's critical path by what they were."""
    found: dict[str, float] = {}
    for path in answer.critical_paths:
        if "/runs/" not in path.name:
            found["all of it"] = _seconds(path.duration)
            for segment in path.segments:
                name = named(segment.kind, segment.subject)
                found[name] = found.get(name, 0.0) + _seconds(segment.duration)
    return found


def _row(entry: Compared) -> Row:
    """Return one row."""
    before, after = (NOT_MEASURED if value is None else entry.write(value) for value in (entry.before, entry.after))
    return Row((entry.name, before, after, entry.change))


def _seconds(duration: Any) -> float:
    """Return a duration in seconds."""
    return float(duration.ToTimedelta().total_seconds())


def _spoken(seconds: float) -> str:
    """Write a duration."""
    return took(timedelta(seconds=seconds))


def _length(answer: pb.GetPerformanceReportResponse) -> float | None:
    """Return from a batch's acceptance to its end, or to its newest event."""
    period = answer.period
    if not period.HasField("start_time"):
        return None
    return (period.end_time.ToDatetime() - period.start_time.ToDatetime()).total_seconds()


def _of_success(answer: pb.GetPerformanceReportResponse) -> float | None:
    """Return what a success cost."""
    good = answer.totals.runs_succeeded
    return answer.totals.cost_usd_micros / good if good else None


def _whole(number: float) -> str:
    """Write a count."""
    return count(int(number))


def _dollars(micros: float) -> str:
    """Write money."""
    return money(round(micros))


#: Totals that are compared: name, where it is read, how it is written.
_TOTALS: tuple[tuple[str, Callable[[pb.GetPerformanceReportResponse], float | None], Write], ...] = (
    ("time", _length, _spoken),
    ("issues that succeeded", lambda answer: answer.totals.runs_succeeded, _whole),
    ("issues that failed", lambda answer: answer.totals.runs_failed, _whole),
    (
        "success",
        lambda answer: answer.totals.success_share if answer.totals.HasField("success_share") else None,
        share,
    ),
    ("cost", lambda answer: answer.totals.cost_usd_micros, _dollars),
    ("cost of a success", _of_success, _dollars),
    ("tokens in", lambda answer: answer.totals.input_tokens, _whole),
    ("tokens out", lambda answer: answer.totals.output_tokens, _whole),
    (
        "tokens in from the cache",
        lambda answer: answer.totals.cache_share if answer.totals.HasField("cache_share") else None,
        share,
    ),
)
