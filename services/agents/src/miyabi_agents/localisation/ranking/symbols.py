"""Which files define which names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from miyabi_agents.localisation.reading.record import FileRecord

#: Shortest name that is followed by itself: shorter ones are words of prose.
MIN_NAME = 4
#: A name that more files define than this share of all, and three, tells nothing.
_COMMON_SHARE, _COMMON_LEAST = 0.1, 3
#: Weight of a name that could as well be a word of prose, beside one with capitals inside or an underscore.
_PLAIN = 0.5


class Symbols:
    """The names that files define.

    Args:
        records: What is known of each file.
    """

    def __init__(self, records: Sequence[FileRecord]) -> None:
        defining: defaultdict[str, set[int]] = defaultdict(set)
        pairs: defaultdict[str, set[int]] = defaultdict(set)
        for place, record in enumerate(records):
            for _, full in record.defined:
                names = full.split(".")
                defining[names[-1]].add(place)
                if len(names) > 1:
                    pairs[".".join(names[-2:])].add(place)
        self._defining: Mapping[str, set[int]] = defining
        self._pairs: Mapping[str, set[int]] = pairs
        self._most = _COMMON_SHARE * len(records) + _COMMON_LEAST

    def defining(self, names: Iterable[str]) -> dict[int, list[tuple[float, str]]]:
        """Return for each file how much each name that it defines says; those that define the same share."""
        found: defaultdict[int, list[tuple[float, str]]] = defaultdict(list)
        for name in sorted(names):
            files = self._defining.get(name, ())
            if len(name) < MIN_NAME or not files or len(files) > self._most:
                continue
            weight = (1.0 if "_" in name or name != name.lower() else _PLAIN) / len(files)
            for place in files:
                found[place].append((weight, name))
        return found

    def members(self, dotted: Iterable[str]) -> dict[int, list[tuple[float, str]]]:
        """Return for each file what it defines of `Class.member` pairs in dotted names."""
        found: defaultdict[int, list[tuple[float, str]]] = defaultdict(list)
        for name in dotted:
            parts = name.split(".")
            for pair in dict.fromkeys(f"{one}.{other}" for one, other in pairwise(parts)):
                files = self._pairs.get(pair, ())
                for place in files:
                    found[place].append((1 / len(files), pair))
        return found
