"""Tells how many tokens a conversation takes, and how many it may, from what the API counted and from characters."""

from __future__ import annotations

from dataclasses import dataclass

from miyabi_agents.model.limits import Limits
from miyabi_agents.model.prices import CHARACTERS_PER_TOKEN

#: Share of the window that an answer may take at most: the rest is for what it answers.
ANSWER_SHARE = 0.25
#: Share of the window that is left empty, since the API counts a little of its own.
MARGIN = 0.02
#: Share of its room that a conversation has after a cut. Each cut makes the prompt cache useless, so it is a big one.
AFTER_CUT = 0.5
#: By how much more a token may be than measured, where the measured text is no longer there.
CAUTION = 1.2


@dataclass
class Window:
    """The window of one conversation.

    Args:
        limits: The model's.
        most: A smaller window than the model's, in tokens; 0: the model's.
    """

    limits: Limits
    most: int = 0
    _tokens: int = 0  #: of the prompt and the answer that were measured last; 0: nothing is measured
    _characters: int = 0  #: of that prompt
    _rate: float = 1 / CHARACTERS_PER_TOKEN  #: tokens of a character

    @property
    def tokens(self) -> int:
        """How long a conversation may be, with its answer."""
        return min(self.most, self.limits.window) if self.most else self.limits.window

    def longest_answer(self, wanted: int) -> int:
        """Return how many tokens an answer may have."""
        return min(wanted, self.limits.max_output, int(self.tokens * ANSWER_SHARE))

    def room(self, answer: int) -> int:
        """Return how many tokens a prompt may have beside an answer."""
        return self.tokens - answer - int(self.tokens * MARGIN)

    def measured(self, characters: int, *, prompt: int, answer: int) -> None:
        """Note what the API counted: the prompt's tokens, and those of the answer that is now part of it."""
        self._tokens, self._characters = prompt + answer, characters
        if characters:
            self._rate = max(prompt / characters, 1 / (4 * CHARACTERS_PER_TOKEN))

    def estimate(self, characters: int) -> int:
        """Return how many tokens a prompt is likely to have, rather too many than too few."""
        if self._tokens and characters >= self._characters:
            added = (characters - self._characters) / CHARACTERS_PER_TOKEN
            return int(self._tokens + added) + 1
        return int(characters * self._rate * (CAUTION if self._characters else 1)) + 1

    def characters_for(self, tokens: float) -> int:
        """Return how many characters so many tokens are, rather too few."""
        return int(tokens / (self._rate * CAUTION))

    def cut(self) -> None:
        """Note that the measured conversation is no longer the one that is sent."""
        self._tokens = 0

    def refused(self, characters: int) -> None:
        """Note that the API found a prompt too long: its tokens are more than was thought."""
        self._tokens, self._characters = 0, characters
        self._rate = max(self._rate * CAUTION, self.tokens / max(1, characters))
