"""How well the issues of a batch are grouped: `make bench ROW=grouping [ISSUES=file]`."""

from __future__ import annotations

from benchmarks.grouping.rows import rows

__all__ = ["rows"]
