"""Finds the files that a file brings in, for Python and for modules that are named by a relative path."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from miyabi_agents.localisation.ranking.places import Places
from miyabi_agents.localisation.reading.definitions import Import
from miyabi_agents.localisation.reading.languages import Language, language_of


def imported(path: str, imports: Iterable[Import], places: Places) -> set[int]:
    """Return the files of the index that a file imports; what is not told by one name alone is left out.

    Args:
        path: Of the file.
        imports: As they are written in it.
        places: The index's files.
    """
    folder = path.split("/")[:-1]
    python = language_of(path) is Language.PYTHON
    found: set[int] = set()
    for one in imports:
        if python:
            module = _absolute(folder, one.module)
            wanted = [module, *(f"{module}.{name}" for name in one.names)]
        elif one.module.startswith("."):
            wanted = [posixpath.normpath("/".join((*folder, one.module))).replace("/", ".")]
            wanted += [wanted[0].rpartition(".")[0]] if language_of(one.module) else []
        else:
            wanted = [one.module.replace("::", ".").removeprefix("crate.")]
        found.update(place for name in wanted for place in places.exactly(name))
    return found


def _absolute(folder: Sequence[str], module: str) -> str:
    """Return the dotted name of a Python module, of a relative one from the top of the repository."""
    name = module.lstrip(".")
    up = len(module) - len(name)
    if not up:
        return module
    around = folder[: max(0, len(folder) - up + 1)]
    return ".".join(filter(None, (*around, name)))
