"""Fuzz targets of a review: changed lines, suppressions, configurations of analysers, and what analysers print."""

from __future__ import annotations

from collections.abc import Callable

from miyabi_agents.analysers.base import AnalyserError
from miyabi_agents.analysers.changed import configurations, suppressions
from miyabi_agents.analysers.changed.exhibits import _quieted
from miyabi_agents.analysers.changed.lines import changed_lines
from miyabi_agents.analysers.reports import json_lines_of, json_of
from miyabi_core.text import split_lines


def lines(data: bytes) -> None:
    """Two versions of a file: what is not called changed stands in the first version, in the same order."""
    before, _, after = data.partition(b"\0\0")
    changed = changed_lines(before, after)
    rows = split_lines(after)
    assert changed_lines(None, after) == set(range(1, len(rows) + 1)) >= changed
    there = iter(split_lines(before))
    assert all(any(row == old for old in there) for number, row in enumerate(rows, 1) if number not in changed)
    assert not changed_lines(after, after)


def suppressed(data: bytes) -> None:
    """Words that quieten analysers: after they lost their meaning none is left, and every other byte is as it was."""
    rows = split_lines(data)
    every = frozenset(range(1, len(rows) + 1))
    found = suppressions.find("a.py", list(enumerate(rows, 1)))
    quiet = _quieted("a.py", data, rows, every)
    assert len(quiet) == len(data)
    assert split_lines(quiet) == suppressions.quieted("a.py", rows, every)
    assert not suppressions.find("a.py", list(enumerate(split_lines(quiet), 1)))
    assert bool(found) <= (quiet != data)


def configured(data: bytes) -> None:
    """A file that configures analysers among other things, before and after."""
    before, _, after = data.partition(b"\0\0")
    for name in (*configurations.SECTIONS, "ruff.toml"):
        configurations.find(name, before, after)
        assert name == "ruff.toml" or not configurations.find(name, after, after)


def printed(data: bytes) -> None:
    """What an analyser printed."""
    for read in (json_of, json_lines_of):
        try:
            read(data.decode("utf-8", "replace"), "tool")
        except AnalyserError as error:
            assert len(str(error)) < 300


#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "review_configurations": configured,
    "review_lines": lines,
    "review_printed": printed,
    "review_suppressions": suppressed,
}
#: What each begins from.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "review_configurations": (
        b"[project]\nname='x'\n[tool.ruff]\nline-length=9\n\0\0[project]\nname='y'\n[tool.ruff.lint]\nselect=[]\n",
        b'{"a": 1,\n"eslintConfig": {}}\0\0{"a": 1,\n"eslintConfig": {"rules": {}}}',
    ),
    "review_lines": (
        b"a\nb\nc\n\0\0a\nx\nc\n",
        b"a\r\nb\x0c\nc\0\0a\rb\xe2\x80\xa8\nd\n",
        b"".join(b"x\no%d\n" % number for number in range(40)) + b"\0\0" + b"".join(b"x\nn%d\n" % number for number in range(40)),
    ),
    "review_printed": (b'[{"a": [1, "b"]}]', b'{"a": 1}\n{"b": null}\n'),
    "review_suppressions": (
        b"eval(x)  # noqa: S307\nkey = 'a'  # pragma: allowlist secret\r\nx: int = ''  # type: ignore[x]\n",
        b"// eslint-disable-next-line\n/* @ts-ignore */ //nolint\n#[allow(dead_code)]\n",
    ),
}  # fmt: skip
