"""Draws bars and time lines as SVG that stands within a page: no script, colours by the page's styles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from html import escape

from miyabi_cli.report.model import Stretch
from miyabi_cli.report.spoken import took
from miyabi_core.text import exact

#: Units of a drawing's width; the page scales it.
WIDTH = 1000
#: Units that names of lanes take on the left.
NAMES = 90
#: Height of a lane, and of what is drawn in it.
LANE, STROKE = 26, 16
#: Narrowest thing that is drawn: thinner ones would not be seen.
NARROWEST = 1.5
#: Marks of time that are drawn at most.
MARKS = 8
#: Seconds between two marks that a person counts in.
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)


def bar_cell(part: float) -> str:
    """Return a bar for a cell of a table; its number stands beside it in the table.

    Args:
        part: 0 to 1.
    """
    width = min(max(part, 0.0), 1.0) * 100
    return (
        '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="10"/><rect class="fill" width="{width:.2f}" height="10"/></svg>'
    )


def timeline(stretches: Sequence[Stretch]) -> str:
    """Return stretches of time as lanes, the first moment on the left.

    Args:
        stretches: At least one, in order.
    """
    begin = min(stretch.start for stretch in stretches)
    seconds = max((stretch.start - begin + stretch.duration).total_seconds() for stretch in stretches) or 1.0
    lanes = list(dict.fromkeys(stretch.lane for stretch in stretches))
    kinds = kinds_of(stretches)
    height = LANE * (len(lanes) + 1)
    scale = (WIDTH - NAMES) / seconds
    parts = [_marks(seconds, scale, height)]
    for number, lane in enumerate(lanes):
        y = LANE * number + LANE * 0.68
        parts.append(f'<text class="lane" x="{NAMES - 8}" y="{y:.1f}">{escape(exact(lane))}</text>')
    for stretch in stretches:
        x = NAMES + (stretch.start - begin).total_seconds() * scale
        width = max(stretch.duration.total_seconds() * scale, NARROWEST)
        y = LANE * lanes.index(stretch.lane) + (LANE - STROKE) / 2
        parts.append(
            f'<rect class="kind{kinds.index(stretch.kind)}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{STROKE}" rx="2"><title>{escape(exact(stretch.words))}</title></rect>'
        )
    label = f"Time line of {len(stretches)} stretches over {took(_span(stretches))}"
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def kinds_of(stretches: Sequence[Stretch]) -> list[str]:
    """Return the kinds of stretches, each once, in order of their first."""
    return list(dict.fromkeys(stretch.kind for stretch in stretches))


def legend(stretches: Sequence[Stretch]) -> str:
    """Return what the colours of a time line mean."""
    return " ".join(
        f'<span class="key"><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="kind{number}" width="10" '
        f'height="10" rx="2"/></svg> {escape(exact(kind))}</span>'
        for number, kind in enumerate(kinds_of(stretches))
    )


def _span(stretches: Sequence[Stretch]) -> timedelta:
    """Return from the first moment to the last."""
    begin = min(stretch.start for stretch in stretches)
    return max(stretch.start + stretch.duration for stretch in stretches) - begin


def _marks(seconds: float, scale: float, height: int) -> str:
    """Return lines at round moments, with their time since the begin."""
    step = next((step for step in _STEPS if seconds / step <= MARKS), seconds / MARKS)
    lines = []
    for number in range(int(seconds / step) + 1):
        x = NAMES + number * step * scale
        words = _clock(number * step)
        lines.append(
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - LANE}"/>'
            f'<text class="time" x="{x:.1f}" y="{height - 8}">{words}</text>'
        )
    return "".join(lines)


def _clock(seconds: float) -> str:
    """Return a time since the begin, short."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02}:{left:02}"
    return f"{minutes}:{left:02}" if minutes else f"{left} s"
