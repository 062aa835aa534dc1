"""What speaks for each file: each signal is a number a file, with the words that say so.

The weights were chosen on 80 real issues of eleven repositories, each repository by the others; the score hardly
changes where any of them is halved or doubled. `make bench ROW=localise` measures it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from miyabi_agents.localisation.ranking.mentions import Mentions
from miyabi_agents.localisation.ranking.places import Places, module_of
from miyabi_agents.localisation.ranking.postings import Floats, Postings
from miyabi_agents.localisation.ranking.prose import prose_in
from miyabi_agents.localisation.ranking.symbols import Symbols
from miyabi_agents.localisation.tokens import terms_of, words

#: Definitions of a file that count.
BEST_PARTS = 3


@dataclass(frozen=True)
class Weights:
    """How much each signal adds to the score of the file that it speaks for most.

    Args:
        whole_file: Words of the whole text in a file.
        whole_parts: The same in its best three definitions.
        prose_parts: The same of the prose alone: code and output of the reporter's have many words that lead elsewhere.
        title_file: Words of the title in a file.
        title_parts: The same in its best three definitions.
        title_part: The same in its best one.
        path: A path that is written out, shared by the files that it may mean.
        last_frame: The last frame of a stack trace that lies in the repository.
        frame: Any frame.
        symbol: Names that a file defines, in the text.
        title_symbol: The same in the title.
        member: `Class.member` that a file defines.
        module: A module by its dotted name.
        stem: Words of the title in the file's own name.
        tested: The best test that fits, for a file that it alone imports; a file that many import gets the less.
    """

    whole_file: float = 0.5
    whole_parts: float = 0.75
    prose_parts: float = 0.75
    title_file: float = 0.75
    title_parts: float = 1.0
    title_part: float = 0.6
    path: float = 1.0
    last_frame: float = 0.5
    frame: float = 0.1
    symbol: float = 0.2
    title_symbol: float = 0.1
    member: float = 1.0
    module: float = 0.2
    stem: float = 0.2
    tested: float = 0.25


#: As they are used.
WEIGHTS = Weights()
#: Most that names count, in the text and in the title; most that members and modules do.
MOST_SYMBOLS, MOST_TITLE_SYMBOLS, MOST_MEMBERS, MOST_MODULES = 3.0, 2.0, 2.0, 2.0
#: A module that defines nothing only passes others on.
EMPTY_MODULE = 0.5
#: A part of a compound name, beside the whole name of a file.
PART_OF_STEM = 0.7


@dataclass
class Tally:
    """Adds up what speaks for files.

    Args:
        size: How many files there are.
        weights: How much signals count.
    """

    size: int
    weights: Weights = WEIGHTS
    scores: Floats = field(init=False)
    reasons: dict[int, dict[str, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scores = np.zeros(self.size, np.float32)

    def add(self, place: int, score: float, reason: str) -> None:
        """Add to one file's score."""
        self.scores[place] += score
        self.reasons.setdefault(place, {})[reason] = None

    def add_all(self, scores: Floats, weight: float) -> None:
        """Add scores of all files, so that the best gets the weight."""
        best = float(scores.max(initial=0.0))
        if best > 0:
            self.scores += np.float32(weight / best) * scores


def weighted(text: str) -> dict[str, float]:
    """Return the words of a text; one that is repeated counts more, at most twice."""
    return {word: 2 * count / (count + 1) for word, count in Counter(words(text)).items()}


def add_words(tally: Tally, postings: Postings, title: str, text: str) -> None:
    """Add the words in common: of the whole text, of its prose, and of the title apart."""
    files, parts = postings.score(weighted(text))
    tally.add_all(files, tally.weights.whole_file)
    tally.add_all(_mean(postings.best_parts(parts, BEST_PARTS)), tally.weights.whole_parts)
    _, parts = postings.score(weighted(prose_in(text.removeprefix(title))))
    tally.add_all(_mean(postings.best_parts(parts, BEST_PARTS)), tally.weights.prose_parts)
    files, parts = postings.score(dict.fromkeys(words(title), 1.0))
    best = postings.best_parts(parts, BEST_PARTS)
    tally.add_all(files, tally.weights.title_file)
    tally.add_all(_mean(best), tally.weights.title_parts)
    tally.add_all(best[0], tally.weights.title_part)


def _mean(scores: list[Floats]) -> Floats:
    """Return the mean of scores, file by file."""
    return np.asarray(np.mean(scores, axis=0), np.float32)


def add_places(tally: Tally, places: Places, mentions: Mentions) -> None:
    """Add files that are named by path, and those in stack traces."""
    for path in mentions.paths:
        found = places.ending(path)
        for place in found:
            tally.add(place, tally.weights.path / len(found), "named by path")
    frames = [found[0] for frame in mentions.frames if len(found := places.ending(frame)) == 1]
    for place in set(frames):
        tally.add(place, tally.weights.frame, "in a stack trace")
    if frames:
        tally.add(frames[-1], tally.weights.last_frame, "in a stack trace")


def add_symbols(tally: Tally, symbols: Symbols, mentions: Mentions, title: Iterable[str]) -> None:
    """Add files that define what is named."""
    for place, found in symbols.defining(mentions.names).items():
        best = [name for _, name in sorted(found, key=lambda entry: (-entry[0], entry[1]))[:3]]
        score = min(MOST_SYMBOLS, sum(weight for weight, _ in found))
        tally.add(place, tally.weights.symbol * score, f"defines {', '.join(best)}")
    for place, found in symbols.defining(title).items():
        tally.scores[place] += tally.weights.title_symbol * min(MOST_TITLE_SYMBOLS, sum(weight for weight, _ in found))
    for place, found in symbols.members(mentions.dotted).items():
        score = min(MOST_MEMBERS, sum(weight for weight, _ in found))
        tally.add(place, tally.weights.member * score, f"defines {found[0][1]}")


def add_modules(tally: Tally, places: Places, mentions: Mentions, *, empty: Iterable[bool]) -> None:
    """Add modules that are named; *empty* says which files define nothing."""
    hollow = list(empty)
    scores: defaultdict[int, float] = defaultdict(float)
    for dotted in mentions.dotted:
        found = places.module(dotted)
        for place in found:
            scores[place] += (EMPTY_MODULE if hollow[place] else 1.0) / len(found)
    for place, score in scores.items():
        tally.add(place, tally.weights.module * min(MOST_MODULES, score), "named as a module")


def add_stems(tally: Tally, stems: Mapping[str, list[int]], title: str) -> None:
    """Add files whose own name stands in the title, or parts of it; many of one name share."""
    asked = set(words(title))
    for stem, found in stems.items():
        whole, *pieces = terms_of(stem) or ("",)
        share = 1.0 if whole in asked else PART_OF_STEM * sum(piece in asked for piece in pieces) / max(1, len(pieces))
        if share:
            for place in found:
                tally.add(place, tally.weights.stem * share / len(found) ** 0.5, "its name is in the title")


def stem_of(path: str) -> str:
    """Return the name of a file without ending and leading underscores; that of its folder where it stands for it."""
    return module_of(path).rpartition("/")[2].lstrip("_")
