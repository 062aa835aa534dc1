"""What a line of a file is, for everybody who counts, shows or edits lines."""

from __future__ import annotations

import re
from typing import AnyStr

_END = re.compile(r"\r\n|\n|\r")
_WITH_END = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_WITH_END_BYTES = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


def split_lines(content: AnyStr, *, keep_ends: bool = False) -> list[AnyStr]:
    r"""Return the lines of a file, as Python's tokenizer and editors count them.

    A line ends at `\n`, `\r\n` or `\r` and nowhere else: `str.splitlines` also ends one at a form feed, a vertical tab,
    U+0085, U+2028 and others, and so names other lines than the file's readers do.

    Args:
        content: Text, or bytes of an encoding whose line ends are those of ASCII.
        keep_ends: Whether each line is returned with its end; by default without. Joined, lines with their ends are
            the content.

    Source: The Python Language Reference, 2.1.2, physical lines.
    """
    if isinstance(content, bytes):
        # Of bytes, `splitlines` knows these three ends only.
        return _WITH_END_BYTES.findall(content) if keep_ends else content.splitlines()
    if keep_ends:
        return _WITH_END.findall(content)
    lines = _END.split(content)
    return lines if lines[-1] else lines[:-1]
