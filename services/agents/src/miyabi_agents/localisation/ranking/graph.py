"""Lets what is likely make likely what it imports, and a little what imports it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miyabi_agents.localisation.ranking.postings import Floats

#: Of the score of a likely file, what those that it imports get, and those that import it.
IMPORTED, IMPORTING = 0.2, 0.1
#: Files that count as likely.
LIKELY = 10


class Graph:
    """Who imports whom.

    Args:
        imported: For each file, those that it imports.
    """

    def __init__(self, imported: Sequence[set[int]]) -> None:
        pairs = [(place, other) for place, others in enumerate(imported) for other in sorted(others) if other != place]
        self._from = np.array([one for one, _ in pairs], np.int32)
        self._to = np.array([other for _, other in pairs], np.int32)
        # What everybody imports says little.
        importers = np.bincount(self._to, minlength=len(imported)) if pairs else np.zeros(len(imported))
        self._weight = (
            (1 / (1 + np.log1p(importers)))[self._to].astype(np.float32) if pairs else np.zeros(0, np.float32)
        )

    def added(self, scores: Floats) -> Floats:
        """Return what each file gets from those that are likely and beside it."""
        more = np.zeros_like(scores)
        if not len(self._from):
            return more
        most = min(LIKELY, len(scores))
        likely = (scores >= np.partition(scores, -most)[-most]) & (scores > 0)
        forth, back = likely[self._from], likely[self._to]
        weight = self._weight
        np.maximum.at(more, self._to[forth], IMPORTED * scores[self._from[forth]] * weight[forth])
        np.maximum.at(more, self._from[back], IMPORTING * scores[self._to[back]] * weight[back])
        return more
