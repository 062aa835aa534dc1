"""What a row of the benchmark says: one JSON object a line."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """What a person may choose on the command line.

    Args:
        repeats: How often ours and the peers take turns; medians count.
        peers: Folder with drivers of further peers; None: what we bring along.
        issues: File of real issues, one JSON object a line (row grouping); None: none.
        profile: Measure where the coordinator's time goes instead of how much it is.
    """

    repeats: int = 3
    peers: Path | None = None
    profile: bool = False
    issues: Path | None = None


@dataclass(frozen=True)
class Row:
    """One measurement beside its baseline.

    `ratio` is what `goal` speaks about; `passed` says whether it is reached. `case` tells the lines of one row apart.
    """

    row: str
    ours: dict[str, Any]
    baseline: dict[str, Any]
    ratio: float
    goal: str
    passed: bool
    n: int
    case: str = ""

    def line(self) -> str:
        """Render the row with the machine's kind."""
        body = {
            "row": self.row,
            **({"case": self.case} if self.case else {}),
            "ours": self.ours,
            "baseline": self.baseline,
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
            "pass": self.passed,
            "n": self.n,
            "machine": machine(),
        }
        return json.dumps(body)


def machine() -> str:
    """Return the machine's kind: cores, memory, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, CPython {platform.python_version()}"


def percentile(values: list[float], share: float) -> float:
    """Return a percentile, exact."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
