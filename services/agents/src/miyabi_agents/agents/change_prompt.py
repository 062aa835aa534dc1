"""A change as the models see it: its diff as it is, within a number of tokens, and what is left out of it is said.

Nothing is taken from code: what would be a comment in prose is text here. What cannot be seen is spelled out.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.agents.prompts import Told, fenced, shares, tokens_of, within
from miyabi_core.text import enumerated, exact_lines, first, shortened

#: Tokens of a diff: 60,000 characters of code, which is more than a person reviews at once.
MAX_DIFF_TOKENS = 24_000
#: Fewest tokens that a file's part is worth showing with: its head and a hunk.
LEAST_TOKENS = 150
#: Names of files that are said; the others are counted.
NAMED = 20
#: Longest of these names.
MAX_NAME = 200
#: Where the part of the next file begins, and what stands before its name there.
_NEXT, _HEAD = re.compile(r"^(?=diff --git )", re.MULTILINE), "diff --git "


def change_prompt(change: ChangeSet, *, tokens: int = MAX_DIFF_TOKENS) -> Told:
    """Return the change as data; where it is too long, each file has an equal share, and short ones leave theirs.

    Args:
        change: Of an issue or a pull request.
        tokens: Most that is shown.
    """
    parts = [part for part in _NEXT.split(exact_lines(change.diff)) if part]
    looked_at, _ = first(parts, max(1, tokens // LEAST_TOKENS))
    sizes = shares([tokens_of(part) for part in looked_at], tokens)
    shown = [within(part, size) for part, size in zip(looked_at, sizes, strict=True)]
    cut = [part for part, seen in zip(looked_at, shown, strict=True) if part != seen]
    notes = [
        *_note("models see the begin and the end of {}", cut),
        *_note("models do not see {}", parts[len(looked_at) :]),
        *_beyond_the_diff(change, parts),
    ]
    data = "\n".join([*shown, *(f"({note})" for note in notes)])
    return Told(fenced(data, secrets.token_hex(8)), tuple(f"Of this change, {note}." for note in notes))


def _note(template: str, parts: Sequence[str]) -> list[str]:
    """Name the files of some parts; nothing where there are none."""
    names = [shortened(part.partition("\n")[0].removeprefix(_HEAD), MAX_NAME) for part in parts]
    files = f"{len(names):,} files ({enumerated(names, NAMED)})" if len(names) > 1 else "".join(names)
    return [template.format(files)] if names else []


def _beyond_the_diff(change: ChangeSet, parts: Sequence[str]) -> list[str]:
    """Say how many files the recorded diff does not reach: it ends at a size of its own."""
    # A file that was moved has one part and is two files: one that goes, one that comes.
    moved = sum("\nrename from " in part.partition("\n@@ ")[0] for part in parts)
    beyond = len(change.files) - len(parts) - moved
    return (
        [f"models do not see {beyond:,} of its files, which the recorded diff is too long for"]
        if parts and beyond > 0
        else []
    )
