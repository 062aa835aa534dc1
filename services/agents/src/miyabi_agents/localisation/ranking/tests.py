"""Uses tests for what they are about: a test whose name fits an issue speaks for what it imports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from miyabi_agents.localisation.ranking.imports import imported
from miyabi_agents.localisation.ranking.mentions import Mentions
from miyabi_agents.localisation.ranking.places import Places
from miyabi_agents.localisation.ranking.postings import Floats, Postings
from miyabi_agents.localisation.ranking.signals import Tally, Weights, add_places, add_symbols, stem_of, weighted
from miyabi_agents.localisation.ranking.symbols import Symbols
from miyabi_agents.localisation.reading.record import FileRecord
from miyabi_agents.localisation.tokens import WORD

#: A test is hardly ever where a bug is mended.
TEST_FACTOR = 0.4
#: Tests that count as fitting.
FITTING = 20


class TestNames:
    """The tests of a commit, of which only definitions and imports are known.

    Args:
        tests: By path.
        places: The sources.
    """

    #: Not a test itself, whatever its name begins with.
    __test__ = False

    def __init__(self, tests: Mapping[str, FileRecord], places: Places) -> None:
        self._paths = list(tests)
        self._places = Places(self._paths)
        self._symbols = Symbols(list(tests.values()))
        records = [_bare(record) for record in tests.values()]
        self._postings = Postings(records, [_names(path, record) for path, record in tests.items()])
        self._about = [_about(path, record, places) for path, record in tests.items()]
        self._testers = Counter(place for about in self._about for place in about)

    def fitting(self, text: str) -> Floats:
        """Return how well each test fits, 0 to 1 for the best."""
        scores, _ = self._postings.score(weighted(text))
        best = float(scores.max(initial=0.0))
        return np.asarray(scores / best, np.float32) if best > 0 else scores

    def add(self, tally: Tally, scores: Floats) -> None:
        """Add to files what the tests that fit say about them."""
        said: dict[int, float] = {}
        for test in np.argsort(-scores, kind="stable")[:FITTING].tolist():
            for place in self._about[test]:
                weight = float(scores[test]) / self._testers[place] ** 0.5
                said[place] = max(said.get(place, 0.0), weight)
        for place, weight in sorted(said.items()):
            if weight > 0:
                tally.add(place, tally.weights.tested * weight, "its tests fit")

    def named(self, scores: Floats, mentions: Mentions, weights: Weights) -> list[tuple[str, float, list[str]]]:
        """Return tests with their scores and reasons: those that are named outright, and the few that fit best."""
        tally = Tally(len(self._paths), weights)
        for place in np.argsort(-scores, kind="stable")[:FITTING].tolist():
            if scores[place] > 0:
                tally.add(place, tally.weights.tested * float(scores[place]), "words in common")
        add_places(tally, self._places, mentions)
        add_symbols(tally, self._symbols, mentions, ())
        return [
            (self._paths[place], TEST_FACTOR * float(tally.scores[place]), list(reasons))
            for place, reasons in sorted(tally.reasons.items())
        ]


def _bare(record: FileRecord) -> FileRecord:
    """Return a record without its words."""
    return FileRecord((), record.part[:0], record.name[:0], record.count[:0], (), ())


def _names(path: str, record: FileRecord) -> list[tuple[int, str]]:
    """Return the words of a test's path, and the names that it defines."""
    defined = (name.rpartition(".")[2] for _, name in record.defined)
    return [(0, word) for word in (*WORD.findall(path.replace("/", " ")), *defined)]


def _about(path: str, record: FileRecord, places: Places) -> set[int]:
    """Return the sources that a test imports, and the one that it is named after."""
    stem = stem_of(path)
    named = stem.removeprefix("test_").removesuffix("_test").removesuffix(".test").removesuffix(".spec")
    return imported(path, record.imports, places) | set(places.exactly(named) if named != stem else ())
