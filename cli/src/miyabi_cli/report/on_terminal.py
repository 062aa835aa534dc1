"""Shows a report on a terminal: tables where they fit, else lines; what is long stands below, in lines of its own."""

from __future__ import annotations

import io
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from miyabi_cli.report.model import Report, Row, Section
from miyabi_cli.terminal import WIDEST, TerminalText, bar, ours, row, say, say_table, shown
from miyabi_core.text import Untrusted, exact

#: Cells of a bar in a table.
BAR_CELLS = 20
#: Columns that a name needs beside a table's numbers; with fewer each row has lines of its own.
NARROWEST_NAME = 14
#: Columns of a report in a file: what an editor shows.
FILE_WIDTH = 120


def show_report(console: Console, report: Report) -> None:
    """Print a report."""
    say(console, shown(Untrusted(report.title), style="bold"))
    for name, value in report.facts:
        say(console, ours("  "), shown(Untrusted(name)), ours(": "), shown(Untrusted(value)))
    for section in report.sections:
        _section(console, section)
    if report.silent:
        say(console)
        say(console, ours("Nothing to say of: ", style="dim"), shown(Untrusted("; ".join(report.silent)), style="dim"))
    for words in report.not_measured:
        say(console, ours("not measured: ", style="yellow"), shown(Untrusted(words)))


def text_of(report: Report) -> str:
    """Return a report as it stands on a wide terminal, without colours, for a file."""
    console = Console(file=io.StringIO(), width=FILE_WIDTH, color_system=None)
    show_report(console, report)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _section(console: Console, section: Section) -> None:
    """Print one section."""
    say(console)
    say(console, shown(Untrusted(section.title), style="bold"))
    if section.note:
        say(console, shown(Untrusted(section.note), style="dim"), wrap=True)
    table = _fitting(console, section)
    if table is not None:
        say_table(console, table)
        _below(console, section)
        return
    for entry in section.rows:
        _block(console, section, entry)


def _fitting(console: Console, section: Section) -> Table | None:
    """Return a section's table as it fits: with bars, without, with its first column folded; None: it does not."""
    unbounded = console.options.update(max_width=WIDEST)
    for bars in (True, False):
        table = _table(console, section, bars=bars)
        wide = Measurement.get(console, unbounded, table).maximum
        if wide <= console.width:
            return table
    name = max((cell_len(exact(entry.cells[0])) for entry in section.rows), default=0)
    room = console.width - (wide - max(name, cell_len(section.columns[0])))
    return _table(console, section, bars=False, first=room) if room >= NARROWEST_NAME else None


def _table(console: Console, section: Section, *, bars: bool, first: int | None = None) -> Table:
    """Return a section as a table; rows that have something below are numbered.

    Args:
        console: Where to.
        section: What.
        bars: With bars.
        first: Columns that names may take; longer ones are folded. None: as many as they need.
    """
    numbered = any(entry.below for entry in section.rows)
    bars = bars and bool(section.bars)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_header=any(section.columns))
    table.pad_edge, table.collapse_padding = False, True
    if numbered:
        table.add_column("", justify="right", no_wrap=True)
    for position, name in enumerate(section.columns):
        justify: Any = "right" if position in section.numbers else "left"
        if position == 0 and first is not None:
            table.add_column(name, max_width=first, overflow="fold")
        else:
            table.add_column(name, justify=justify, no_wrap=True)
    if bars:
        table.add_column("", no_wrap=True)
    for number, entry in enumerate(section.rows, 1):
        cells: list[TerminalText] = [ours("{}", number)] if numbered else []
        cells += [shown(Untrusted(cell)) for cell in entry.cells]
        if bars:
            cells.append(bar(console, entry.share or 0.0, cells=BAR_CELLS))
        row(table, *cells)
    return table


def _below(console: Console, section: Section) -> None:
    """Print what no cell holds whole, by the number of its row."""
    for number, entry in enumerate(section.rows, 1):
        for name, value in entry.below:
            say(
                console,
                ours("{:>3} ", number),
                shown(Untrusted(name), style="dim"),
                ours(": "),
                shown(Untrusted(value)),
            )


def _block(console: Console, section: Section, entry: Row) -> None:
    """Print one row as lines, where a table does not fit."""
    say(console, ours("- "), shown(Untrusted(entry.cells[0]), style="bold"))
    for name, value in (*zip(section.columns[1:], entry.cells[1:], strict=True), *entry.below):
        say(console, ours("  "), shown(Untrusted(name), style="dim"), ours(": "), shown(Untrusted(value)))
