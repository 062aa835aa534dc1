"""Finds the fuzz targets: every `targets_*.py` beside this package has `TARGETS`, and may have `SEEDS`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Where the modules with targets are; they are imported by their bare names.
FOLDER = Path(__file__).parents[1]
#: Where inputs are kept from run to run.
CORPUS = FOLDER / "corpus"


@dataclass(frozen=True)
class Target:
    """One parser with what a search for its faults begins from."""

    name: str
    run: Callable[[bytes], None]  #: returns for any bytes; whatever it raises is a fault
    seeds: Sequence[bytes]  #: written by hand
    kept: Sequence[bytes]  #: found by earlier searches


def modules() -> list[str]:
    """Return the names of the modules that hold targets."""
    return sorted(path.stem for path in FOLDER.glob("targets_*.py"))


def targets() -> dict[str, Target]:
    """Return every target by its name.

    Raises:
        ValueError: two modules have a target of one name.
    """
    found: dict[str, Target] = {}
    for module in map(importlib.import_module, modules()):
        for name, run in module.TARGETS.items():
            if name in found:
                raise ValueError(f"two fuzz targets are called {name}")
            found[name] = Target(name, run, tuple(getattr(module, "SEEDS", {}).get(name, ())), kept(name))
    return found


def kept(name: str) -> tuple[bytes, ...]:
    """Return the corpus of a target, in a fixed order."""
    return tuple(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))
