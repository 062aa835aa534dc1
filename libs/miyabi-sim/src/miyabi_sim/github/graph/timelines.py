"""How GraphQL serves what happened to an issue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from miyabi_sim.github.graph.context import Info, connection
from miyabi_sim.github.kept.models import Event, Issue, Label, node_id
from miyabi_sim.github.kept.timeline import KINDS, will_close

#: GitHub's enum values by the types that they choose.
ITEM_TYPES = {
    "CLOSED_EVENT": "ClosedEvent",
    "CROSS_REFERENCED_EVENT": "CrossReferencedEvent",
    "LABELED_EVENT": "LabeledEvent",
    "REOPENED_EVENT": "ReopenedEvent",
    "UNLABELED_EVENT": "UnlabeledEvent",
}


def timeline_items(
    item: Issue,
    _info: Info,
    *,
    itemTypes: list[str] | None = None,  # noqa: N803 - GitHub's name
    first: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    """Return a page of an issue's timeline."""
    wanted = KINDS if itemTypes is None else [ITEM_TYPES[name] for name in itemTypes]
    return connection([(item, event) for event in item.events if event.kind in wanted], first, after)


def _label(pair: tuple[Issue, Event], info: Info) -> Label:
    """Return the label of an event; one that was deleted since keeps its name."""
    item, event = pair
    return info.context.store.repository_of(item).label(event.label) or Label(id=0, name=event.label)


def _source(pair: tuple[Issue, Event], info: Info) -> Issue:
    item, event = pair
    return info.context.store.repository_of(item).items[event.source]


def _will_close(pair: tuple[Issue, Event], info: Info) -> bool:
    return will_close(info.context.store.repository_of(pair[0]), _source(pair, info), pair[0])


_EVENT: dict[str, Callable[..., Any]] = {
    "id": lambda pair, _info: node_id("EV", pair[1].id),
    "actor": lambda pair, _info: pair[1].actor,
    "createdAt": lambda pair, _info: pair[1].created_at,
}
#: Resolvers by type and field.
TIMELINE: dict[str, dict[str, Callable[..., Any]]] = {
    "ClosedEvent": _EVENT,
    "ReopenedEvent": _EVENT,
    "LabeledEvent": _EVENT | {"label": _label},
    "UnlabeledEvent": _EVENT | {"label": _label},
    "CrossReferencedEvent": _EVENT
    | {"isCrossRepository": lambda _pair, _info: False, "source": _source, "willCloseTarget": _will_close},
}


def event_type(pair: tuple[Issue, Event], _info: object, _kind: object) -> str:
    """Return the type of an event."""
    return pair[1].kind
