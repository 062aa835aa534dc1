"""Measures executed lines of Python by a tracer of ours in the environment's own interpreters: it needs no package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from miyabi_agents.toolchains.port import Environment, Project, TestRun
from miyabi_agents.toolchains.python.runners.report.miyabi_report import variables
from miyabi_agents.toolchains.python.runners.report.miyabi_report.executed import CODE, DISTURBED, HITS, UNREADABLE
from miyabi_agents.verification.coverage.port import Lines, Wanted

#: What took the place of our tracer, or what an interpreter cannot do.
OTHER_TRACER = "the tests set a tracer of their own, in the place of ours"
NOT_COMPILED = "the interpreter of the tests cannot compile it"
#: Digits of a number that is looked at.
MAX_DIGITS = 9


class PythonMeasure:
    """`sys.monitoring` from Python 3.12 on, `sys.settrace` before."""

    suffixes = frozenset({".py"})

    def name(self, environment: Environment) -> str:
        """Return what measures, with its version."""
        return f"lines by a tracer in {environment.recipe.runtime or 'Python'}"

    def unfit(self, project: Project, file: Wanted) -> str:  # noqa: ARG002
        """Return nothing: each file can be measured."""
        return ""

    def prepared(self, project: Project, run: TestRun, wanted: Sequence[Wanted]) -> TestRun:  # noqa: ARG002
        """Return a run that notes lines; a gate of coverage, which would measure for itself, is off."""
        kept = {name: value for name, value in run.environment.items() if name != variables.WHOLE}
        return replace(run, environment={**kept, variables.MEASURED: "\n".join(file.path for file in wanted)})

    def read(self, project: Project, files: Mapping[str, bytes], wanted: Sequence[Wanted]) -> Mapping[str, Lines]:  # noqa: ARG002
        """Return the lines by path.

        Raises:
            ValueError: nothing was written, or what no tracer of ours writes.
        """
        if CODE not in files:
            raise ValueError("no interpreter of the run noted anything")
        executable, covered = _pairs(files[CODE], len(wanted)), _pairs(files.get(HITS, b""), len(wanted))
        disturbed = DISTURBED.encode() in files.get(HITS, b"").split(b"\n")
        found = {}
        for number, file in enumerate(wanted):
            rows = executable.get(number, set())
            problem = OTHER_TRACER if disturbed else NOT_COMPILED if None in rows else ""
            lines = frozenset(row for row in rows if row is not None)
            hits = frozenset(row for row in covered.get(number, ()) if row is not None)
            found[file.path] = Lines(problem=problem) if problem else Lines(lines, hits & lines)
        return found


def _pairs(content: bytes, count: int) -> dict[int, set[int | None]]:
    """Return lines by number of the file; None stands for a file that was not compiled."""
    found: dict[int, set[int | None]] = {}
    for row in content.split(b"\n"):
        if not row or row == DISTURBED.encode():
            continue
        number, _, line = row.partition(b" ")
        known = line == UNREADABLE.encode() or (line.isdigit() and len(line) <= MAX_DIGITS)
        if not (number.isdigit() and len(number) <= MAX_DIGITS and int(number) < count and known):
            raise ValueError("what was noted has a form that no tracer of ours writes")
        found.setdefault(int(number), set()).add(None if line == UNREADABLE.encode() else int(line))
    return found
