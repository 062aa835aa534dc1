"""An issue as the models see it: cleaned, fenced, within a number of tokens, with all that is left out said twice.

Once to the model where it is left out, and once to the people who look at the run.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from miyabi.coordinator.v1.dispatch_service_pb2 import Lease
from miyabi.github_gateway.v1.github_gateway_service_pb2 import Comment, Issue
from miyabi_agents.agents.prompts import Told, clean, fenced, heading, tokens_of, within
from miyabi_core.text import exact, left_out

#: Tokens of an issue with its comments: a long bug report with its logs, and a tenth of a model's room at most.
MAX_ISSUE_TOKENS = 12_000
#: Of these, what comments may take from the body at most; what the body leaves is theirs too.
MAX_COMMENTS_TOKENS = 4_800
#: Most that one comment takes, so that one does not push the others out.
MAX_COMMENT_TOKENS = 1_600


@dataclass(frozen=True)
class _Shown:
    """A comment as it is shown."""

    number: int
    text: str
    cut: bool

    @property
    def tokens(self) -> int:
        """Most tokens that it takes."""
        return tokens_of(self.text)


def issue_prompt(lease: Lease, issue: Issue) -> Told:
    """Return the issue as data: title, body, then the first and the newest comments as far as there is room.

    A body that is too long keeps its begin and its end, a comment too.
    """
    mark = secrets.token_hex(8)
    # Each text is cleaned by itself: a comment that nobody closed hides the rest of its own text only.
    comments = [_shown(entry, number, mark) for number, entry in enumerate(issue.comments, start=1)]
    whole = f"Title: {clean(issue.title)}\n\n{clean(issue.body)}"
    top = within(whole, MAX_ISSUE_TOKENS - min(sum(entry.tokens for entry in comments), MAX_COMMENTS_TOKENS))
    chosen = _chosen(comments, MAX_ISSUE_TOKENS - tokens_of(top))
    notes = [*_of_the_body(whole, top), *_of_comments(chosen, len(comments))]
    data = "\n\n".join([top, *_with_gap(chosen, len(comments), mark)])
    return Told(f"{heading(lease)}\n\n{fenced(data, mark)}", tuple(notes))


def _shown(entry: Comment, number: int, mark: str) -> _Shown:
    """Return one comment under a line that no comment can forge, for it holds the fence's mark."""
    whole = clean(entry.body)
    text = within(whole, MAX_COMMENT_TOKENS)
    return _Shown(number, f"[{mark}] Comment {number} by {exact(entry.author)}:\n{text}", text != whole)


def _chosen(comments: Sequence[_Shown], room: int) -> list[_Shown]:
    """Return the first comment and the newest ones that fit, in their order."""
    if not comments:
        return []
    newest: list[_Shown] = []
    room -= comments[0].tokens
    for entry in reversed(comments[1:]):
        room -= entry.tokens
        if room < 0:
            break
        newest.append(entry)
    return [comments[0], *reversed(newest)]


def _missing(chosen: Sequence[_Shown], count: int) -> range:
    """Return the numbers of the comments that are not shown: those between the first and the newest."""
    return range(2, chosen[1].number if len(chosen) > 1 else count + 1)


def _with_gap(chosen: Sequence[_Shown], count: int, mark: str) -> list[str]:
    """Return the comments' texts, with the number of those that are not shown in their place."""
    if not chosen:
        return []
    missing = len(_missing(chosen, count))
    gap = [f"[{mark}] ({left_out(missing, 'comments')})"] if missing else []
    return [chosen[0].text, *gap, *(entry.text for entry in chosen[1:])]


def _of_the_body(whole: str, top: str) -> list[str]:
    """Say what of title and body is not shown."""
    if top == whole:
        return []
    words = f"The issue has {len(whole):,} characters; models see {len(top):,} of them, its begin and its end."
    return [words]


def _of_comments(chosen: Sequence[_Shown], count: int) -> list[str]:
    """Say which comments are not shown, and how many are shown in part."""
    notes = []
    if chosen and (missing := _missing(chosen, count)):
        which = f"comment {missing[0]}" if len(missing) == 1 else f"comments {missing[0]} to {missing[-1]}"
        notes.append(f"Models do not see {which} of {count}: the first and the newest are shown.")
    if cut := sum(entry.cut for entry in chosen):
        notes.append(f"Of {cut} long comments, models see the begin and the end.")
    return notes
