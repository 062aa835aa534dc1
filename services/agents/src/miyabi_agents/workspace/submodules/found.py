"""What is known of a commit's submodules: those that were brought, and what is to be said of the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Submodule:
    """One submodule whose files can be laid."""

    path: str  #: folder in the checkout, relative to its root
    mirror: Path  #: a bare repository that has the commit
    sha: str  #: the commit that is pinned


@dataclass(frozen=True)
class BroughtSubmodules:
    """The submodules of a commit."""

    modules: tuple[Submodule, ...] = ()  #: outer ones before those in them
    notes: tuple[str, ...] = ()  #: a sentence on each that was not fetched

    @property
    def key(self) -> tuple[str, ...]:
        """What tells a checkout with them from others: folder and commit of each; empty where there is none."""
        return tuple(f"{one.path}@{one.sha}" for one in self.modules)


#: A commit without submodules.
NO_SUBMODULES = BroughtSubmodules()
