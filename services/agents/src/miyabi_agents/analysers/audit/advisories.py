"""What is known of a version of a package: an advisory, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from miyabi_agents.analysers.audit.manifests import Dependency
from miyabi_agents.analysers.base import CRITICAL, HIGH, LOW, MEDIUM

#: Severity and points by what advisories call it (docs/review-score.md); where they say nothing, it is high.
WEIGHTS = {"critical": (CRITICAL, 40), "moderate": (MEDIUM, 10), "medium": (MEDIUM, 10), "low": (LOW, 2)}
UNKNOWN = (HIGH, 20)


@dataclass(frozen=True)
class Advisory:
    """One, of one version."""

    id: str
    summary: str = ""
    severity: str = ""  #: as it says itself, in lower case


@dataclass
class Known:
    """What a source says."""

    found: dict[Dependency, list[Advisory]] = field(default_factory=dict)
    source: str = ""  #: for a person
    asked: frozenset[str] = frozenset()  #: ecosystems that it knows
    notes: Sequence[str] = ()


def merged(every: Sequence[Known]) -> Mapping[Dependency, list[Advisory]]:
    """Return what all sources say, each advisory once."""
    found: dict[Dependency, dict[str, Advisory]] = {}
    for known in every:
        for dependency, advisories in known.found.items():
            found.setdefault(dependency, {}).update({one.id: one for one in advisories})
    return {dependency: list(by_id.values()) for dependency, by_id in found.items()}
