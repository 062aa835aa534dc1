"""Writes a `.miyabi.yaml` from what was seen: what is needed stands there, what may be is a comment."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from miyabi_agents.inspection import Inspection, Look
from miyabi_agents.verification.config import MAX_ENTRIES
from miyabi_core.text import shortened

#: What Python says of a module that is not there.
_NO_MODULE = re.compile(r"No module named '([A-Za-z_][A-Za-z0-9_]{0,99})")
#: A suite that took this share of its time gets twice as much.
_NEARLY = 0.8

_HEAD = """\
# How Miyabi tests this repository. Every field, with examples: docs/repository-file.md of Miyabi.
# This file counts once it is on the base branch; `miyabi inspect .` shows what it does before that.
"""
_UNKNOWN = """\
# Nothing was recognised. Say how the tests are run, for example:
# test:
#   command: ["{python}", "-m", "pytest", "{targets}"]   # {targets}: the files of tests, one argument each
#   format: pytest                                       # what reads the verdicts
# env:
#   requirements: [pytest]
"""


def render(inspection: Inspection) -> str:
    """Return the file's text; what `verification.config.parse` takes."""
    parts = [_HEAD, *(_seen(look) for look in inspection.looks)]
    if not inspection.looks:
        return "".join([*parts, _UNKNOWN])
    needed = dict(_needed(inspection))
    if needed:
        return "".join([*parts, yaml.safe_dump(needed, sort_keys=False, allow_unicode=True)])
    return "".join([*parts, _MAY])


#: What a repository may want to say though all is recognised.
_MAY = """\
# Nothing has to be written: delete this file, or take the comment away from what you want.
# test:
#   timeout: 600        # seconds for one run
#   whole_suite: 120    # the whole suite is run where base's needs at most so many seconds
# env:
#   extras: [test]      # of the project; by default those with the usual names
"""


def _seen(look: Look) -> str:
    """Say what was recognised of a project, as comments: one line each, whatever is in it."""
    project = look.project
    origin = look.recipe.origin if look.recipe is not None else project.origin
    words = [f"{project.root}: {project.toolchain}, {project.runner}, environment from {origin}"]
    if look.report is not None:
        counts = ", ".join(f"{count} {word}" for word, count in look.counts.items() if count)
        words.append(f"  {look.report.command}: {counts or 'no test'} in {look.seconds.tests:.0f} s")
    if look.refusal is not None:
        words.append(f"  {look.refusal.reason}: {look.refusal.message}")
    return "".join(f"# {_one_line(line)}\n" for line in words)


def _one_line(text: str) -> str:
    """Return text that stays a comment: printable, one line, short."""
    return shortened("".join(char if char.isprintable() else " " for char in text), 200)


def _needed(inspection: Inspection) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the sections that change something for the better."""
    test = inspection.config.test
    longest = max((look.seconds.tests for look in inspection.looks), default=0.0)
    if longest >= _NEARLY * test.timeout and test.timeout < _LONGEST:
        yield "test", {"timeout": min(_LONGEST, 2 * test.timeout)}
    modules = sorted({name for look in inspection.looks for name in _missing(look)})[:MAX_ENTRIES]
    if modules:
        yield "env", {"requirements": modules}


#: Longest time that the file may name, in seconds.
_LONGEST = 3600


def _missing(look: Look) -> set[str]:
    """Return the modules that Python did not find; often, not always, the package's name."""
    if look.project.toolchain != "python":
        return set()
    reasons = [*look.verdicts.unbuilt.values(), *look.named("failed").values()]
    return {match for reason in reasons for match in _NO_MODULE.findall(reason[:10_000])}
