"""What a repository's own files say about how work on it is done: read at the base, as data, within bounds."""

from __future__ import annotations

from dataclasses import dataclass

from miyabi_agents.agents.prompts import clean, shares, tokens_of, within
from miyabi_agents.toolchains.port import BaseFiles

#: Files that say it, each under the names that it is known by; the first that is there counts.
NAMES = (
    ("AGENTS.md", ".github/AGENTS.md"),
    ("CLAUDE.md", ".claude/CLAUDE.md"),
    ("CONTRIBUTING.md", ".github/CONTRIBUTING.md", "docs/CONTRIBUTING.md", "CONTRIBUTING.rst", "CONTRIBUTING.txt"),
)
#: Tokens of all of them together: long ones are about process, which is none of a change's business.
MAX_TOKENS = 6_000


@dataclass(frozen=True)
class Convention:
    """One file as it is shown.

    Args:
        path: Of the file, one of `NAMES`.
        text: What is shown of it.
        note: What is not shown, one sentence for people; empty: nothing is left out.
    """

    path: str
    text: str
    note: str


def conventions_of(base: BaseFiles) -> list[Convention]:
    """Return what the files of a commit say; each has an equal share of the room, and short ones leave theirs.

    Links are not followed, and a file that says the same as one before it is not shown again.
    """
    found: dict[str, str] = {}
    for names in NAMES:
        for path in names:
            text = clean((base.read(path) or b"").decode("utf-8-sig", "replace")).strip()
            if text:
                if text not in found.values():
                    found[path] = text
                break
    sizes = shares([tokens_of(text) for text in found.values()], MAX_TOKENS)
    return [_shown(path, text, size) for (path, text), size in zip(found.items(), sizes, strict=True)]


def _shown(path: str, text: str, tokens: int) -> Convention:
    """Return one file within its share."""
    shown = within(text, tokens)
    words = f"{path} has {len(text):,} characters; models see {len(shown):,} of them, its begin and its end."
    return Convention(path, shown, "" if shown == text else words)
