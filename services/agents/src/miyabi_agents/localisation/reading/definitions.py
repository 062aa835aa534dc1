"""What a file defines, as every language's reader gives it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Definitions of one file that are known; a file with more is generated.
MAX_DEFINITIONS = 5_000
#: Longest name of one.
MAX_NAME = 200


@dataclass(frozen=True)
class Definition:
    """A class, a function or another thing with a name.

    Args:
        start: Where it begins, in characters from the file's begin.
        kind: `class`, `function`, `method`, `interface`, and so on.
        name: Its name after those that it lies in, separated by points.
    """

    start: int
    kind: str
    name: str


@dataclass(frozen=True)
class Import:
    """A module that a file brings in.

    Args:
        module: As it is written: `a.b`, `.models`, `./views.js`.
        names: What is taken from it.
    """

    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Structure:
    """What a file defines, in order of place, and what it imports."""

    definitions: tuple[Definition, ...] = ()
    imports: tuple[Import, ...] = ()


def bounded(definitions: Iterable[Definition]) -> tuple[Definition, ...]:
    """Return definitions in order of place, within the limits."""
    found = sorted(definitions, key=lambda one: one.start)[:MAX_DEFINITIONS]
    return tuple(Definition(one.start, one.kind, one.name[:MAX_NAME]) for one in found)
