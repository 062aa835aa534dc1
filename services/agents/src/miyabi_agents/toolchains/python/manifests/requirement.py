"""Judges single requirements: what may be installed, what is left out, what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement

from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.toolchains.python.manifests.names import TEST_TOOLS, normal
from miyabi_core.text import shortened

#: Longest requirement that is read; the longest honest ones have some markers.
MAX_LENGTH = 1000


@dataclass
class Gathered:
    """What was gathered from manifests, in the order in which it was found."""

    requirements: list[str] = field(default_factory=list)
    #: Files of constraints, in the repository.
    constraints: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    #: The project itself is asked for (`-e .`).
    itself: bool = False
    #: Other folders of the repository that are asked for (`-e ../core`).
    local: list[str] = field(default_factory=list)

    def join(self, other: Gathered) -> None:
        """Take over what another one has."""
        for name in ("requirements", "constraints", "extras", "groups", "inputs", "notes", "origins", "local"):
            mine: list[str] = getattr(self, name)
            mine.extend(value for value in getattr(other, name) if value not in mine)
        self.itself = self.itself or other.itself

    @property
    def empty(self) -> bool:
        """Nothing was asked for."""
        return not (self.requirements or self.extras or self.groups or self.itself or self.local)

    @property
    def tests(self) -> bool:
        """A test tool is asked for."""
        return any(TEST_TOOLS.match(name_of(text)) for text in self.requirements)


def parse(text: str) -> Requirement | None:
    """Return a requirement (PEP 508); None where it is none."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError, ValueError):
        return None


def name_of(text: str) -> str:
    """Return the normal name of the distribution that a requirement names; empty where it is none."""
    parsed = parse(text)
    return normal(parsed.name) if parsed else ""


def holds(marker: str, python: tuple[int, ...]) -> bool:
    """Tell whether a marker holds on our Python under Linux, without an extra; one that cannot be read does."""
    if not marker or len(marker) > 2 * MAX_LENGTH:
        return True
    version = ".".join(map(str, python[:2]))
    full = ".".join(map(str, (*python, 0)[:3]))
    environment = {"python_version": version, "python_full_version": full, "extra": ""}
    try:
        return Marker(marker).evaluate(environment)
    except (InvalidMarker, RecursionError, ValueError, KeyError):
        return True


def asked(text: str, python: tuple[int, ...]) -> bool:
    """Tell whether a requirement counts on our Python; one that cannot be read does."""
    parsed = parse(text)
    return parsed is None or parsed.marker is None or holds(str(parsed.marker), python)


def take(texts: Iterable[str], into: Gathered, *, where: str, needed: bool) -> None:
    """Take over requirements of packages from an index.

    Args:
        texts: Requirements as written.
        into: Takes them.
        where: The file and part that names them.
        needed: The project itself needs them, so that none may be left out.

    Raises:
        EnvironmentBuildError: one that is needed names an address, a path or an option.
    """
    for text in texts:
        parsed = parse(text)
        if parsed is None or parsed.url is not None:
            left_out(text, into, where=where, needed=needed)
        elif text not in into.requirements:
            into.requirements.append(text)


def left_out(text: str, into: Gathered, *, where: str, needed: bool) -> None:
    """Note a requirement that no index can give.

    Raises:
        EnvironmentBuildError: the project itself needs it.
    """
    what = f"`{shortened(text, 200)}` of {where}"
    if needed:
        raise EnvironmentBuildError(
            f"{what} is no package of an index, and the project itself needs it; name what stands in for it in "
            ".miyabi.yaml, `env.requirements` with `env.only`"
        )
    note = f"left out: {what} is no package of an index"
    if note not in into.notes:
        into.notes.append(note)
