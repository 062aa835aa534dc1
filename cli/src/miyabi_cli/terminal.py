"""The surface of the terminal: the only place that prints; no text of a stranger is markup or moves a cursor."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NewType, TypeAlias

from rich.console import Console
from rich.measure import Measurement
from rich.style import Style
from rich.table import Table
from rich.text import Text

from miyabi_core.text import Untrusted, exact, exact_lines, shortened

#: Digits of a commit's name that tell it from every other of a repository.
COMMIT_DIGITS = 12
#: Cells of a bar; half of them where the terminal has fewer columns than `WIDE`.
BAR_CELLS, WIDE = 24, 100
#: Columns that are more than any terminal has.
WIDEST = 10_000
#: A cell that is done and one that is not: told apart without colour, and where there is ASCII only.
CELLS, ASCII_CELLS = ("█", "░"), ("#", ".")

#: A web address that an escape sequence can carry as it is.
_WEB_ADDRESS = re.compile(r"https?://[!-~]+")
#: Terminals that show links, by the variable that each sets; any value counts.
#: Source: gist.github.com/egmontkob, "Hyperlinks in Terminal Emulators", and its list of terminals.
_LINKING = ("KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "DOMTERM")
#: The same by TERM_PROGRAM, and by TERM.
_LINKING_PROGRAMS = frozenset({"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", "WarpTerminal", "tabby"})
_LINKING_TERMS = frozenset({"xterm-kitty", "alacritty", "foot", "foot-extra", "xterm-ghostty", "wezterm", "contour"})
#: VTE (GNOME Terminal and relatives) shows links since 0.50, and crashed on them in that release.
_VTE_SINCE = 5001

#: Text that may be printed; made by `ours`, `shown`, `commit` and `lines` only.
TerminalText = NewType("TerminalText", Text)
#: What numbers a literal of ours may hold.
Number: TypeAlias = int | float
#: What JSON lets stand and a terminal may obey: control characters of eight bits, directions, invisible ones.
_NOT_ASCII = re.compile(r"[^\x20-\x7e]+")


class Terminal(Console):
    """A console that knows whether its terminal shows links (OSC 8).

    Args:
        environment: The process's variables; FORCE_HYPERLINK=1 or 0 decides, as in other programs.
        options: Of rich's console.
    """

    def __init__(self, environment: Mapping[str, str], **options: Any) -> None:
        super().__init__(**options)
        forced = environment.get("FORCE_HYPERLINK", "")
        known = self.is_terminal and not self.is_dumb_terminal and _is_linking(environment)
        self.links = forced != "0" and (known or bool(forced))


def _is_linking(environment: Mapping[str, str]) -> bool:
    """Tell by what a terminal says of itself whether it shows links; one that is not known does not."""
    vte = environment.get("VTE_VERSION", "")
    return (
        any(environment.get(name) for name in _LINKING)
        or environment.get("TERM_PROGRAM", "") in _LINKING_PROGRAMS
        or environment.get("TERM", "") in _LINKING_TERMS
        or (vte.isdigit() and int(vte) >= _VTE_SINCE)
    )


def ours(template: str, /, *numbers: Number, style: str = "") -> TerminalText:
    """Return our own words.

    Args:
        template: A literal of ours in the form of `str.format`; a test reads the code for anything else.
        numbers: For the literal.
        style: A style of rich.
    """
    return TerminalText(Text(template.format(*numbers), style=style))


def shown(text: Untrusted, *, style: str = "", most: int | None = None) -> TerminalText:
    """Return a stranger's text in one line: nothing of it is markup, what cannot be seen is spelled out.

    Args:
        text: What the stranger wrote.
        style: A style of rich.
        most: Characters that it may take, the mark that says how many are left out included; None: all.
    """
    whole = exact(text.raw)
    return TerminalText(Text(whole if most is None else shortened(whole, most), style=style))


def commit(sha: Untrusted) -> TerminalText:
    """Return a commit as people name it: by its first digits, of which git needs no more."""
    return TerminalText(Text(exact(sha.raw)[:COMMIT_DIGITS]))


def lines(text: Untrusted, *, style: str = "") -> TerminalText:
    """Return a stranger's text with its lines and tabs."""
    return TerminalText(Text(exact_lines(text.raw), style=style))


def linked(console: Console, text: TerminalText, address: Untrusted) -> TerminalText:
    """Return a text that opens an address where the terminal shows links; elsewhere the text alone.

    Args:
        console: Where to.
        text: What is seen.
        address: What a click opens; only a web address of printable ASCII becomes one.
    """
    if not shows_links(console) or not _WEB_ADDRESS.fullmatch(address.raw):
        return text
    found: Text = text.copy()
    found.stylize(Style(link=address.raw))
    return TerminalText(found)


def shows_links(console: Console) -> bool:
    """Tell whether a console is a terminal that shows links."""
    return isinstance(console, Terminal) and console.links


def joined(*parts: TerminalText, by: str = "") -> TerminalText:
    """Return the parts in a row, with *by*, a literal of ours, between them."""
    return TerminalText(Text(by).join(parts))


def say(console: Console, *parts: TerminalText, end: str = "\n", wrap: bool = False) -> None:
    """Print the parts in a row.

    Args:
        console: Where to.
        parts: What.
        end: A literal of ours that is printed after them.
        wrap: Break lines between words at the console's width; else the terminal breaks them where it has to.
    """
    console.print(Text.assemble(*parts, end=""), end=end, highlight=False, soft_wrap=not wrap)


def say_table(console: Console, table: Table) -> None:
    """Print a table that was filled by `row`."""
    console.print(table)


def say_rows(console: Console, table: Table) -> None:
    """Print a table that was filled by `row`; where it does not fit, its rows as lines, so that nothing is broken."""
    unbounded = console.options.update(max_width=WIDEST)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table)
        return
    names = [TerminalText(Text(str(column.header))) for column in table.columns]
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        there = [(name, TerminalText(Text.assemble(cell))) for name, cell in zip(names, cells, strict=True)]
        first, *rest = there
        marks = [part for name, cell in rest if not name for part in (ours(" "), cell)]
        say(console, first[1], *marks)
        for name, cell in rest:
            if name:
                say(console, ours("  "), name, ours(": "), cell)


def row(table: Table, *cells: TerminalText, style: str | None = None) -> None:
    """Add a row to a table."""
    table.add_row(*cells, style=style)


def json_line(value: Any) -> str:
    """Return one line of JSON that reads well and holds nothing that a terminal would obey."""
    return _NOT_ASCII.sub(_visible, json.dumps(value, ensure_ascii=False))


def _visible(match: re.Match[str]) -> str:
    """Return a run of characters, with JSON's escapes for those that cannot be seen."""
    return "".join(char if exact(char) == char else json.dumps(char, ensure_ascii=True)[1:-1] for char in match.group())


def bar(console: Console, part: float, *, cells: int) -> TerminalText:
    """Return a bar that is told by its form, not by colour alone.

    Args:
        console: Where to; one that knows ASCII only gets ASCII.
        part: 0 to 1; only 1 is full, and only what rounds to nothing is empty.
        cells: Cells of a full bar.
    """
    full, empty = CELLS if (console.encoding or "").lower().startswith("utf") else ASCII_CELLS
    done = min(cells, max(int(cells * part), 1 if part > 0 else 0))
    return TerminalText(Text.assemble((full * done, "green"), (empty * (cells - done), "dim")))
