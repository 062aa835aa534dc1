"""What other programs may say over HTTP: the types of event and their fields."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_core.text import first, shortened

#: Names that the page knows from us: the coordinator's events have them, and what the dashboard adds. An event from
#: outside that had one could pass for ours, with an outcome or a link that nobody vouches for.
OWN_NAMES = frozenset({"id", "source", "sequence", "epoch", "coordinator", *BatchEvent.DESCRIPTOR.fields_by_name})
#: Of one event as JSON: it is kept, sent to every page, and answered with a thousand others.
MAX_EVENT_BYTES = 64 << 10
#: Problems of one event that an answer lists; the others are counted.
MOST_PROBLEMS = 20
#: Numbers of issues are 32 bits wide.
MAX_NUMBER = 2**31 - 1
#: What is shown of a value that is wrong.
_SHOWN = 100


class _Base(BaseModel):
    """Fields of every event; what a type does not name is kept as it comes."""

    model_config = ConfigDict(extra="allow")

    agentId: str = Field(min_length=1, max_length=128)  # noqa: N815 - the interface's own names
    #: The sender's own id of the event: a repeat within `MIYABI_DASHBOARD_INTAKE_KNOWN_FOR` is stored once.
    eventId: str | None = Field(default=None, min_length=1, max_length=128)  # noqa: N815
    issueNumber: int = Field(ge=0, le=MAX_NUMBER, strict=True)  # noqa: N815
    timestamp: datetime | None = None
    repository: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$")


class _Started(_Base):
    eventType: Literal["started"]  # noqa: N815
    parameters: dict[str, Any] | None = None


class _Progress(_Base):
    eventType: Literal["progress"]  # noqa: N815
    progress: float = Field(ge=0, le=100)
    message: str | None = Field(default=None, max_length=500)
    substeps: list[Any] | None = None


class _Result(BaseModel):
    model_config = ConfigDict(extra="allow")

    success: bool
    durationMs: float = Field(ge=0)  # noqa: N815
    outputSummary: str | None = Field(default=None, max_length=1000)  # noqa: N815
    metrics: dict[str, Any] | None = None
    artifacts: list[Any] | None = None


class _Completed(_Base):
    eventType: Literal["completed"]  # noqa: N815
    result: _Result


class _ErrorDetail(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: str = Field(max_length=200)
    message: str = Field(max_length=2000)
    severity: Literal["warning", "error", "critical"]
    recoverable: bool


class _Error(_Base):
    eventType: Literal["error"]  # noqa: N815
    error: _ErrorDetail


class _Transition(_Base):
    eventType: Literal["state:transition"]  # noqa: N815
    fromState: str = Field(min_length=1, max_length=64)  # noqa: N815
    toState: str = Field(min_length=1, max_length=64)  # noqa: N815


class _Plain(_Base):
    eventType: Literal[  # noqa: N815
        "task:discovered", "coordinator:analyzing", "coordinator:decomposing", "coordinator:assigning"
    ]


IntakeEvent = Annotated[
    _Started | _Progress | _Completed | _Error | _Transition | _Plain, Field(discriminator="eventType")
]
_ADAPTER: TypeAdapter[Any] = TypeAdapter(IntakeEvent)


class InvalidEventError(ValueError):
    """An event breaks a rule; `problems` names each field."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(f"{problem['field']}: {problem['message']}" for problem in problems))
        self.problems = problems


def check(event: Any, *, prefix: str = "") -> dict[str, Any]:
    """Return *event* where it is right.

    Args:
        event: What came in: a value of `strict_json.loads`.
        prefix: Goes before each field's name, for events in a list.

    Raises:
        InvalidEventError: a field is missing or wrong, has a name of ours, or the type is unknown.
    """
    if isinstance(event, dict):
        _check_names(event, prefix)
    try:
        _ADAPTER.validate_python(event)
    except ValidationError as error:
        found, rest = first(error.errors(), MOST_PROBLEMS)
        problems = [_problem(entry, prefix) for entry in found]
        if rest:
            message = f"{rest} more problems are not listed"
            problems.append({"field": prefix.removesuffix(".") or "body", "message": message, "received": None})
        raise InvalidEventError(problems) from error
    if problem := _problem_of_size(event):
        raise InvalidEventError([{"field": prefix.removesuffix(".") or "body", "message": problem, "received": None}])
    checked: dict[str, Any] = event
    return checked


def _problem_of_size(event: Any) -> str:
    """Return what keeps an event from being kept and sent on; empty: nothing."""
    try:
        size = len(orjson.dumps(event))
    except TypeError:
        return "holds a whole number of more than 64 bits, which few readers understand"
    return f"is larger than {MAX_EVENT_BYTES} bytes" if size > MAX_EVENT_BYTES else ""


def _check_names(event: dict[str, Any], prefix: str) -> None:
    """Refuse names of ours.

    Raises:
        InvalidEventError: there is one.
    """
    problems = [
        {"field": f"{prefix}{name}", "message": "is a name of this service's own", "received": None}
        for name in sorted(OWN_NAMES & event.keys())
    ]
    if problems:
        raise InvalidEventError(problems)


def _problem(entry: Any, prefix: str) -> dict[str, Any]:
    """Render one of pydantic's findings; the union's own step is no part of a field's name."""
    path = [str(part) for part in entry["loc"]]
    if path and path[0] in _TYPES:
        path = path[1:]
    if entry["type"].startswith("union_tag"):
        path = ["eventType"]
    received = entry.get("input")
    shown = received if isinstance(received, str | int | float | bool | None) else type(received).__name__
    if isinstance(shown, str):
        shown = shortened(shown, _SHOWN)
    return {"field": (prefix + ".".join(path)).removesuffix(".") or "body", "message": entry["msg"], "received": shown}


_TYPES = {
    "started", "progress", "completed", "error", "state:transition", "task:discovered", "coordinator:analyzing",
    "coordinator:decomposing", "coordinator:assigning",
}  # fmt: skip


def _schema() -> dict[str, Any]:
    """Return the JSON Schema of an event, with what it refers to in place."""
    schema = _ADAPTER.json_schema()
    definitions = schema.pop("$defs")
    schema.pop("discriminator", None)
    ours = dict.fromkeys(sorted(OWN_NAMES), False)

    def inlined(value: Any) -> Any:
        if isinstance(value, list):
            return [inlined(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return inlined(definitions[value["$ref"].rpartition("/")[2]])
        return {key: inlined(entry) for key, entry in value.items()}

    kinds = [kind | {"properties": {**ours, **kind["properties"]}} for kind in inlined(schema)["oneOf"]]
    return {"oneOf": kinds}


#: What an event is, for the description of the interface.
EVENT_SCHEMA = _schema()
