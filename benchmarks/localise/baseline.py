"""Plain BM25 over the words of whole files, the yardstick: with tests, and without them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from miyabi_agents.localisation.ranking.postings import Postings
from miyabi_agents.localisation.reading.record import FileRecord
from miyabi_agents.localisation.tokens import words


class PlainBM25:
    """Ranks files by BM25 alone (Robertson and Zaragoza, 2009; k1 1.2, b 0.75), by the words of the whole issue.

    Args:
        records: What is known of each file, by path.
    """

    def __init__(self, records: Mapping[str, FileRecord]) -> None:
        self._paths = sorted(records)
        self._postings = Postings([records[path] for path in self._paths], [() for _ in self._paths])

    def rank(self, text: str, limit: int) -> list[str]:
        """Return the best files."""
        scores, _ = self._postings.score(dict.fromkeys(words(text), 1.0))
        return [
            self._paths[place] for place in np.argsort(-scores, kind="stable")[:limit].tolist() if scores[place] > 0
        ]
