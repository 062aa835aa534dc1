"""Stops a conversation that goes in circles or comes no further; before that, the model is told once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from miyabi_agents.errors import NoProgressError
from miyabi_core.text import both_ends, enumerated, shortened

#: Share of a limit from which on it is near.
NEAR = 0.8
#: Characters of a call that a reason names.
_SHOWN = 200
#: Characters of the last error, and of the last words, that the next attempt is told.
_LEARNT = 2000
#: Answers by the size that triage expects of the change; a conversation that takes more is going in circles.
STEPS = {"XS": 25, "S": 30, "M": 40, "L": 60, "XL": 80}
#: Answers where nothing is known of the size.
USUAL_STEPS = 40


@dataclass(frozen=True)
class BrakeLimits:
    """When a conversation is ended.

    Args:
        steps: Answers in all.
        idle: Answers without a change of a file; 0: files are not what it is about.
        same: Calls that are the same and have the same result, or errors that are the same, since the last change.
        red_edits: Changes after which the very same tests are still red.
    """

    steps: int = USUAL_STEPS
    idle: int = 25
    same: int = 3
    red_edits: int = 5


def steps_for(size: str) -> int:
    """Return how many answers a change of a size may take."""
    return STEPS.get(size, USUAL_STEPS)


@dataclass
class Brakes:
    """Counts what repeats.

    Args:
        limits: When it ends.
        changing: Tools that change files.
        finish: The tool that ends the conversation well.
        spent: Says what was spent, for a person.
    """

    limits: BrakeLimits
    changing: frozenset[str]
    finish: str
    spent: Callable[[], str]
    _steps: int = 0
    _idle: int = 0
    _changes: int = 0
    _seen: Counter[str] = field(default_factory=Counter)
    _edits: Counter[str] = field(default_factory=Counter)
    _errors: Counter[str] = field(default_factory=Counter)
    _red: frozenset[str] = frozenset()
    _red_since: int = 0
    _counted: set[tuple[int, str]] = field(default_factory=set)  #: what this answer was counted for
    _last_error: str = ""
    _said: set[str] = field(default_factory=set)
    _answers: int = 0
    _words: str = ""  #: what the model said last
    _why: str = ""  #: what it was stopped for
    _notes: list[str] = field(default_factory=list)

    def answered(self) -> None:
        """Count an answer.

        Raises:
            NoProgressError: there were as many as there may be, or nothing was changed for too long.
        """
        self._counted.clear()
        self._steps += 1
        self._idle += 1
        limits = self.limits
        if self._steps > limits.steps:
            self._stop(f"it did not call {self.finish} within {limits.steps} answers")
        if limits.idle and self._idle > limits.idle and self.changing:
            self._stop(f"it changed no file in {limits.idle} answers")
        if self._steps >= limits.steps * NEAR:
            left = limits.steps - self._steps
            self._say("steps", f"{left} answers are left: come to an end and call {self.finish}.")
        if limits.idle and self.changing and self._idle >= limits.idle * NEAR:
            left = limits.idle - self._idle
            self._say("idle", f"No file was changed in {self._idle} answers; after {left} more the work is ended.")

    def called(self, name: str, given: Mapping[str, Any], result: str, *, failed: bool) -> None:
        """Count a call with its result.

        Raises:
            NoProgressError: it was the same as often as it may be.
        """
        call = f"{name} {shortened(json.dumps(given, ensure_ascii=False, sort_keys=True), _SHOWN)}"
        if failed:
            self._last_error = f"{call}: {result}"
            self._repeats(self._errors, result, f"the error “{shortened(result, _SHOWN)}” came")
        whole = json.dumps([name, given, result], sort_keys=True)
        changes = name in self.changing and not failed
        # A change begins all counts anew but that of changes: there and back again is a circle too.
        self._repeats(self._edits if changes else self._seen, whole, f"{call} had the same result")
        if changes:
            self._changed()

    def tested(self, red: frozenset[str]) -> None:
        """Note which tests are red.

        Raises:
            NoProgressError: the very same were red for too many changes.
        """
        if not red or red != self._red:
            self._red, self._red_since = red, self._changes
            return
        changes = self._changes - self._red_since
        names = enumerated([shortened(name, _SHOWN) for name in sorted(red)], 3)
        if changes >= self.limits.red_edits:
            self._stop(f"after {changes} changes the same tests are still red: {names}")
        if changes >= self.limits.red_edits - 1:
            self._say("red", f"After {changes} changes the same tests are red. Another such change ends the work.")

    def said(self, words: str) -> None:
        """Note an answer that came, and what the model said beside its calls."""
        self._answers += 1
        self._words = words or self._words

    @property
    def has_begun(self) -> bool:
        """Tell whether there was an answer to learn from."""
        return self._answers > 0

    @property
    def learnt(self) -> str:
        """What the next attempt is told of this one: why it was stopped, its last error, red tests, its last words."""
        why = f": {self._why}" if self._why else f" after {self._answers} answers and {self._changes} changes of files"
        learnt = [f"An attempt before this one was stopped{why}."]
        if self._last_error:
            learnt.append(f"Its last error was: {both_ends(self._last_error, _LEARNT)}")
        if self._red:
            learnt.append(f"Red tests: {enumerated([shortened(name, _SHOWN) for name in sorted(self._red)], 10)}")
        if self._words:
            learnt.append(f"Its last words were: {both_ends(self._words, _LEARNT)}")
        return "\n".join(learnt)

    def forget(self) -> None:
        """Let calls be made again: what they gave was taken out of the conversation."""
        self._seen.clear()

    def warn(self, key: str, words: str) -> None:
        """Have something said once, of a limit that is counted elsewhere."""
        self._say(key, words)

    def notes(self) -> list[str]:
        """Return what the model is to be told now, each thing once."""
        said, self._notes = self._notes, []
        return said

    def _changed(self) -> None:
        """Begin to count anew: something moved."""
        self._changes += 1
        self._idle = 0
        self._seen.clear()
        self._errors.clear()

    def _repeats(self, counted: Counter[str], key: str, what: str) -> None:
        """Count something that may repeat so often only; once an answer, whose calls know nothing of each other."""
        if (id(counted), key) in self._counted:
            return
        self._counted.add((id(counted), key))
        counted[key] += 1
        if counted[key] >= self.limits.same:
            self._stop(f"{what} {counted[key]} times")
        if counted[key] == self.limits.same - 1:
            self._say(
                f"again {key}", f"Careful: {what} {counted[key]} times. Once more ends the work; try another way."
            )

    def _say(self, key: str, words: str) -> None:
        """Say something, once."""
        if key not in self._said:
            self._said.add(key)
            self._notes.append(words)

    def _stop(self, why: str) -> None:
        """End the conversation.

        Raises:
            NoProgressError: always.
        """
        self._why = why
        raise NoProgressError(f"the model came no further: {why}; {self.spent()}", learnt=self.learnt)
