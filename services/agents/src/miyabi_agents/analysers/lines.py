"""Which lines a change touches, from the two contents: no diff's text, attribute or quoting has a say in it."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

#: Ends of lines as Python's tokenizer and the analysers count them; a form feed or U+2028 ends none.
_END = re.compile(rb"\r\n|\n|\r")
#: Lines of the differing middle, before times after, up to which they are matched; above, all of the middle counts.
MAX_MATCHED = 4_000_000


def split(content: bytes) -> list[bytes]:
    """Return the lines of a file, without their ends."""
    lines = _END.split(content)
    return lines[:-1] if lines and not lines[-1] else lines


def changed_lines(before: bytes | None, after: bytes) -> frozenset[int]:
    """Return the lines of *after*, from 1, that *before* does not have there.

    What both begin and end with is left out first. Where the middle is too large to be matched, all of it counts: more
    lines than changed are looked at, never fewer.

    Args:
        before: Content on base; None where the file is new.
        after: Content on the change.
    """
    new = split(after)
    if before is None:
        return frozenset(range(1, len(new) + 1))
    old = split(before)
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old_middle, new_middle = old[start : len(old) - end], new[start : len(new) - end]
    if len(old_middle) * len(new_middle) > MAX_MATCHED:
        return frozenset(range(start + 1, len(new) - end + 1))
    matcher = SequenceMatcher(None, old_middle, new_middle, autojunk=False)
    kept = {start + block.b + offset for block in matcher.get_matching_blocks() for offset in range(block.size)}
    return frozenset(line + 1 for line in range(start, len(new) - end) if line not in kept)
