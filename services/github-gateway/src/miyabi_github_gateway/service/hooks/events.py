"""What GitHub's events mean: which issue changed, and who asks for a batch. Pure; nothing is sent from here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from miyabi_core.text import spoken
from miyabi_github_gateway.models import ALL_KINDS, Kind, Mention
from miyabi_github_gateway.service.hooks.payload import ABSENT, Account, Numbered, Payload

#: Events after which what is cached of a whole repository may be wrong, and what of it.
_OF_A_REPOSITORY: Mapping[str, frozenset[Kind]] = {
    "push": frozenset({Kind.REPOSITORY}),
    "create": frozenset({Kind.REPOSITORY}),
    "delete": frozenset({Kind.REPOSITORY}),
    "repository": ALL_KINDS,
    "label": ALL_KINDS,
    "milestone": ALL_KINDS,
}
#: What the gateway's own comments and issues begin with; see `adapters.markers`.
_OURS = "<!-- miyabi:"
#: Characters of a text in which the word is looked for: GitHub's own limit of a body is 65,536.
MAX_TEXT = 1 << 16
_FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}")
#: Logins, those of enterprises (`name_company`) and of Apps (`name[bot]`) too; they become a part of a path.
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:\[bot\])?")


def change_of(event: str, payload: Payload) -> tuple[str, int, frozenset[Kind]] | None:
    """Return repository, number (0: all) and kinds that an event makes stale; None where it makes nothing stale."""
    repository = _repository(payload)
    if not repository:
        return None
    for item in (payload.issue, payload.pull_request):
        if item is not None and item.number:
            return repository, item.number, ALL_KINDS
    kinds = _OF_A_REPOSITORY.get(event)
    return (repository, 0, kinds) if kinds else None


def mention_of(event: str, payload: Payload, *, label: str, word: str) -> Mention | None:
    """Return what asks for a batch: the label that is set, or the word in a new issue or comment.

    Bots ask for nothing, so that what this system writes never starts it again; pull requests are not fixed. Where it
    writes with a person's token, its own texts are told by their first line, and so is a label that the account that
    opened an issue of ours sets on it.

    Args:
        event: The header `X-GitHub-Event`.
        payload: What GitHub sent.
        label: Its name; empty: labels ask for nothing.
        word: Matched as a whole word, in any case; empty: words ask for nothing.
    """
    issue, sender, repository = payload.issue, payload.sender or Account(), _repository(payload)
    if not repository or issue is None or not issue.number:
        return None
    if issue.pull_request is not ABSENT or sender.type == "Bot" or _LOGIN.fullmatch(sender.login or "") is None:
        return None
    moment = _asked_at(event, payload, issue=issue, label=label, word=word)
    return None if moment is None else Mention(repository, issue.number, str(sender.login), moment)


def _asked_at(event: str, payload: Payload, *, issue: Numbered, label: str, word: str) -> datetime | None:
    """Return when a batch was asked for; None where it was not."""
    match event, payload.action:
        case "issues", "labeled":
            name = (payload.label.name if payload.label else None) or ""
            asks = bool(label) and name.casefold() == label.casefold() and not _is_own(issue, payload.sender)
            return _time(issue.updated_at) if asks else None
        case "issues", "opened":
            return _time(issue.updated_at) if _says(word, issue.body) else None
        case "issue_comment", "created" if payload.comment is not None:
            return _time(payload.comment.updated_at) if _says(word, payload.comment.body) else None
        case _:
            return None


def _says(word: str, text: str | None) -> bool:
    """Tell whether a text has the word, not as part of another, and said: not quoted, not as code, not unseen."""
    if not word or not text or text.startswith(_OURS):
        return False
    own = spoken(text[:MAX_TEXT])
    return re.search(rf"(?<![\w/@-]){re.escape(word)}(?![\w/-])", own, re.IGNORECASE) is not None


def _is_own(issue: Numbered, sender: Account | None) -> bool:
    """Tell whether an issue was opened by this system with the sender's token."""
    author = issue.user.login if issue.user else None
    return (issue.body or "").startswith(_OURS) and author == (sender.login if sender else None)


def _repository(payload: Payload) -> str:
    """Return `owner/name`; empty where there is none."""
    name = (payload.repository.full_name if payload.repository else None) or ""
    return name if _FULL_NAME.fullmatch(name) else ""


def _time(text: str | None) -> datetime | None:
    """Read GitHub's time; None where it is none."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None
