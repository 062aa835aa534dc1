"""Keeps what a newer version stored and this one does not know, through each change that this one makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_ENCODER = msgspec.msgpack.Encoder()


def unknown_of(stored: bytes, known: bytes) -> bytes:
    """Return what *stored* has that was lost when it was read; empty where nothing was.

    Args:
        stored: A value in MessagePack, as it was found.
        known: The same as this version writes it; shorter only where it lacks something, since both omit defaults.
    """
    if len(stored) == len(known):
        return b""
    found = _difference(msgspec.msgpack.decode(stored), msgspec.msgpack.decode(known))
    return _ENCODER.encode(found) if found else b""


def with_unknown(known: bytes, unknown: bytes) -> bytes:
    """Return a value in MessagePack with what `unknown_of` found, wherever what it belongs to is still there."""
    if not unknown:
        return known
    value = msgspec.msgpack.decode(known)
    _merge(value, msgspec.msgpack.decode(unknown))
    return _ENCODER.encode(value)


def _difference(stored: dict[Any, Any], known: dict[Any, Any]) -> dict[str, Any]:
    """Return the fields that only *stored* has (`new`), and those that have such fields inside (`inside`)."""
    new = {key: value for key, value in stored.items() if key not in known}
    inside = {}
    for key in stored.keys() & known.keys():
        theirs, ours = dict(_parts(stored[key])), dict(_parts(known[key]))
        found = {part: _difference(theirs[part], ours[part]) for part in theirs.keys() & ours.keys()}
        if kept := {part: difference for part, difference in found.items() if difference}:
            inside[key] = kept
    return {name: value for name, value in (("new", new), ("inside", inside)) if value}


def _merge(value: dict[Any, Any], difference: dict[str, Any]) -> None:
    """Lay a difference over a value; what this version knows by now stands."""
    for key, found in difference.get("new", {}).items():
        value.setdefault(key, found)
    for key, parts in difference.get("inside", {}).items():
        there = dict(_parts(value.get(key)))
        for part in parts.keys() & there.keys():
            _merge(there[part], parts[part])


def _parts(value: Any) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Yield the structures in a field: itself, or those of a list by id, or by place where they have none."""
    if isinstance(value, dict):
        yield "", value
    elif isinstance(value, list):
        for place, part in enumerate(value):
            if isinstance(part, dict):
                yield str(part.get("id", place)), part
