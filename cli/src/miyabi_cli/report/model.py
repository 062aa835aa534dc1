"""What a report consists of, whatever it is shown on: sections of rows, with bars where shares are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Row:
    """A row of a section; its texts may be strangers'.

    Args:
        cells: As many as the section has columns.
        below: What is too long for a cell, each with our name of it: addresses, sentences.
        share: Of the longest bar of the section, 0 to 1; None: no bar.
    """

    cells: tuple[str, ...]
    below: tuple[tuple[str, str], ...] = ()
    share: float | None = None


@dataclass(frozen=True)
class Stretch:
    """A stretch of time on a line.

    Args:
        lane: What it belongs to: tasks of one issue stand in one lane.
        kind: Our name of what it was: decides its colour.
        words: What it was, whole.
        start: First moment, UTC without a zone.
        duration: How long.
    """

    lane: str
    kind: str
    words: str
    start: datetime
    duration: timedelta


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Args:
        title: Our words.
        columns: Our names of the columns.
        rows: In order.
        numbers: Positions of columns that hold numbers.
        note: Our words below the title; empty: none.
        bars: What the bars tell, in our words; empty: there are none.
        timeline: Stretches of time, in order; drawn where there is room for a drawing.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    numbers: frozenset[int] = frozenset()
    note: str = ""
    bars: str = ""
    timeline: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report.

    Args:
        title: What it is about, with a name in it.
        facts: Our names and their values, for its head.
        sections: Those that have something to say.
        silent: Titles of sections that had nothing to say.
        not_measured: What the report cannot tell, a sentence each.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    silent: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()


@dataclass
class Sections:
    """Collects sections; those without rows are named and not shown."""

    there: list[Section] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    def add(self, section: Section) -> None:
        """Take a section."""
        if section.rows:
            self.there.append(section)
        else:
            self.silent.append(section.title)


def with_shares(rows: Sequence[tuple[Row, float]]) -> tuple[Row, ...]:
    """Return rows with bars, the longest of which is full.

    Args:
        rows: Each with what its bar tells, 0 or more.
    """
    longest = max((size for _, size in rows), default=0.0)
    return tuple(Row(row.cells, row.below, size / longest if longest > 0 else 0.0) for row, size in rows)
