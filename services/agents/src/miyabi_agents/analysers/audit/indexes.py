"""Asks package indexes for advisories as environments are built: in the sandbox, by the fetch proxy's list of hosts."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from miyabi_agents.analysers.audit.advisories import Advisory, Known
from miyabi_agents.analysers.audit.manifests import NPM, PYPI, Dependency
from miyabi_agents.analysers.base import our_folders
from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import Phase, Recipe, Step
from miyabi_core.text import enumerated, first

#: Indexes that give advisories.
ECOSYSTEMS = frozenset({PYPI, NPM})
#: Versions that are asked for: a lock file that is written anew has some hundreds.
MAX_ASKED = 300
#: Longest answer that is read.
MAX_BYTES = 32 << 20
#: In whose name answers are kept for a day: they hold nothing of any repository but names of public packages.
NAME = "miyabi/advisories"
#: Names that a sentence lists.
NAMED = 5
_SCRIPT = Path(__file__).with_name("fetch_advisories.py")


class _NoFiles:
    """Implements `toolchains.port.BaseFiles`: none."""

    @property
    def committed(self) -> datetime:
        """Any day."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    def paths(self) -> Sequence[str]:
        """List nothing."""
        return ()

    def read(self, path: str) -> None:
        """Return nothing."""
        del path


async def look_up(context: TaskContext, ecosystem: str, wanted: Sequence[Dependency]) -> Known:
    """Return what an ecosystem's index says of some versions; an answer is kept for the day.

    Args:
        context: The task's.
        ecosystem: One of `ECOSYSTEMS`.
        wanted: Versions of its packages.

    Raises:
        EnvironmentBuildError: the index could not be reached, or may not be, or gives no advisories, as mirrors do.
        SandboxError: the sandbox cannot be used.
    """
    chosen, unasked = first(sorted(wanted), MAX_ASKED)
    recipe = _recipe(chosen)
    opened = context.environments.open(recipe, _NoFiles(), check_out=_lay_nothing, repository=NAME)
    async with opened as environment:
        said = await asyncio.to_thread(_read, environment.path / "answer.json")
    if len(said["unknown"]) == len(chosen):
        raise EnvironmentBuildError(f"the index of {ecosystem} gives advisories for none of them")
    known = Known(source=f"advisories of the index of {ecosystem}", asked=frozenset({ecosystem}))
    for name, version, identity, summary, severity in said[ecosystem]:
        dependency = Dependency(ecosystem, name, version)
        known.found.setdefault(dependency, []).append(Advisory(identity, summary, severity.lower()))
    notes = []
    if said["unknown"]:
        notes.append(f"the index does not know {enumerated(said['unknown'], NAMED)}")
    if unasked:
        notes.append(f"{unasked} of {len(wanted)} versions were not asked for")
    known.notes = notes
    return known


def _recipe(wanted: Sequence[Dependency]) -> Recipe:
    """Return how the indexes are asked."""
    packages = {name: [[one.name, one.version] for one in wanted if one.ecosystem == name] for name in ECOSYSTEMS}
    words = [sys.executable, "-I", str(_SCRIPT), json.dumps(packages, sort_keys=True), "{env}/answer.json"]
    step = Step("ask for advisories", Phase.FETCH, words, cwd="{env}", downloads_only=True)
    today = datetime.now(UTC).date().isoformat()
    return Recipe("advisories", "package indexes", (), [today, sys.executable], [step], our_folders())


async def _lay_nothing(folder: Path) -> None:
    """Leave a folder empty."""
    del folder


def _read(path: Path) -> dict[str, Any]:
    """Read the answer, which our script wrote."""
    with path.open("rb") as stream:
        read: dict[str, Any] = json.loads(stream.read(MAX_BYTES))
    return read
