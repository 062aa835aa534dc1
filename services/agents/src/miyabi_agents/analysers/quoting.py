"""What a model finds fault with: it counts where it quotes a line that the change adds, and only lowers a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from miyabi_agents.analysers.base import LOW, MEDIUM, RawFinding, Subject
from miyabi_core.text import first, shortened, split_lines

#: Who found it, as findings and analysers are listed.
MODEL = "model"
#: What such a finding is called.
RULE = "concern"
#: Severity and points of a serious concern and of any other (docs/review-score.md): never critical, so that no
#: sentence of a model escalates.
SERIOUS, OTHER = (MEDIUM, 10), (LOW, 2)
#: Concerns that are looked at; the schema of the model's tool says so too.
MAX_CONCERNS = 50
#: Longest words of one.
MAX_WORDS = 1000
#: The schema of a concern.
SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "The file, as the diff names it."},
        "quote": {"type": "string", "description": "One whole line that the change adds, exactly, without its `+`."},
        "words": {"type": "string", "maxLength": MAX_WORDS, "description": "What is wrong with it."},
        "serious": {"type": "boolean", "description": "It is a bug, rather than something that could be better."},
    },
    "required": ["path", "quote", "words", "serious"],
    "additionalProperties": False,
}


@dataclass
class Concerns:
    """What of a model's concerns counts."""

    findings: list[RawFinding] = field(default_factory=list)
    dropped: int = 0  #: those that quote no changed line

    @property
    def notes(self) -> list[str]:
        """What is to be said of those that do not count."""
        return [f"{self.dropped} concerns quote no line of the change, and were dropped"] if self.dropped else []


def quoted(concerns: Sequence[Mapping[str, Any]], subject: Subject) -> Concerns:
    """Return the concerns that quote a changed line, each as a finding on it.

    A quote is a whole line, but for the spaces around it. A quote of nothing, of part of a line, of a line that base
    has there, or of a file that was not looked at is dropped and counted.

    Args:
        concerns: What the model said, by `SCHEMA`.
        subject: The changed files, as analysers see them.
    """
    names = {subject.shown.get(path, path): path for path in subject.files}
    kept = Concerns()
    known: dict[str, dict[bytes, int]] = {}
    looked_at, rest = first(concerns, MAX_CONCERNS)
    for concern in looked_at:
        path = names.get(concern["path"], "")
        if path and path not in known:
            known[path] = _changed(subject, path)
        line = known.get(path, {}).get(concern["quote"].strip().encode("utf-8", "replace"), 0)
        if line:
            severity, points = SERIOUS if concern["serious"] else OTHER
            kept.findings.append(
                RawFinding(RULE, concern["path"], line, severity, points, shortened(concern["words"], MAX_WORDS))
            )
        else:
            kept.dropped += 1
    kept.dropped += rest
    return kept


def _changed(subject: Subject, path: str) -> dict[bytes, int]:
    """Return the changed lines of a file by their words, each with its first number."""
    found: dict[bytes, int] = {}
    for number, row in enumerate(split_lines((subject.root / path).read_bytes()), 1):
        words = row.strip()
        if words and number in subject.lines[path]:
            found.setdefault(words, number)
    return found
