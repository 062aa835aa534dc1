"""Ranks the files of a commit for an issue: words in common, names, paths and traces it shows, imports, tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from miyabi_agents.localisation.overview import overview_of
from miyabi_agents.localisation.ranking.graph import Graph
from miyabi_agents.localisation.ranking.imports import imported
from miyabi_agents.localisation.ranking.mentions import mentions_in
from miyabi_agents.localisation.ranking.places import Places
from miyabi_agents.localisation.ranking.postings import Label, Postings
from miyabi_agents.localisation.ranking.sides import is_beside, tests_among
from miyabi_agents.localisation.ranking.signals import (
    WEIGHTS,
    Tally,
    Weights,
    add_modules,
    add_places,
    add_stems,
    add_symbols,
    add_words,
    stem_of,
)
from miyabi_agents.localisation.ranking.symbols import Symbols
from miyabi_agents.localisation.ranking.tests import TestNames
from miyabi_agents.localisation.reading.languages import language_of
from miyabi_agents.localisation.reading.record import FileRecord, record_of
from miyabi_agents.localisation.reading.text import text_of
from miyabi_agents.localisation.tokens import WORD

#: Documentation, examples and tools are rarely where a bug is mended.
BESIDE_FACTOR = 0.4
#: Files that a ranking has unless told otherwise.
LIMIT = 12
#: Why a file is there that has nothing of its own.
_NEAR = "imports or is imported by what is likely"
#: Characters of a text that are looked at: GitHub's longest body.
MAX_TEXT = 65_536


@dataclass(frozen=True)
class Candidate:
    """A file that an issue may be about."""

    path: str
    score: float
    reasons: tuple[str, ...]


class CodeIndex:
    """An index of one commit; building it takes CPU time, so build it off the event loop.

    Args:
        records: What is known of each file, by its path; of tests, their definitions and imports alone are used.
    """

    def __init__(self, records: Mapping[str, FileRecord]) -> None:
        tests = tests_among(records)
        self._paths = [path for path in sorted(records) if path not in tests]
        known = [records[path] for path in self._paths]
        self._postings = Postings(known, [_labels(*pair) for pair in zip(self._paths, known, strict=True)])
        self._places, self._symbols = Places(self._paths), Symbols(known)
        uses = [imported(path, one.imports, self._places) for path, one in zip(self._paths, known, strict=True)]
        self._graph = Graph(uses)
        self._hollow = [not one.defined for one in known]
        self._factor = np.array([BESIDE_FACTOR if is_beside(path) else 1.0 for path in self._paths], np.float32)
        self._stems: defaultdict[str, list[int]] = defaultdict(list)
        for place, path in enumerate(self._paths):
            self._stems[stem_of(path)].append(place)
        checks = {path: records[path] for path in sorted(tests)}
        self._tests = TestNames(checks, self._places)
        #: A map of the commit, the same for every issue.
        self.overview = overview_of(self._paths, known, uses, checks)

    @classmethod
    def build(cls, paths: Iterable[str], read: Callable[[str], bytes]) -> CodeIndex:
        """Index the source files among *paths*; a file that cannot be read is left out."""
        records = {}
        for path in paths:
            language = language_of(path)
            if language is None:
                continue
            try:
                content = read(path)
            except Exception:  # noqa: BLE001, S112 - one odd file must not spoil the index
                continue
            records[path] = record_of(text_of(content), language)
        return cls(records)

    def rank(self, text: str, *, limit: int = LIMIT, weights: Weights = WEIGHTS) -> list[Candidate]:
        """Return the files that *text* is most likely about, best first.

        Args:
            text: An issue: its title in the first line, then its body.
            limit: Most files that are returned.
            weights: How much signals count.
        """
        text = text[:MAX_TEXT]
        title, _, _ = text.partition("\n")
        mentions = mentions_in(text)
        tally = Tally(len(self._paths), weights)
        add_words(tally, self._postings, title, text)
        for place in np.flatnonzero(tally.scores > 0).tolist():
            tally.reasons[place] = {"words in common": None}
        add_places(tally, self._places, mentions)
        add_symbols(tally, self._symbols, mentions, WORD.findall(title))
        add_modules(tally, self._places, mentions, empty=self._hollow)
        add_stems(tally, self._stems, title)
        fitting = self._tests.fitting(text)
        self._tests.add(tally, fitting)
        tally.scores += self._graph.added(tally.scores * self._factor)
        found = self._best(tally, limit)
        found += [
            Candidate(path, round(score, 4), tuple(why))
            for path, score, why in self._tests.named(fitting, mentions, weights)
        ]
        return sorted(found, key=lambda one: (-one.score, one.path))[:limit]

    def _best(self, tally: Tally, limit: int) -> list[Candidate]:
        """Return the best sources."""
        scores = tally.scores * self._factor
        return [
            Candidate(self._paths[place], round(float(scores[place]), 4), tuple(tally.reasons.get(place, (_NEAR,))))
            for place in np.argsort(-scores, kind="stable")[:limit].tolist()
            if scores[place] > 0
        ]


def _labels(path: str, record: FileRecord) -> list[Label]:
    """Return what a file's parts are called: the words of its path, and each definition by what it lies in."""
    own = (stem_of(path), *path.split("/")[-2:-1])
    labels = [(0, word) for word in WORD.findall(path.replace("/", " "))]
    for part, (_, name) in enumerate(record.defined, start=1):
        labels += [(part, word) for word in dict.fromkeys((*name.split("."), *own)) if len(word) > 1]
    return labels
