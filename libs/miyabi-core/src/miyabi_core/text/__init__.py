"""One boundary for each surface that shows strangers' text: typed, so that a plain `str` cannot reach it."""

from __future__ import annotations

from miyabi_core.text.characters import encodable, exact, exact_lines, readable, without_surrogates
from miyabi_core.text.comments import without_comments
from miyabi_core.text.commits import MAX_TITLE, CommitMessage, Title, commit_message, plain_line, title
from miyabi_core.text.cutting import MARK, both_ends, ending, enumerated, first, last, left_out, listed, shortened
from miyabi_core.text.github_markdown import (
    GitHubMarkdown,
    bullets,
    cell,
    code,
    fenced,
    folded,
    folded_list,
    inline,
    joined,
    ours,
    quoted,
)
from miyabi_core.text.lines import split_lines
from miyabi_core.text.spoken import spoken
from miyabi_core.text.untrusted import LeakedTextError, Untrusted

__all__ = [
    "MARK", "MAX_TITLE", "CommitMessage", "GitHubMarkdown", "LeakedTextError", "Title", "Untrusted", "both_ends",
    "bullets", "cell", "code", "commit_message", "encodable", "ending", "enumerated", "exact", "exact_lines",
    "fenced", "first", "folded", "folded_list", "inline", "joined", "last", "left_out", "listed", "ours",
    "plain_line", "quoted", "readable", "shortened", "split_lines", "spoken", "title", "without_comments",
    "without_surrogates",
]  # fmt: skip
