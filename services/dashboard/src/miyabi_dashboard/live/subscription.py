"""What a client wants to be told of: everything, a repository, or a batch with the text that its models write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miyabi_core.edge import InvalidJsonError, strict_json
from miyabi_dashboard.serving.incoming import bad_field
from miyabi_dashboard.serving.parameters import REPOSITORY_PATTERN, ULID_PATTERN

_BATCH = re.compile(rf"(?:batches/)?{ULID_PATTERN.strip('^$')}", re.ASCII)
_REPOSITORY = re.compile(REPOSITORY_PATTERN.strip("^$"), re.ASCII)
#: What a client may say, with the fields of each.
_FIELDS = {"subscribe": {"type", "batch", "repository"}, "texts": {"type", "batch"}}


@dataclass(frozen=True)
class Subscription:
    """Clients with the same one are told in the same bytes.

    Args:
        batch: `batches/{ulid}`; empty: all.
        repository: `owner/name`; empty: all.
    """

    batch: str = ""
    repository: str = ""

    def wants(self, batch: str, *, repository: str) -> bool:
        """Tell whether an event is wanted.

        Args:
            batch: That it is of; empty: of none.
            repository: That it concerns, as far as that is known; empty: it is not.
        """
        if self.batch:
            return batch == self.batch
        return not self.repository or self.repository == repository


#: Everything.
EVERYTHING = Subscription()


def subscription_of(fields: Mapping[str, Any]) -> Subscription:
    """Read a subscription, of a query or of a message.

    Raises:
        InvalidEventError: a batch or a repository has another form, or both are named.
    """
    batch, repository = _name(fields, "batch", _BATCH), _name(fields, "repository", _REPOSITORY)
    if batch and repository:
        raise bad_field("repository", "a batch has one: name the one or the other")
    return Subscription(_batch(batch), repository)


def texts_of(fields: Mapping[str, Any], name: str) -> str:
    """Read the name of the batch whose text a client reads along; empty: none.

    Raises:
        InvalidEventError: it has another form.
    """
    return _batch(_name(fields, name, _BATCH))


def said_in(message: str) -> Subscription | str:
    """Read what a client says.

    Returns:
        Of `{"type": "subscribe", "batch": …, "repository": …}` the subscription; of `{"type": "texts", "batch": …}` the
        name of the batch whose text it wants to read along.

    Raises:
        InvalidEventError: it is something else.
    """
    try:
        said = strict_json.loads(message.encode("utf-8", "surrogatepass"))
    except InvalidJsonError as error:
        raise bad_field("message", str(error)) from error
    kind = said.get("type") if isinstance(said, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise bad_field("type", f"must be one of {', '.join(_FIELDS)}")
    for name in sorted(said.keys() - _FIELDS[kind]):
        raise bad_field(name, "is no field of this message")
    return subscription_of(said) if kind == "subscribe" else texts_of(said, "batch")


def _name(fields: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    """Return a field; empty where it is not there.

    Raises:
        InvalidEventError: it has another form.
    """
    value = fields.get(name, "")
    if not isinstance(value, str) or (value and pattern.fullmatch(value) is None):
        raise bad_field(name, f"must match {pattern.pattern}", str(value))
    return value


def _batch(name: str) -> str:
    """Return the resource name of a batch, of its ULID too."""
    return f"batches/{name.removeprefix('batches/')}" if name else ""
