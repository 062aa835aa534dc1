"""What analysers have in common: their version, and what of their findings base has too."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Sequence

from miyabi_agents.analysers.base import AnalyserError, RawFinding


def installed(package: str) -> str:
    """Return the version of a package of ours.

    Raises:
        AnalyserError: it is not installed.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        remedy = "Install Miyabi's agents anew: an analyser of theirs is missing."
        raise AnalyserError(f"{package} is not installed", remedy=remedy) from error


def without_known(after: Sequence[RawFinding], before: Sequence[RawFinding]) -> list[RawFinding]:
    """Return the findings that base does not have as often: same file, rule and words."""
    known = Counter((entry.path, entry.rule, entry.message) for entry in before)
    fresh = []
    for entry in after:
        key = (entry.path, entry.rule, entry.message)
        if known[key] > 0:
            known[key] -= 1
        else:
            fresh.append(entry)
    return fresh
