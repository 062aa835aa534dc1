"""Writes a report as GitHub's Markdown, for an issue, a pull request or a chat."""

from __future__ import annotations

from miyabi_cli.report.model import Report, Section
from miyabi_core.text import GitHubMarkdown, Untrusted, cell, inline, joined, ours


def markdown_of(report: Report) -> str:
    """Return a report; nothing of a stranger's text is Markdown."""
    parts = [ours("# {title}", title=_text(report.title)), _list(report.facts)]
    for section in report.sections:
        parts += _section(section)
    if report.silent:
        parts.append(ours("Nothing to say of: {titles}.", titles=_text("; ".join(report.silent))))
    parts += [ours("Not measured: {words}", words=_text(words)) for words in report.not_measured]
    return joined(parts).text + "\n"


def _section(section: Section) -> list[GitHubMarkdown]:
    """Return the parts of a section."""
    numbered = any(entry.below for entry in section.rows)
    heads = ("", *section.columns) if numbered else section.columns
    shift = int(numbered)
    rule = [ours("---:") if position - shift in section.numbers else ours("---") for position in range(len(heads))]
    lines = [_row([_text(head) for head in heads]), _row(rule)]
    for number, entry in enumerate(section.rows, 1):
        first = [ours("{number}", number=number)] if numbered else []
        lines.append(_row([*first, *map(_text, entry.cells)]))
    below = [
        ours("row {number}, {name}: {value}", number=number, name=_text(name), value=_text(value))
        for number, entry in enumerate(section.rows, 1)
        for name, value in entry.below
    ]
    parts = [ours("## {title}", title=_text(section.title))]
    if section.note:
        parts.append(_text(section.note))
    parts.append(joined(lines, by="\n"))
    parts.append(joined([ours("- {entry}", entry=entry) for entry in below], by="\n"))
    return parts


def _row(cells: list[GitHubMarkdown]) -> GitHubMarkdown:
    """Return a row of a table; an empty cell is one all the same."""
    return ours("| {cells} |", cells=joined([cell(entry) or ours(" ") for entry in cells], by=" | "))


def _list(facts: tuple[tuple[str, str], ...]) -> GitHubMarkdown:
    """Return names with their values as a list."""
    lines = [ours("- {name}: {value}", name=_text(name), value=_text(value)) for name, value in facts]
    return joined(lines, by="\n")


def _text(text: str) -> GitHubMarkdown:
    """Return any text for the middle of a line."""
    return inline(Untrusted(text))
