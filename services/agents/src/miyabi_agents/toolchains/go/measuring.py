"""Measures executed lines of Go by `go test -coverprofile`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from miyabi_agents.toolchains.go.modules import join
from miyabi_agents.toolchains.port import Environment, Project, TestRun
from miyabi_agents.verification.coverage.port import Lines, Wanted
from miyabi_core.text import split_lines

#: Variable that holds the packages to be measured, with commas, and the profile beside the report (`run_tests.py`).
VARIABLE, FILE = "MIYABI_COVERED_PACKAGES", "coverage.go.out"
#: One block of a profile (golang.org/x/tools/cover, "ParseProfiles"): where it begins and ends, statements, count.
_BLOCK = re.compile(r"(.+):(\d{1,9})\.(\d{1,9}),(\d{1,9})\.(\d{1,9}) (\d{1,9}) (\d{1,19})")
#: Strings and comments; each alternative takes what it begins to its end, so that none is tried twice.
_WORDS = re.compile(r'"(?:\\.|[^"\\\n])*"|`[^`]*`|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/', re.DOTALL)
#: What a line of brackets alone is made of.
_BRACKETS = " \t\r{}()[],;"
#: A block: file, line and column where it begins, and where it ends.
_Block = tuple[str, int, int, int, int]
#: Lines of all blocks together: ten times those of the largest packages.
MAX_ROWS = 5_000_000
#: Folders that can be named to the compiler beside others.
_PACKAGE = re.compile(r"[\w./+~-]*")


class GoMeasure:
    """`go test -cover` over the packages that are changed."""

    suffixes = frozenset({".go"})

    def name(self, environment: Environment) -> str:
        """Return what measures, with its version."""
        return f"go test -coverprofile, {environment.recipe.runtime or 'go'}"

    def unfit(self, project: Project, file: Wanted) -> str:
        """Return why a file cannot be measured; empty where it can."""
        del project
        return "" if _PACKAGE.fullmatch(file.path) else "its package's name cannot be told to the compiler"

    def prepared(self, project: Project, run: TestRun, wanted: Sequence[Wanted]) -> TestRun:
        """Return a run that builds the changed packages for measuring."""
        packages = sorted({_package(file.path, project.root) for file in wanted})
        return replace(run, environment={**run.environment, VARIABLE: ",".join(packages)})

    def read(self, project: Project, files: Mapping[str, bytes], wanted: Sequence[Wanted]) -> Mapping[str, Lines]:
        """Return the lines by path.

        Raises:
            ValueError: there is no profile, or none that Go writes.
        """
        if FILE not in files:
            raise ValueError("go test wrote no profile")
        sources = {file.path: _code(file.content) for file in wanted}
        executable: dict[str, set[int]] = {path: set() for path in sources}
        covered: dict[str, set[int]] = {path: set() for path in sources}
        module, left = str(project.facts.get("module", "")), MAX_ROWS
        blocks = _blocks(files[FILE])
        for (name, *block), count in blocks.items():
            path = join(project.root, name.removeprefix(f"{module}/"))
            if path in sources:
                rows = list(_rows(sources[path], block))
                left -= len(rows) + 1
                if left < 0:
                    raise ValueError(f"the profile names more than {MAX_ROWS:,} lines")
                executable[path].update(rows)
                covered[path].update(rows if count else ())
        seen = {join(project.root, name.removeprefix(f"{module}/")) for name, *_ in blocks}
        absent = Lines(problem="it is not built here, or holds no statement")
        return {
            path: Lines(frozenset(executable[path]), frozenset(covered[path])) if path in seen else absent
            for path in sources
        }


def _package(path: str, root: str) -> str:
    """Return the package of a file as the go command takes it in the module's folder."""
    folder = PurePosixPath(path).parent
    below = folder.relative_to(root) if root not in {"", "."} and folder.is_relative_to(root) else folder
    return "." if str(below) == "." else f"./{below}"


def _blocks(profile: bytes) -> dict[_Block, int]:
    """Return the blocks of a profile that hold statements, each once with how often it was executed by all packages.

    Raises:
        ValueError: a line is none of a profile.
    """
    found: dict[_Block, int] = {}
    for number, row in enumerate(profile.decode("utf-8", "replace").split("\n")):
        if not row or (number == 0 and row.startswith("mode:")):
            continue
        block = _BLOCK.fullmatch(row)
        if block is None:
            raise ValueError("the profile has a line that go test does not write")
        begin, at, end, before, statements, count = map(int, block.groups()[1:])
        if statements:
            key = (block[1], begin, at, end, before)
            found[key] = found.get(key, 0) + count
    return found


def _code(content: bytes) -> list[bytes]:
    """Return a file's lines without comments."""
    # A character a byte: columns of a profile count bytes.
    text = content.decode("latin-1")
    bare = _WORDS.sub(lambda word: _blank(word[0]) if word[0].startswith("/") else word[0], text)
    return split_lines(bare.encode("latin-1"))


def _blank(comment: str) -> str:
    """Return as many lines of nothing as a comment has."""
    return re.sub(r"[^\n]", " ", comment)


def _rows(lines: Sequence[bytes], block: Sequence[int]) -> Iterator[int]:
    """Return the lines of a block that hold more than brackets."""
    begin, at, end, before = block
    for number in range(max(1, begin), min(end, len(lines)) + 1):
        line = lines[number - 1]
        part = line[at - 1 if number == begin else 0 : before - 1 if number == end else len(line)]
        if part.decode("latin-1").strip(_BRACKETS):
            yield number
