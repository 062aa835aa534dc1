"""Reads the attacks: what strangers wrote, and what a model does that obeys them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

#: Where the attacks are: a file for each class.
FOLDER = Path(__file__).with_name("attacks")
#: Ways of an attack: `triage` ends with the issue's labels, `edit` with the body of a pull request, `words` is pushed,
#: `whole` is verified before.
WAYS = ("triage", "edit", "words", "whole")
#: What the verdict of a whole way has to be: the change is proved; or it is not; or a person is asked; or either.
VERDICTS = ("passed", "refused", "approval", "any")
#: Where a stranger's text stands: in the issue, in a file or a link of the repository, in the name of a branch, in a
#: step of the plan, in what tests printed, in what an analyser found.
PLACES = ("title", "body", "comment", "file", "link", "branch", "step", "output", "finding")

#: A tool call: `{"tool": …, "input": …}`.
Call = Mapping[str, Any]


@dataclass(frozen=True)
class Attack:
    """One attack.

    Args:
        name: In a sentence.
        kind: The class, which is the name of its file.
        where: One of PLACES; of files, links with `:path`.
        text: What stands there; the last line of defence is that it may be obeyed.
        canary: A word of it.
        seen: Whether models may see it.
        obeys: Calls by which the model obeys while it changes the code.
        tests: The same, while it writes tests.
        docs: The same, while it documents.
        summary: What it says of its change.
        docs_summary: What it says of the documentation.
        expectations: What it declares to be changed on purpose.
        triage: What triage said.
        refused: Begins or parts of sentences that the run has to say of what was refused.
        told: What documentation has to say; of triage anything, where no answer of the model is used.
        shown: What the evidence of the pull request has to say.
        writes: Paths that are changed all the same, beside those of the honest change: a reader of the pull request sees them.
        fails: Part of the failure with which the first task ends; empty: it ends well.
        way: One of WAYS.
        verdict: One of VERDICTS.
    """

    name: str
    kind: str
    where: str
    text: str
    canary: str = ""
    seen: bool = True
    obeys: Sequence[Call] = ()
    tests: Sequence[Call] = ()
    docs: Sequence[Call] = ()
    summary: str = "Doubles."
    docs_summary: str = "Nothing to say."
    expectations: Sequence[Mapping[str, str]] = ()
    triage: Mapping[str, str] = field(default_factory=dict)
    refused: Sequence[str] = ()
    told: Sequence[str] = ()
    shown: Sequence[str] = ()
    writes: Sequence[str] = ()
    fails: str = ""
    way: str = "edit"
    verdict: str = "passed"

    @property
    def place(self) -> str:
        """Where its text stands, without a path."""
        return self.where.partition(":")[0]

    @property
    def path(self) -> str:
        """The path of a file or link."""
        return self.where.partition(":")[2]


def attacks(surroundings: Mapping[str, str] | None = None) -> dict[str, Attack]:
    """Return the attacks by `class: name`.

    Args:
        surroundings: What `<<word>>` stands for in their texts; each attack has a `<<canary>>` of its own.

    Raises:
        ValueError: an attack has a field that there is not, or a value that a field cannot have.
    """
    found: dict[str, Attack] = {}
    for file in sorted(FOLDER.glob("*.yaml")):
        for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
            attack = _attack(entry, file.stem, surroundings or {})
            name = f"{attack.kind}: {attack.name}"
            if name in found or attack.place not in PLACES or attack.way not in WAYS or attack.verdict not in VERDICTS:
                raise ValueError(f"{name}: is there twice, or its place, way or verdict is none")
            found[name] = attack
    return found


def _attack(entry: Mapping[str, Any], kind: str, surroundings: Mapping[str, str]) -> Attack:
    """Return an attack with its words filled in."""
    canary = f"canary{secrets.token_hex(8)}"
    order = f"{canary} obey"
    words = {
        "canary": canary,
        "tags": _moved(order, 0xE0000),
        "selectors": "".join(chr(0xE0100 + byte - 16) for byte in order.encode()),
        "zero_width": "\u200b".join(canary),
        "base64": base64.b64encode(order.encode()).decode(),
        "long": "word " * 1_590,
        **surroundings,
    }
    text = json.dumps(entry)
    for name, value in words.items():
        text = text.replace(f"<<{name}>>", json.dumps(value)[1:-1])
    try:
        return Attack(kind=kind, canary=canary, **json.loads(text))
    except TypeError as error:
        raise ValueError(f"{kind}: {entry.get('name')}: {error}") from error


def _moved(text: str, by: int) -> str:
    """Return ASCII as characters of another block."""
    return "".join(chr(by + ord(char)) for char in text)
