"""Addresses as links where the terminal shows them, as lines of their own elsewhere; colours where they are wanted."""

from __future__ import annotations

import io
import re

import pytest
from test_what_a_person_reads import ADDRESS, result

from miyabi_cli.showing.results import show_results
from miyabi_cli.terminal import Terminal

LINK = re.compile(r"\x1b\]8;[^;]*;([^\x1b]*)\x1b\\")
COLOUR = re.compile(r"\x1b\[[0-9;]*(?:3[0-7]|9[0-7])m")


def shown(environment: dict[str, str], *, address: str = ADDRESS, width: int = 140, terminal: bool = True) -> str:
    """Return a table of results with a pull request as a terminal with these variables gets it."""
    file = io.StringIO()
    variables = {"TERM": "xterm-256color", **environment}
    console = Terminal(
        variables, file=file, width=width, force_terminal=terminal, legacy_windows=False, _environ=variables
    )
    found = result(good=True)
    found.pull_request_url = address
    show_results(console, [found])
    return file.getvalue()


@pytest.mark.parametrize(
    "environment",
    [
        {"VTE_VERSION": "7600"}, {"TERM": "xterm-kitty"}, {"TERM_PROGRAM": "iTerm.app"}, {"WT_SESSION": "x"}, {"FORCE_HYPERLINK": "1"},
        {"TERM_PROGRAM": "vscode", "NO_COLOR": "1"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_with_links_gets_one(environment: dict[str, str], width: int) -> None:
    """The number opens the whole address, at any width, without colours too; no line of its own repeats it."""
    text = shown(environment, width=width)
    assert set(LINK.findall(text)) == {ADDRESS, ""}
    assert ADDRESS not in LINK.sub("", text)
    assert "#12345" in LINK.sub("", text)


@pytest.mark.parametrize(
    "environment", [{}, {"VTE_VERSION": "4999"}, {"VTE_VERSION": "7600", "FORCE_HYPERLINK": "0"}, {"TERM": "dumb"}]
)
def test_another_terminal_gets_a_line(environment: dict[str, str]) -> None:
    """Unbroken, with nothing of an escape in it."""
    text = shown(environment)
    assert LINK.findall(text) == []
    assert [line for line in text.splitlines() if line.endswith(f" {ADDRESS}")] != []


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)//7", "http://x.test/\x1b\\\x1b]0;gone/7", "https://x.test/\u202e/7", "http://x y/7"],
)
def test_what_is_no_plain_web_address_is_no_link(address: str) -> None:
    """An escape in an address reaches no terminal."""
    text = shown({"FORCE_HYPERLINK": "1"}, address=address)
    assert LINK.findall(text) == []
    assert "\x1b]" not in text


def test_colours_are_off_where_nobody_wants_them() -> None:
    """With NO_COLOR, and where the output is no terminal."""
    assert COLOUR.search(shown({"NO_COLOR": "1"})) is None
    assert "\x1b" not in shown({}, terminal=False)
