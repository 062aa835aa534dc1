"""Reads the catalogue of recommendations, and refuses one that nothing could come of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from miyabi_dashboard.monitor.critical_path import Change

#: Fields of a change that a catalogue may set.
_CHANGES = frozenset(field.name for field in fields(Change))


@dataclass(frozen=True)
class Condition:
    """A fact with its bounds; a fact that was not measured fulfils none."""

    fact: str
    least: float = float("-inf")
    most: float = float("inf")

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Tell whether the fact is within the bounds."""
        value = facts.get(self.fact)
        return value is not None and self.least <= value <= self.most


@dataclass(frozen=True)
class Entry:
    """One recommendation.

    Attributes:
        change: Fields of `Change`, a text names a fact; None: it saves no time, and its conditions are enough.
        grows: Field of `Change` that the amounts are tried for; empty: the change is tried as it is.
        least_gain: Share of the batch's time that it has to gain.
    """

    id: str
    when: tuple[Condition, ...]
    setting: str
    present: str
    proposed: str
    text: str
    evidence: str
    change: Mapping[str, Any] | None = None
    grows: str = ""
    amounts: tuple[int, ...] = ()
    least_gain: float = 0.0


@cache
def read_catalogue() -> tuple[Entry, ...]:
    """Return the entries of `catalogue.yaml`.

    Raises:
        ValueError: an entry names no field of a change, or has the id of another.
        TypeError: an entry lacks a field, or has one too many.
    """
    stored = yaml.safe_load(files(__package__).joinpath("catalogue.yaml").read_text("utf-8"))
    entries = tuple(_entry(fields) for fields in stored)
    if len({entry.id for entry in entries}) != len(entries):
        raise ValueError("two entries of the catalogue have the same id")
    return entries


def _entry(stored: dict[str, Any]) -> Entry:
    """Read one entry."""
    when = tuple(Condition(**condition) for condition in stored.pop("when"))
    entry = Entry(when=when, amounts=tuple(stored.pop("amounts", ())), **stored)
    unknown = {*(entry.change or {}), *([entry.grows] if entry.grows else [])} - _CHANGES
    if unknown:
        raise ValueError(f"{entry.id}: {', '.join(sorted(unknown))} is no field of a change")
    return entry
