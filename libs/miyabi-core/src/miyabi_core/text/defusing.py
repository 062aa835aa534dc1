"""Takes GitHub's meaning from a text: nothing in it mentions, closes, refers, signs or skips when it is shown there.

GitHub looks for these after Markdown is rendered, in what an answer by e-mail quotes, and in the message of a squashed
commit, which is the pull request's raw description. So neither an escape nor a code span stops it: an invisible space
within the token does, and that is what its own bots do.

Source: docs.github.com, "Linking a pull request to an issue", "Autolinked references and URLs", "Skipping workflow
runs"; git-interpret-trailers(1).
"""

from __future__ import annotations

import re

#: Takes no room, is no letter, and is not taken for a space by those who look for tokens.
GAP = "\u200b"

#: `@name`, `@org/team`, `#1`, `owner/name#1`: whatever follows, so that no list of forms has to be complete.
_SIGILS = re.compile("[@#]")
#: `GH-1`.
_SHORT = re.compile(r"(GH-)(?=\d)", re.IGNORECASE)
#: The end of an address of an issue, a pull request, a discussion or a commit, on any host.
_ADDRESS = re.compile(r"(/(?:issues|pull|pulls|discussions|commit|commits)/)(?=[0-9a-f])", re.IGNORECASE)
#: `[skip ci]` and its like, which switch checks off where they stand in a commit's message.
_SKIP = re.compile(r"\[(?=\s*(?:skip|no|ci|actions))|(?<=\*)(?=NO_CI)", re.IGNORECASE)
#: `Co-authored-by: …` and every other `Token: …` at the begin of a line: git's trailers, and the lists of bots.
_TRAILER = re.compile(r"^([ \t>]*[A-Za-z0-9][A-Za-z0-9-]{0,99})(?=[ \t]{0,99}[:=])|^(?=\(cherry picked)", re.MULTILINE)
#: `/merge` at the begin of a line: what bots take for a command.
_COMMAND = re.compile(r"^([ \t]*/)(?=[a-z])", re.MULTILINE | re.IGNORECASE)
#: `https://…`, `www.…`: GitHub makes links of them.
_LINK = re.compile(r"(:/)(?=/)|(www)(?=\.)", re.IGNORECASE)
#: `:octocat:`: some of these become images.
_EMOJI = re.compile(r":(?=[A-Za-z0-9_+-]+:)")
#: A commit's name, and the pieces of it that are too short to be one.
_COMMIT = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{7,40}(?![0-9A-Za-z])")
_PIECE = re.compile("[0-9a-f]{1,6}(?=[0-9a-f])")


def defused(text: str) -> str:
    """Return *text*, which will be shown as it stands (in code, in a fence), without GitHub's meaning."""
    for pattern in (_SHORT, _ADDRESS, _SKIP, _TRAILER, _COMMAND):
        text = pattern.sub(_with_gap, text)
    return _SIGILS.sub(_with_gap, text)


def defused_prose(text: str) -> str:
    """Return *text*, in which GitHub would also make links of addresses and commits, and images of emoji's names."""
    for pattern in (_LINK, _EMOJI):
        text = pattern.sub(_with_gap, text)
    return _without_commits(defused(text))


def defused_subject(text: str) -> str:
    """Return one line that is no trailer, being the first of its message: `fix: …` stays as it is."""
    for pattern in (_LINK, _EMOJI, _SHORT, _ADDRESS, _SKIP, _SIGILS):
        text = pattern.sub(_with_gap, text)
    return _without_commits(text)


def _without_commits(text: str) -> str:
    """Return a text in which nothing is long enough to be a commit's name; comes last, for a gap ends a word."""
    return _COMMIT.sub(lambda match: _PIECE.sub(_with_gap, match.group()), text)


def _with_gap(match: re.Match[str]) -> str:
    """Return what was found, with a gap after it."""
    return match.group() + GAP
