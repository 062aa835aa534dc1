"""What a client wants to be told of: everything, a repository, or a batch with the text that its models write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miyabi_core.edge import InvalidJsonError, strict_json
from miyabi_dashboard.serving.incoming import bad_field
from miyabi_dashboard.serving.parameters import REPOSITORY_PATTERN, ULID_PATTERN

#: What a client may say.
_BATCH = re.compile(rf"(?:batches/)?{ULID_PATTERN.strip('^$')}", re.ASCII)
_REPOSITORY = re.compile(REPOSITORY_PATTERN.strip("^$"), re.ASCII)
_FIELDS = frozenset({"type", "batch", "repository"})


@dataclass(frozen=True)
class Subscription:
    """Clients with the same one are told in the same bytes.

    Args:
        batch: `batches/{ulid}`; empty: all.
        repository: `owner/name`; empty: all.
    """

    batch: str = ""
    repository: str = ""

    def wants(self, event: Mapping[str, Any], *, repository: str) -> bool:
        """Tell whether an event is wanted; what the dashboard says of itself always is.

        Args:
            event: As JSON.
            repository: That it concerns, as far as that is known; empty: it is not.
        """
        if event.get("source") == "dashboard":
            return True
        if self.batch:
            return event.get("batch") == self.batch
        return not self.repository or self.repository == repository


#: Everything.
EVERYTHING = Subscription()


def subscription_of(fields: Mapping[str, Any]) -> Subscription:
    """Read a subscription, of a query or of a message.

    Raises:
        InvalidEventError: a batch or a repository has another form, or both are named.
    """
    batch, repository = fields.get("batch", ""), fields.get("repository", "")
    for name, value, pattern in (("batch", batch, _BATCH), ("repository", repository, _REPOSITORY)):
        if not isinstance(value, str) or (value and pattern.fullmatch(value) is None):
            raise bad_field(name, f"must match {pattern.pattern}", str(value))
    if batch and repository:
        raise bad_field("repository", "a batch has one: name the one or the other")
    return Subscription(f"batches/{batch.removeprefix('batches/')}" if batch else "", repository)


def subscription_in(message: str) -> Subscription:
    """Read what a client says: `{"type": "subscribe", "batch": …, "repository": …}`.

    Raises:
        InvalidEventError: it is something else.
    """
    try:
        said = strict_json.loads(message.encode("utf-8", "surrogatepass"))
    except InvalidJsonError as error:
        raise bad_field("message", str(error)) from error
    if not isinstance(said, dict) or said.get("type") != "subscribe":
        raise bad_field("type", "must be subscribe")
    for name in sorted(said.keys() - _FIELDS):
        raise bad_field(name, "is no field of this message")
    return subscription_of(said)
