"""Writes a report as one file of HTML: styles and drawings inside, no script, nothing from anywhere else.

The file's own policy forbids everything but its styles, so a text that got through escaping could load and run nothing.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from miyabi_cli.report.drawing import bar_cell, legend, timeline
from miyabi_cli.report.model import Report, Row, Section
from miyabi_core import __version__
from miyabi_core.text import exact

#: Styles of the page, light and dark.
_STYLES = Path(__file__).with_name("report.css")


def html_of(report: Report) -> str:
    """Return a report as a whole page."""
    facts = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in report.facts)
    sections = "\n".join(map(_section, report.sections))
    silent = f'<p class="quiet">Nothing to say of: {_text("; ".join(report.silent))}.</p>' if report.silent else ""
    missing = "".join(f'<p class="missing">Not measured: {_text(words)}</p>' for words in report.not_measured)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="miyabi {__version__}">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>{_text(report.title)}</title>
<style>{_STYLES.read_text(encoding="utf-8")}</style>
</head>
<body>
<header><h1>{_text(report.title)}</h1><dl>{facts}</dl></header>
<main>
{sections}
{silent}{missing}
</main>
</body>
</html>
"""


def _section(section: Section) -> str:
    """Return one section: its title, its drawing, its table."""
    note = f"<p>{_text(section.note)}</p>" if section.note else ""
    drawing = ""
    if section.timeline:
        drawing = f"<figure>{timeline(section.timeline)}<figcaption>{legend(section.timeline)}</figcaption></figure>"
    head = "".join(
        f'<th scope="col"{_class(section, position)}>{_text(name)}</th>'
        for position, name in enumerate(section.columns)
    )
    if section.bars:
        head += f'<th scope="col"><span class="unseen">{_text(section.bars)}, as a bar</span></th>'
    thead = f"<thead><tr>{head}</tr></thead>" if any(section.columns) else ""
    body = "".join(_row(section, entry) for entry in section.rows)
    kind = "" if thead else ' class="pairs"'
    table = f'<div class="wide"><table{kind}>{thead}<tbody>{body}</tbody></table></div>'
    return f"<section><h2>{_text(section.title)}</h2>{note}{drawing}{table}</section>"


def _row(section: Section, entry: Row) -> str:
    """Return a row, and below it what is too long for a cell."""
    cells = "".join(f"<td{_class(section, position)}>{_text(value)}</td>" for position, value in enumerate(entry.cells))
    if section.bars:
        cells += f'<td class="bar">{bar_cell(entry.share or 0.0)}</td>'
    rows = f"<tr>{cells}</tr>"
    if entry.below:
        span = len(entry.cells) + bool(section.bars)
        lines = "".join(f"<li><span>{_text(name)}</span> {_text(value)}</li>" for name, value in entry.below)
        rows += f'<tr class="below"><td colspan="{span}"><ul>{lines}</ul></td></tr>'
    return rows


def _class(section: Section, position: int) -> str:
    """Return how a cell of a column stands."""
    return ' class="number"' if position in section.numbers else ""


def _text(text: str) -> str:
    """Return any text for HTML: what cannot be seen is spelled out, nothing of it is markup."""
    return escape(exact(text))
