"""Which words stand in which parts of which files, as arrays; scores parts and files by BM25."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from miyabi_agents.localisation.reading.record import FileRecord
from miyabi_agents.localisation.tokens import terms_of

#: BM25's constants, as usual (Robertson and Zaragoza, 2009).
K1, B = 1.2, 0.75
#: Most that a word counts in one part; beyond it BM25 has long stopped to grow.
_MAX_COUNT = 65_535

#: Bits of a count within a key; a record's counts have no more.
_COUNT_BITS, _COUNT_MASK = 8, 255

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]
#: A part of a file, and a name that it has beside its content.
Label = tuple[int, str]


class Postings:
    """An inverted index of files that are cut into parts; parts of one file follow one another.

    Args:
        records: What is known of each file.
        labels: Names that parts of a file have beside their content, once each: (part, name).
    """

    def __init__(self, records: Sequence[FileRecord], labels: Sequence[Sequence[Label]]) -> None:
        sizes = [len(record.defined) + 1 for record in records]
        self._first: Integers = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        self._file_of: Integers = np.repeat(np.arange(len(records), dtype=np.int32), sizes)
        self._terms: dict[str, int] = {}
        self._fill(_keys(records, labels, self._first.tolist(), self._terms))
        parts = np.bincount(self._part, self._count, len(self._file_of)).astype(np.float32)
        files = np.bincount(self._file_of, parts, self.files).astype(np.float32)
        self._part_norm, self._file_norm = _norm(parts), _norm(files)

    def _fill(self, keys: npt.NDArray[np.int64]) -> None:
        """Sort what stands where by word and part, with repeats added up."""
        keys.sort()
        count = (keys & _COUNT_MASK).astype(np.int32)
        keys >>= _COUNT_BITS
        begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), bool), keys[1:] != keys[:-1]]))
        summed = np.add.reduceat(count, begins) if len(keys) else count
        keys = keys[begins]
        parts = max(1, len(self._file_of))
        self._part: Integers = (keys % parts).astype(np.int32)
        self._count = np.minimum(summed, _MAX_COUNT).astype(np.uint16)
        self._begin = np.searchsorted(keys, np.arange(len(self._terms) + 1, dtype=np.int64) * parts)

    @property
    def files(self) -> int:
        """How many files there are."""
        return len(self._first) - 1

    def score(self, wanted: Mapping[str, float]) -> tuple[Floats, Floats]:
        """Return the scores of all files, and of all their parts, for weighted words."""
        files, parts = np.zeros(self.files, np.float32), np.zeros(len(self._file_of), np.float32)
        for term, weight in wanted.items():
            number = self._terms.get(term)
            if number is None:
                continue
            at = slice(self._begin[number], self._begin[number + 1])
            part, count = self._part[at], self._count[at].astype(np.float32)
            owner = self._file_of[part]
            begins = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
            file, whole = owner[begins], np.add.reduceat(count, begins)
            files[file] += weight * _rarity(self.files, len(file)) * _saturated(whole, self._file_norm[file])
            parts[part] += weight * _rarity(len(self._file_of), len(part)) * _saturated(count, self._part_norm[part])
        return files, parts

    def best_parts(self, parts: Floats, most: int) -> list[Floats]:
        """Return each file's best part, its second best, and so on, from scores of parts."""
        left, found = parts.copy(), []
        for _ in range(most):
            best = np.maximum.reduceat(left, self._first[:-1]) if self.files else np.zeros(0, np.float32)
            found.append(best)
            places = np.flatnonzero((left == best[self._file_of]) & (left > 0))
            owner = self._file_of[places]
            left[places[np.concatenate([np.ones(min(1, len(owner)), bool), owner[1:] != owner[:-1]])]] = 0
        return found


def _norm(lengths: Floats) -> Floats:
    """Return what BM25 adds to a count in its divisor, by length; what is empty makes no mean shorter."""
    full = lengths[lengths > 0]
    mean = float(full.mean()) if len(full) else 1.0
    return np.asarray(K1 * (1 - B + B * lengths / mean), np.float32)


def _rarity(total: int, having: int) -> float:
    """Return the weight of a word that so many of all have."""
    return float(np.log1p((total - having + 0.5) / (having + 0.5)))


def _saturated(count: Floats, norm: Floats) -> Floats:
    """Return how much a count counts: little more than once."""
    return np.asarray(count * (K1 + 1) / (count + norm), np.float32)


def _keys(
    records: Sequence[FileRecord], labels: Sequence[Sequence[Label]], first: Sequence[int], known: dict[str, int]
) -> npt.NDArray[np.int64]:
    """Return all that stands somewhere, names split into their words: word, part and count in one number each.

    Args:
        records: What is known of each file.
        labels: Names beside it.
        first: First part of each file, and how many there are in all.
        known: Is given the numbers of the words.
    """
    names: dict[str, int] = {}
    numbered = [
        np.array(
            [names.setdefault(name, len(names)) for name in (*record.names, *(name for _, name in label))], np.int32
        )
        for record, label in zip(records, labels, strict=True)
    ]
    split = [[known.setdefault(term, len(known)) for term in terms_of(name)] for name in names]
    sizes = np.array([len(terms) for terms in split], np.int32)
    begins = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.array([term for terms in split for term in terms], np.int64) * max(1, first[-1])
    keys = [np.zeros(0, np.int64)]
    for begin, record, label, numbers in zip(first, records, labels, numbered, strict=False):
        name = np.concatenate([numbers[record.name], numbers[len(record.names) :]])
        part = np.concatenate([record.part, np.array([part for part, _ in label], np.uint16)]).astype(np.int64) + begin
        count = np.concatenate([record.count, np.ones(len(label), np.uint8)])
        repeats = sizes[name]
        within = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        term = flat[np.repeat(begins[name], repeats) + within]
        keys.append((term + np.repeat(part, repeats)) << _COUNT_BITS | np.repeat(count, repeats))
    return np.concatenate(keys)
