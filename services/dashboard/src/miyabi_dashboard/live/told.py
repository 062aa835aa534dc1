"""An event as clients are told of it: encoded when the first of them is to be told, and never again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_dashboard.upstream import as_dict


class Told:
    """An event, with what decides who is told of it.

    Args:
        make: Returns it as JSON; called once, and not at all where nobody is told.
        batch: `batches/{ulid}`; empty: it is of none.
        repository: `owner/name` that it names; empty: none.
        is_text: It is text that a model is writing.
        is_ours: The dashboard says it of itself: everybody is told.
        begins: The batch begins with it, and is of its repository.
    """

    __slots__ = ("_body", "_make", "batch", "begins", "is_ours", "is_text", "repository")

    def __init__(
        self, make: Callable[[], Mapping[str, Any]], *, batch: str = "", repository: str = "",
        is_text: bool = False, is_ours: bool = False, begins: bool = False,
    ) -> None:  # fmt: skip
        self._make = make
        self._body: orjson.Fragment | None = None
        self.batch = batch
        self.repository = repository
        self.is_text = is_text
        self.is_ours = is_ours
        self.begins = begins

    @classmethod
    def of_coordinator(cls, event: BatchEvent) -> Told:
        """Return an event of the coordinator."""
        payload = event.WhichOneof("payload")
        begins = payload == "batch_accepted"
        return cls(
            lambda: {"source": "coordinator", **as_dict(event)},
            batch=event.batch,
            repository=event.batch_accepted.batch.spec.repository if begins else "",
            is_text=payload == "text_delta",
            begins=begins,
        )

    @classmethod
    def of_intake(cls, event: Mapping[str, Any]) -> Told:
        """Return an event that came in over HTTP, as it was checked."""
        return cls(lambda: event, repository=event.get("repository") or "")

    @classmethod
    def of_dashboard(cls, event: Mapping[str, Any]) -> Told:
        """Return what the dashboard says of itself."""
        return cls(lambda: {"source": "dashboard", **event}, is_ours=True)

    @property
    def body(self) -> orjson.Fragment:
        """The event as JSON."""
        if self._body is None:
            self._body = orjson.Fragment(orjson.dumps(self._make()))
        return self._body
