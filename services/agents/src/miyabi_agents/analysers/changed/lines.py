"""Which lines a change touches, from the two contents: no diff's text, attribute or quoting has a say in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from miyabi_core.text import split_lines

#: Lines of a part, on either side, up to which every way to match them is looked at: that takes the cube of their
#: number. In longer parts lines are matched that occur once on either side, which takes no longer than to sort them.
MAX_MATCHED = 40


class _Part(NamedTuple):
    """Lines from `old` to `old_end` of one version, which stand for those from `new` to `new_end` of the other."""

    old: int
    old_end: int
    new: int
    new_end: int


class Lines(Container[int]):
    """Numbers of lines, held as ranges: a file of many lines that is all new takes no more than one line does."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for number in sorted(numbers):
            if self._ends and self._ends[-1] == number - 1:
                self._ends[-1] = number
            else:
                self._starts.append(number)
                self._ends.append(number)

    def __contains__(self, number: object) -> bool:
        """Tell whether a line is among them."""
        if not isinstance(number, int):
            return False
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number <= self._ends[at]


def changed_lines(before: bytes | None, after: bytes) -> frozenset[int]:
    """Return the lines of *after*, from 1, that *before* does not have there.

    Where a part is too large to be matched, all of it counts: more lines than changed are looked at, never fewer.

    Args:
        before: Content on base; None where the file is new.
        after: Content on the change.
    """
    new = split_lines(after)
    kept: set[int] = set()
    if before is not None:
        old = split_lines(before)
        whole = _trimmed(old, new, _Part(0, len(old), 0, len(new)), kept)
        for part in _between_unique(old, new, whole, kept):
            _match(old, new, _trimmed(old, new, part, kept), kept)
    return frozenset(line + 1 for line in range(len(new)) if line not in kept)


def _trimmed(old: Sequence[bytes], new: Sequence[bytes], part: _Part, kept: set[int]) -> _Part:
    """Return a part without what both versions of it begin and end with, which is kept."""
    start, end, new_start, new_end = part
    while start < end and new_start < new_end and old[start] == new[new_start]:
        kept.add(new_start)
        start, new_start = start + 1, new_start + 1
    while start < end and new_start < new_end and old[end - 1] == new[new_end - 1]:
        end, new_end = end - 1, new_end - 1
        kept.add(new_end)
    return _Part(start, end, new_start, new_end)


def _between_unique(old: Sequence[bytes], new: Sequence[bytes], whole: _Part, kept: set[int]) -> Iterator[_Part]:
    """Keep lines that occur once on either side and in the same order; yield the parts between them."""
    once_old, once_new = (
        {line: at for at, line in enumerate(lines[start:end], start) if counts[line] == 1}
        for lines, start, end in ((old, whole.old, whole.old_end), (new, whole.new, whole.new_end))
        for counts in [Counter(lines[start:end])]
    )
    pairs = [(at, once_new[line]) for line, at in once_old.items() if line in once_new]
    start, new_start = whole.old, whole.new
    for at, new_at in _rising(pairs):
        kept.add(new_at)
        yield _Part(start, at, new_start, new_at)
        start, new_start = at + 1, new_at + 1
    yield _Part(start, whole.old_end, new_start, whole.new_end)


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the most of *pairs*, which rise in their first numbers, that rise in their second numbers too."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (_, value) in enumerate(pairs):
        length = bisect_left(ends, value)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [value]
        last[length : length + 1] = [index]
    found: list[tuple[int, int]] = []
    index = last[-1] if last else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]


def _match(old: Sequence[bytes], new: Sequence[bytes], part: _Part, kept: set[int]) -> None:
    """Keep what a short part has in common; of a long one nothing."""
    if part.old_end - part.old > MAX_MATCHED or part.new_end - part.new > MAX_MATCHED:
        return
    matcher = SequenceMatcher(None, old[part.old : part.old_end], new[part.new : part.new_end], autojunk=False)
    for block in matcher.get_matching_blocks():
        kept.update(range(part.new + block.b, part.new + block.b + block.size))
