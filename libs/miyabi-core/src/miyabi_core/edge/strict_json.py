"""JSON that every reader understands: no NaN, no infinity, no half of a character, and not deep."""

from __future__ import annotations

import json
from typing import Any, NoReturn

#: Objects and lists within each other; people nest a handful, and writers recurse.
MAX_DEPTH = 32


class InvalidJsonError(ValueError):
    """The bytes are no JSON (RFC 8259), or JSON that some reader would not understand."""


def loads(data: bytes, *, depth: int = MAX_DEPTH) -> Any:
    """Return the value of a JSON text; bytes of whatever size are the caller's to bound.

    Args:
        data: UTF-8.
        depth: Objects and lists that may lie within each other.

    Raises:
        InvalidJsonError: it is no JSON, holds NaN, an infinity (`1e999` too), a lone surrogate or an integer of more
            than 4,300 digits, or is too deep.
    """
    try:
        value = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidJsonError("is no JSON") from error
    _check_depth(value, depth)
    try:
        # What cannot be written again is not taken in: lone surrogates do not encode, infinities are refused.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise InvalidJsonError("holds what JSON cannot carry: half of a character, or an infinite number") from error
    return value


def dumps(value: Any) -> str:
    """Return a value as JSON in ASCII, which no encoding spoils.

    Raises:
        ValueError: it holds NaN or an infinity.
    """
    return json.dumps(value, allow_nan=False)


def _refuse(name: str) -> NoReturn:
    """Refuse NaN and infinities, which Python would take."""
    raise ValueError(name)


def _check_depth(value: Any, depth: int) -> None:
    """Walk level by level, without recursion.

    Raises:
        InvalidJsonError: it is deeper than *depth*.
    """
    level = [value]
    for _ in range(depth):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise InvalidJsonError(f"is nested more than {depth} deep")
