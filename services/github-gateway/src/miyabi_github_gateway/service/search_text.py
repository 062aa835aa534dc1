"""Puts a search of one repository into words for GitHub; nothing that a caller says makes it one of another."""

from __future__ import annotations

import re

from miyabi_core.errors import FieldViolation, InvalidArgumentError
from miyabi_core.text import shortened
from miyabi_github_gateway.models import IssueSearch

#: Qualifiers that narrow a search within its repository. All others are refused: GitHub adds new ones, several `repo:`
#: are searched together, and so are `user:`, `org:` and their like.
NARROWING = frozenset(
    {
        "in", "author", "assignee", "mentions", "commenter", "involves", "label", "milestone", "no", "is", "state",
        "reason", "created", "updated", "closed", "comments", "interactions", "reactions", "type", "linked", "project",
    }
)  # fmt: skip
#: What names repositories or their owners, also without a value behind it.
NAMING = frozenset({"repo", "repository", "user", "org", "owner", "enterprise", "team"})
#: Words that join terms, and what groups them: `a OR b` is not bound to the repository that stands before it.
_JOINING = re.compile(r"(?<!\S)(?:AND|OR|NOT)(?!\S)|[()]")
_QUOTED = re.compile(r'"[^"]*"')
_QUALIFIER = re.compile(r"(?<![^\s-])([^\s:\"-][^\s:\"]{0,100}):(\S?)")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:\[bot\])?|\*|@me")


def search_text(repository: str, wanted: IssueSearch) -> str:
    """Return the query for GitHub's search, without where it goes on.

    Raises:
        InvalidArgumentError: a value would leave its place, or a word asks beyond the repository.
    """
    _check_words(wanted.text)
    for position, label in enumerate(wanted.labels):
        _check_quotable(f"labels[{position}]", label)
    _check_quotable("milestone", wanted.milestone)
    if wanted.assignee and _LOGIN.fullmatch(wanted.assignee) is None:
        raise _bad("assignee", "is no login")
    words = [f"repo:{repository}", "is:issue", "sort:created-asc", wanted.text]
    words += [f"state:{wanted.state}"] if wanted.state != "all" else []
    words += [f'label:"{label}"' for label in wanted.labels]
    words += [f'milestone:"{wanted.milestone}"'] if wanted.milestone else []
    words += [f"assignee:{wanted.assignee}"] if wanted.assignee else []
    return " ".join(filter(None, words))


def _check_words(text: str) -> None:
    """Refuse words that ask beyond the repository.

    Raises:
        InvalidArgumentError: there is one; what stands in quotation marks is words only.
    """
    if text.count('"') % 2 or not text.isprintable():
        raise _bad("text", "has a quotation mark without its other, or a control character")
    # A qualifier before a quotation mark keeps its colon, so that it is seen.
    bare = _QUOTED.sub("x", text)
    if _JOINING.search(bare):
        raise _bad("text", "AND, OR, NOT and parentheses are not passed on; quote what is meant as words")
    for name, value in _QUALIFIER.findall(bare):
        if name.casefold() in NAMING or (value and name.casefold() not in NARROWING):
            raise _bad(
                "text", f"the qualifier {shortened(name, 40)}: is not passed on; quote it where it is meant as words"
            )


def _check_quotable(field: str, value: str) -> None:
    """Refuse what does not stay between quotation marks.

    Raises:
        InvalidArgumentError: it has one, or a backslash at its end, or a control character.
    """
    if '"' in value or value.endswith("\\") or not (value.isprintable() or not value):
        raise _bad(field, "has a quotation mark, a backslash at its end or a control character")


def _bad(field: str, description: str) -> InvalidArgumentError:
    """Say which field is wrong."""
    return InvalidArgumentError(
        f"{field}: {description}", reason="INVALID_REQUEST", violations=[FieldViolation(field, description)]
    )
