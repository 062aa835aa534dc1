"""Knows which distribution brings a module that could not be imported, by a list of well-known ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from miyabi_core.text import split_lines

#: The list: a module's name, then the distribution's where that is another one.
_LIST = "modules.txt"
#: Parts of a module's dotted name that are looked up: `google.cloud.storage`.
_MAX_PARTS = 4


@cache
def _known() -> Mapping[str, str]:
    """Read the list."""
    text = files("miyabi_agents.toolchains.python.recipes").joinpath(_LIST).read_text(encoding="utf-8")
    pairs = (line.split() for line in split_lines(text) if line and not line.startswith("#"))
    return {pair[0]: pair[-1] for pair in pairs}


def distribution_of(import_name: str) -> str | None:
    """Return the requirement that brings a module; None where it is not known.

    Args:
        import_name: As Python names it in `No module named 'a.b'`.
    """
    parts = import_name.split(".")[:_MAX_PARTS]
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((_known()[name] for name in names if name in _known()), None)
