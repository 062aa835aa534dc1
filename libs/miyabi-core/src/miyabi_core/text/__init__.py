"""One boundary for each surface that shows strangers' text: typed, so that a plain `str` cannot reach it."""

from __future__ import annotations

from miyabi_core.text.characters import encodable, exact, exact_lines, left_out, readable, without_surrogates
from miyabi_core.text.comments import without_comments
from miyabi_core.text.commits import MAX_TITLE, CommitMessage, Title, commit_message, plain_line, title
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
from miyabi_core.text.untrusted import LeakedTextError, Untrusted

__all__ = [
    "MAX_TITLE", "CommitMessage", "GitHubMarkdown", "LeakedTextError", "Title", "Untrusted", "bullets", "cell", "code",
    "commit_message", "encodable", "exact", "exact_lines", "fenced", "folded", "folded_list", "inline", "joined",
    "left_out", "ours", "plain_line", "quoted", "readable", "title", "without_comments", "without_surrogates",
]  # fmt: skip
