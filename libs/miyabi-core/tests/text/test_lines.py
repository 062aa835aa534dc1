"""A line is what Python's tokenizer takes for one."""

from __future__ import annotations

import ast

import pytest

from miyabi_core.text import split_lines

#: What `str.splitlines` takes for an end, and no reader of source code does.
NO_ENDS = ["\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("char", NO_ENDS, ids=ascii)
def test_what_ends_no_line_shifts_no_number(char: str) -> None:
    """The name on the third line is on the third line, whatever stands in the comments before it."""
    source = f"# a{char}b\n# c{char}\nfound = 1\n"
    number = next(at for at, line in enumerate(split_lines(source), 1) if line.startswith("found"))
    assert number == ast.parse(source).body[0].lineno


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\n", ["a", ""]),
        ("a\r\nb\rc\nd", ["a", "b", "c", "d"]),
        ("\r\r\n\n", ["", "", ""]),
        ("\n\r", ["", ""]),
    ],
)
def test_lines_end_at_the_three_ends(content: str, lines: list[str]) -> None:
    """Text and bytes are split alike, and with their ends the lines are the whole content again."""
    assert split_lines(content) == lines
    assert split_lines(content.encode()) == [line.encode() for line in lines]
    assert "".join(split_lines(content, keep_ends=True)) == content
    assert b"".join(split_lines(content.encode(), keep_ends=True)) == content.encode()
    assert len(split_lines(content, keep_ends=True)) == len(lines)
