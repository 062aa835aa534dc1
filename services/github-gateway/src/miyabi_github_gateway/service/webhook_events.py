"""What GitHub's events mean: which issue changed, and who asks for a batch. Pure; nothing is sent from here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from miyabi_github_gateway.models import ALL_KINDS, Kind, Mention

#: Events that are about one issue or pull request; its number is in the payload.
_OF_A_NUMBER = ("issue", "pull_request")
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
_FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")


def change_of(event: str, payload: Mapping[str, Any]) -> tuple[str, int, frozenset[Kind]] | None:
    """Return repository, number (0: all) and kinds that an event makes stale; None where it makes nothing stale."""
    repository = _repository(payload)
    if not repository:
        return None
    for name in _OF_A_NUMBER:
        number = _mapping(payload, name).get("number")
        if isinstance(number, int) and number > 0:
            return repository, number, ALL_KINDS
    kinds = _OF_A_REPOSITORY.get(event)
    return (repository, 0, kinds) if kinds else None


def mention_of(event: str, payload: Mapping[str, Any], *, label: str, word: str) -> Mention | None:
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
    issue, sender = _mapping(payload, "issue"), _mapping(payload, "sender")
    repository, number = _repository(payload), issue.get("number")
    if not repository or not isinstance(number, int) or "pull_request" in issue or sender.get("type") == "Bot":
        return None
    action = payload.get("action")
    if event == "issues" and action == "labeled":
        name = str(_mapping(payload, "label").get("name", ""))
        asks, source = bool(label) and name.casefold() == label.casefold() and not _is_own(issue, sender), issue
    elif event == "issues" and action == "opened":
        asks, source = _says(word, issue.get("body")), issue
    elif event == "issue_comment" and action == "created":
        source = _mapping(payload, "comment")
        asks = _says(word, source.get("body"))
    else:
        return None
    time, actor = _time(source.get("updated_at")), sender.get("login")
    if not asks or time is None or not isinstance(actor, str):
        return None
    return Mention(repository, number, actor, time)


def _says(word: str, text: object) -> bool:
    """Tell whether a text has the word, not as part of another and not in a quotation of someone else."""
    if not word or not isinstance(text, str) or text.startswith(_OURS):
        return False
    own = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(">"))
    return re.search(rf"(?<![\w/@-]){re.escape(word)}(?![\w/-])", own, re.IGNORECASE) is not None


def _is_own(issue: Mapping[str, Any], sender: Mapping[str, Any]) -> bool:
    """Tell whether an issue was opened by this system with the sender's token."""
    author = _mapping(issue, "user").get("login")
    return str(issue.get("body") or "").startswith(_OURS) and author == sender.get("login")


def _mapping(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of the payload; an empty one where there is none."""
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def _repository(payload: Mapping[str, Any]) -> str:
    """Return `owner/name`; empty where there is none."""
    name = _mapping(payload, "repository").get("full_name")
    return name if isinstance(name, str) and _FULL_NAME.fullmatch(name) else ""


def _time(text: object) -> datetime | None:
    """Read GitHub's time; None where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
