"""Says of settings that cannot be used which they are, what they hold and what they may hold, in a line each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from miyabi_core.configuration.durations import ACCEPTED

#: Settings whose value is the URL of a Redis; every other one that ends in `_url` is one of the web.
REDIS_URLS = frozenset({"redis_url", "cache_url"})
#: Units that the end of a number's name tells.
_UNITS = (("_seconds", "seconds"), ("_ms", "milliseconds"))
#: What a value of a type looks like.
_OF_TYPE = {timedelta: ACCEPTED, bool: "true or false", dict: 'a JSON object, for example {"NAME": 1}'}
#: Words for what pydantic and annotated-types call a bound.
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than", "pattern": "that matches"}
#: Characters of a value that a line shows.
_SHOWN = 100
#: Errors of validators of ours, whose message says more than the type does.
_SAYS_ITSELF = frozenset({"value_error", "assertion_error"})


def types_of(field: FieldInfo) -> frozenset[Any]:
    """Return the types that a setting's value may have; of generic ones their origin."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return frozenset({Literal})
    members = get_args(annotation) if get_origin(annotation) not in {dict, list, tuple, None} else (annotation,)
    return frozenset((get_origin(member) or member) for member in members if member is not NoneType)


def problems_of(
    kind: type[BaseSettings], error: ValidationError, *, environment: Mapping[str, str] | None = None
) -> list[str]:
    """Return a line for each setting that cannot be used: the variable, its value unless secret, what it may hold.

    Args:
        kind: Which settings.
        error: What reading them raised.
        environment: Where they were read; default: the process's.
    """
    known = os.environ if environment is None else environment
    lines = []
    for entry in error.errors(include_url=False):
        name = _field_of(kind, entry["loc"])
        if name is None:
            prefix = str(kind.model_config.get("env_prefix") or "")
            lines.append(f"{prefix}…: {_reason(entry)}")
            continue
        field = kind.model_fields[name]
        variable = _variable(kind, name, known)
        if entry["type"] == "missing":
            lines.append(f"{variable} is not set, and has no default; it may be {accepted(name, field)}")
            continue
        inner = "".join(f"[{part!r}]" for part in entry["loc"][1:]) if dict in types_of(field) else ""
        why = f": {_reason(entry)}" if entry["type"] in _SAYS_ITSELF else ""
        value = _value(field, entry["input"])
        lines.append(f"{variable}{inner}={value} cannot be used{why}; it may be {accepted(name, field)}")
    return lines


def accepted(name: str, field: FieldInfo) -> str:
    """Return what a setting may hold, in a few words."""
    types = types_of(field)
    limits = _limits(field.metadata)
    if types == {Literal}:
        return f"one of {', '.join(map(str, get_args(field.annotation)))}"
    if types & {int, float} and bool not in types:
        kind = "a whole number" if int in types else "a number"
        unit = next((f" of {words}, or a duration such as 20 s" for end, words in _UNITS if name.endswith(end)), "")
        return f"{kind}{unit}{limits}"
    of_type = next((words for member, words in _OF_TYPE.items() if member in types), "")
    return f"{of_type or _of_name(name)}{limits}"


def _of_name(name: str) -> str:
    """Return what a text may hold whose kind the setting's name tells."""
    if name in REDIS_URLS:
        return "redis:// or rediss:// with host:port and the number of a database behind it"
    if name.endswith("_url"):
        return "a URL: https:// or http:// with a host behind it"
    return "host:port" if name == "address" or name.endswith("_address") else "a text"


def _limits(metadata: Iterable[Any]) -> str:
    """Return a setting's bounds and pattern in words."""
    words = [
        f"{word} {_plain(bound)}"
        for entry in metadata
        for name, word in _BOUNDS.items()
        if (bound := getattr(entry, name, None)) is not None
    ]
    return f", {', '.join(words)}" if words else ""


def _plain(bound: Any) -> str:
    """Return a bound in words."""
    return f"{bound.total_seconds():g} s" if isinstance(bound, timedelta) else str(bound)


def _reason(entry: Any) -> str:
    """Return what a validator of ours says, without pydantic's word before it."""
    return str(entry.get("ctx", {}).get("error") or entry["msg"]).rstrip(".")


def _value(field: FieldInfo, value: Any) -> str:
    """Return a value as an error shows it."""
    if SecretStr in types_of(field):
        return "(not shown)"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _field_of(kind: type[BaseSettings], where: tuple[int | str, ...]) -> str | None:
    """Return the setting that an error is about; None where it is about several."""
    if not where:
        return None
    return next((name for name, field in kind.model_fields.items() if where[0] in {name, *_aliases(field)}), None)


def _aliases(field: FieldInfo) -> list[str]:
    """Return the variables that a setting's own alias names."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias] if isinstance(alias, str) else []


def variables_of(kind: type[BaseSettings], name: str) -> list[str]:
    """Return the variables that a setting is read from, the first that counts before the others."""
    prefix = str(kind.model_config.get("env_prefix") or "")
    return _aliases(kind.model_fields[name]) or [f"{prefix}{name}".upper()]


def _variable(kind: type[BaseSettings], name: str, environment: Mapping[str, str]) -> str:
    """Return the variable of a setting: of several the one that is set."""
    names = variables_of(kind, name)
    given = {known.upper() for known in environment}
    return next((variable for variable in names if variable.upper() in given), names[0])
