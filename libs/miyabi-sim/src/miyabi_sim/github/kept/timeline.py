"""What happens to issues and pull requests, recorded as it happens."""

from __future__ import annotations

import re
from collections.abc import Iterable

from miyabi_sim.github.kept.models import Event, Issue, PullRequest, Repository

#: GitHub's types of what is recorded.
KINDS = ("ClosedEvent", "CrossReferencedEvent", "LabeledEvent", "ReopenedEvent", "UnlabeledEvent")
#: A mention of an issue of the same repository.
_MENTION = re.compile(r"(?<![\w/#])#(\d{1,9})\b")
#: Words before a mention by which a pull request says that it closes an issue (docs.github.com, "Linking a pull
#: request to an issue").
_CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d{1,9})\b", re.IGNORECASE)


def will_close(repository: Repository, source: Issue, item: Issue) -> bool:
    """Return whether merging a pull request closes an issue: only where it goes to the default branch."""
    is_there = isinstance(source, PullRequest) and source.base_ref == repository.default_branch
    return is_there and str(item.number) in _CLOSING.findall(source.body)


def record(item: Issue, kind: str, *, actor: str, moment: str, label: str = "", source: int = 0) -> None:
    """Add something to an item's timeline; a type that is not in the schema is a defect.

    Raises:
        ValueError: there is no such type.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is no event")
    item.events.append(Event(item.id * 10_000 + len(item.events), kind, actor, moment, label, source))


def record_labels(item: Issue, *, before: Iterable[str], actor: str, moment: str) -> None:
    """Add which labels were set and taken off."""
    old = list(before)
    for kind, names in (
        ("LabeledEvent", [name for name in item.labels if name not in old]),
        ("UnlabeledEvent", [name for name in old if name not in item.labels]),
    ):
        for name in names:
            record(item, kind, actor=actor, moment=moment, label=name)


def record_mentions(repository: Repository, source: Issue, text: str, *, actor: str, moment: str) -> list[Issue]:
    """Add to the timelines of those that a text mentions that *source* does, once each; returns them."""
    mentioned = [repository.items.get(int(number)) for number in dict.fromkeys(_MENTION.findall(text))]
    changed = []
    for item in mentioned:
        if item is None or item is source or any(event.source == source.number for event in item.events):
            continue
        record(item, "CrossReferencedEvent", actor=actor, moment=moment, source=source.number)
        changed.append(item)
    return changed
