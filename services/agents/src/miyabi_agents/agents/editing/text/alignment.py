"""Which lines of an edited part are those that were there, so that they keep their ends and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

#: Lines of a part, old times new, up to which all ways to match them are looked at; longer parts are matched by their
#: order only, so that no edit takes longer than a second.
MAX_PRODUCT = 250_000

#: For a new line, the old line that it comes from, if any, and whether it is the same.
Pair = tuple[int | None, bool]


def aligned(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Return for each new line the old one that it is or takes the place of.

    Args:
        old: Lines with their ends.
        new: Lines with their ends.
    """
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    middle = _matched(old[head : len(old) - tail], new[head : len(new) - tail])
    shifted = [(own + head if own is not None else None, same) for own, same in middle]
    begin: list[Pair] = [(at, True) for at in range(head)]
    return [*begin, *shifted, *((len(old) - tail + at, True) for at in range(tail))]


def _matched(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Match lines that neither begin nor end alike."""
    pairs: list[Pair] = [(None, False)] * len(new)
    if len(old) * len(new) > MAX_PRODUCT:
        return [(at, old[at] == line) if at < len(old) else (None, False) for at, line in enumerate(new)]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, stop, new_start, new_stop in matcher.get_opcodes():
        for at in range(new_start, new_stop):
            own = start + at - new_start
            if own < stop:
                pairs[at] = (own, kind == "equal")
    return pairs
