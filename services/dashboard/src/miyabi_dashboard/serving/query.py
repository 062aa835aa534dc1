"""Reads parameters of queries and paths by their descriptions; what is wrong is said with its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from multidict import MultiMapping

from miyabi_core.text import shortened
from miyabi_dashboard.intake.events import InvalidEventError

#: Parameters by name; those that were not given have their defaults, or are not there.
Query = Mapping[str, Any]
#: What is shown of a value that is wrong.
_SHOWN = 100
#: More digits are no number of ours.
_INTEGER = re.compile(r"-?[0-9]{1,20}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a query or a path.

    Args:
        name: As it is written.
        schema: JSON Schema: `type` string, integer or boolean; `pattern`, `enum`, `maxLength`, `minimum`, `maximum`,
            `format` date-time, `default`.
        description: One sentence.
        required: It must be there, and not be empty.
    """

    name: str
    schema: Mapping[str, Any]
    description: str
    required: bool = False


def parse(parameters: tuple[Parameter, ...], given: MultiMapping[str]) -> dict[str, Any]:
    """Read a query; an empty value counts as none.

    Raises:
        InvalidEventError: a parameter is unknown, stands twice, is missing or has a wrong value; each is named.
    """
    known = {parameter.name: parameter for parameter in parameters}
    problems = [_problem(name, "is no parameter of this path", None) for name in set(given) - known.keys()]
    values: dict[str, Any] = {}
    for name, parameter in known.items():
        texts = [text for text in given.getall(name, []) if text]
        if len(texts) > 1:
            problems.append(_problem(name, "stands more than once", None))
        elif not texts:
            _leave_out(parameter, values, problems)
        else:
            _take(parameter, texts[0], values, problems)
    if problems:
        raise InvalidEventError(sorted(problems, key=lambda problem: str(problem["field"])))
    return values


def parse_path(parameters: tuple[Parameter, ...], given: Mapping[str, str]) -> dict[str, Any]:
    """Read what stands in a path.

    Raises:
        InvalidEventError: it has another form.
    """
    values: dict[str, Any] = {}
    problems: list[dict[str, Any]] = []
    for parameter in parameters:
        _take(parameter, given[parameter.name], values, problems)
    if problems:
        raise InvalidEventError(problems)
    return values


def _leave_out(parameter: Parameter, values: dict[str, Any], problems: list[dict[str, Any]]) -> None:
    """Use the default of what is not given."""
    if parameter.required:
        problems.append(_problem(parameter.name, "is required", None))
    elif "default" in parameter.schema:
        values[parameter.name] = parameter.schema["default"]


def _take(parameter: Parameter, text: str, values: dict[str, Any], problems: list[dict[str, Any]]) -> None:
    """Read one value."""
    try:
        values[parameter.name] = _READERS[parameter.schema.get("format") or parameter.schema["type"]](
            text, parameter.schema
        )
    except ValueError as error:
        problems.append(_problem(parameter.name, str(error), text))


def _integer(text: str, schema: Mapping[str, Any]) -> int:
    """Read a whole number.

    Raises:
        ValueError: it is none, or out of range.
    """
    lowest, highest = schema["minimum"], schema["maximum"]
    if _INTEGER.fullmatch(text) is None or not lowest <= int(text) <= highest:
        raise ValueError(f"must be a whole number, {lowest} to {highest}")
    return int(text)


def _boolean(text: str, schema: Mapping[str, Any]) -> bool:
    """Read `true` or `false`.

    Raises:
        ValueError: it is neither.
    """
    del schema
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def _string(text: str, schema: Mapping[str, Any]) -> str:
    """Read a text.

    Raises:
        ValueError: it is none of those that are allowed, too long, or of another form.
    """
    if "enum" in schema and text not in schema["enum"]:
        raise ValueError(f"must be one of {', '.join(filter(None, schema['enum']))}")
    if len(text) > schema.get("maxLength", len(text)):
        raise ValueError(f"must be at most {schema['maxLength']} characters")
    if "pattern" in schema and re.fullmatch(schema["pattern"].strip("^$"), text, re.ASCII) is None:
        raise ValueError(f"must match {schema['pattern']}")
    if not text.isprintable():
        raise ValueError("holds a character that cannot be seen")
    return text


def _moment(text: str, schema: Mapping[str, Any]) -> datetime:
    """Read a time (RFC 3339); one without a zone is UTC.

    Raises:
        ValueError: it is none.
    """
    del schema
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time such as 2026-11-29T20:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_READERS: Mapping[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "string": _string, "integer": _integer, "boolean": _boolean, "date-time": _moment,
}  # fmt: skip


def _problem(field: str, message: str, received: str | None) -> dict[str, Any]:
    """Say what is wrong with a parameter."""
    shown = shortened(received, _SHOWN) if received is not None else None
    return {"field": field, "message": message, "received": shown}
