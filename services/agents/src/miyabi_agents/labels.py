"""The label taxonomy: which labels there are, which exclude one another, and how a repository calls them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class TaxonomyLabel:
    """A label of ours."""

    name: str  #: as it is set, for example `type:bug`
    family: str
    value: str  #: without the family's prefix
    color: str
    description: str
    exclusive: bool
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelChange:
    """What has to be done to an issue's labels."""

    add: tuple[TaxonomyLabel, ...]
    remove: tuple[str, ...]
    result: tuple[str, ...]  #: labels afterwards, sorted


@cache
def taxonomy() -> tuple[TaxonomyLabel, ...]:
    """Return every label of `labels.yaml`."""
    raw: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("labels.yaml").read_text(encoding="utf-8"))
    return tuple(
        TaxonomyLabel(
            name=f"{family['prefix']}{value}",
            family=family_name,
            value=value,
            color=str(entry.get("color", family["color"])),
            description=entry["description"],
            exclusive=family["exclusive"],
            aliases=tuple(entry.get("aliases", ())),
        )
        for family_name, family in raw["families"].items()
        for value, entry in family["labels"].items()
    )


def values_of(family: str) -> list[str]:
    """Return the values of a family, in order."""
    return [label.value for label in taxonomy() if label.family == family]


def label_of(family: str, value: str) -> TaxonomyLabel:
    """Return the label of a family's value.

    Raises:
        KeyError: there is none.
    """
    for label in taxonomy():
        if label.family == family and label.value == value:
            return label
    raise KeyError(f"{family}:{value}")


def recognise(name: str) -> TaxonomyLabel | None:
    """Return the label that a repository's name stands for, through emoji and aliases; None for foreign ones."""
    plain = _plain(name)
    for label in taxonomy():
        if plain in {_plain(label.name), *map(_plain, label.aliases)}:
            return label
    return None


def change_labels(current: Iterable[str], wanted: Iterable[TaxonomyLabel]) -> LabelChange:
    """Return what has to be added and removed so that *current* carries *wanted*.

    Of each exclusive family of *wanted*, other labels go. A label that a repository calls by another name stays as it
    is. Foreign labels are not touched.
    """
    now = list(current)
    known = {name: recognise(name) for name in now}
    chosen = list(wanted)
    families = {label.family for label in chosen if label.exclusive}
    names = {(label.family, label.value) for label in chosen}
    remove = [
        name
        for name, label in known.items()
        if label is not None and label.family in families and (label.family, label.value) not in names
    ]
    there = {(label.family, label.value) for label in known.values() if label is not None}
    add = [label for label in chosen if (label.family, label.value) not in there]
    result = sorted({name for name in now if name not in remove} | {label.name for label in add})
    return LabelChange(tuple(add), tuple(remove), tuple(result))


def quality_of(score: int) -> TaxonomyLabel:
    """Return the quality label of a review score."""
    for floor, value in ((90, "excellent"), (80, "good"), (60, "needs-improvement")):
        if score >= floor:
            return label_of("quality", value)
    return label_of("quality", "poor")


def _plain(name: str) -> str:
    """Return a name without emoji, case and surrounding punctuation."""
    kept = "".join(char for char in name if unicodedata.category(char) not in {"So", "Sk", "Cf", "Mn", "Cn"})
    return re.sub(r"\s*([:/])\s*", r"\1", re.sub(r"\s+", " ", kept)).strip(" -_·|/:").casefold()
