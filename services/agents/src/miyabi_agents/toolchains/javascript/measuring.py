"""Measures executed lines of JavaScript by V8's own coverage; what is transformed before it runs is not measured."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Any

from miyabi_agents.toolchains.javascript.code.source import MAX_CHARACTERS, tokens
from miyabi_agents.toolchains.javascript.runs import REPORT
from miyabi_agents.toolchains.port import Environment, Project, TestRun
from miyabi_agents.verification.coverage.port import Lines, Wanted
from miyabi_core.text import shortened, split_lines

#: Report of `measure.cjs`.
FILE = "coverage.v8.json"
#: Endings of what node runs as it is written.
PLAIN = frozenset({".js", ".mjs", ".cjs"})
#: Runners that run another text than the file's, whatever its ending.
TRANSFORMING = frozenset({"vitest", "jest"})
#: Words that begin a line without being a statement of it.
_JOINTS = frozenset({"else", "try", "finally", "do", "case", "default"})


class JavaScriptMeasure:
    """`NODE_V8_COVERAGE`."""

    suffixes = PLAIN | {".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte"}

    def name(self, environment: Environment) -> str:
        """Return what measures, with its version."""
        return f"NODE_V8_COVERAGE, {environment.recipe.runtime or 'node'}"

    def unfit(self, project: Project, file: Wanted) -> str:
        """Return why a file cannot be measured; empty where it can."""
        if PurePosixPath(file.path).suffix not in PLAIN:
            return "transformed: node does not run it as it is written"
        if project.runner in TRANSFORMING:
            return f"transformed: {project.runner} runs another text than the file's"
        if len(file.content) > MAX_CHARACTERS:
            return f"it is longer than {MAX_CHARACTERS:,} bytes"
        try:
            file.content.decode("utf-8")
        except UnicodeDecodeError:
            return "it is no UTF-8"
        return ""

    def prepared(self, project: Project, run: TestRun, wanted: Sequence[Wanted]) -> TestRun:
        """Return a run that measures."""
        del project
        node, *rest = run.command
        measured = {
            "MIYABI_TREE": "{tree}",
            "MIYABI_V8": "{scratch}/v8",
            "MIYABI_MEASURED": "\n".join(file.path for file in wanted),
        }
        return replace(
            run, command=[node, str(REPORT / "measure.cjs"), *rest], environment={**run.environment, **measured}
        )

    def read(self, project: Project, files: Mapping[str, bytes], wanted: Sequence[Wanted]) -> Mapping[str, Lines]:
        """Return the lines by path.

        Raises:
            ValueError: node wrote nothing, or not all that can be read.
        """
        del project
        report = _report(files.get(FILE, b""))
        said = {str(entry["name"]): entry for entry in report["files"]}
        return {file.path: _lines(file, said.get(file.path, {})) for file in wanted}


def _report(content: bytes) -> Any:
    """Return the report.

    Raises:
        ValueError: it holds nothing, or less than was run.
    """
    report = json.loads(content) if content else {}
    if not isinstance(report, dict) or not isinstance(report.get("files"), list) or not report.get("processes"):
        raise ValueError("node wrote nothing of what it executed")
    if report.get("unread"):
        raise ValueError("what a process of node executed cannot be read")
    return report


def _lines(file: Wanted, said: Mapping[str, Any]) -> Lines:
    """Return what was seen of one file; one that was never loaded has no part that was executed."""
    if said.get("problem"):
        return Lines(problem=shortened(str(said["problem"]), 200))
    turns = [int(at) for at in said.get("parts", ())]
    text = file.content.decode("utf-8").removeprefix("\ufeff")
    places = dict(_places(text))
    covered = frozenset(line for line, at in places.items() if bisect_right(turns, at) % 2)
    return Lines(frozenset(places), covered)


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Return each line that begins with more than signs, with the place of its first word in UTF-16 units."""
    begins = [0, *accumulate(len(row) for row in split_lines(text, keep_ends=True))]
    units, last, seen = 0, 0, 0
    for token in tokens(text):
        units += _units(text[last : token.start])
        last = token.start
        line = bisect_right(begins, token.start)
        if token.kind != "sign" and line > seen and not (token.kind == "word" and token.text in _JOINTS):
            yield line, units
            seen = line


def _units(text: str) -> int:
    """Return the length of a text in UTF-16 units."""
    return len(text) + (0 if text.isascii() else sum(ord(char) > 0xFFFF for char in text))
