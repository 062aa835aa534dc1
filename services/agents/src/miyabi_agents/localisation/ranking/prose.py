"""Tells what somebody says in an issue from the code, output and comments of a form that stand between."""

from __future__ import annotations

import re

#: Comments of a form, which GitHub does not show; one that does not end is one up to the end.
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
#: Blocks between fences, likewise; what follows an opening fence has no backtick (CommonMark, 4.5).
_FENCED = re.compile(r"^[ \t]*(```|~~~)[^\n`]*\n.*?(?:^[ \t]*\1[^\n]*|\Z)", re.DOTALL | re.MULTILINE)
#: Lines that are indented like code, and those of shells and of Python's and IPython's prompts.
_TYPED = re.compile(r"^(?: {4}|\t|[ \t]*(?:>>>|\.\.\.|In \[|Out\[|\$ ))[^\n]*", re.MULTILINE)


def prose_in(text: str) -> str:
    """Return the prose of a text in Markdown."""
    return _TYPED.sub("", _FENCED.sub("", _HIDDEN.sub("", text)))
