"""What a model tried and was refused, for the people who look at the run: each once, bounded, the rest counted."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from miyabi_agents.errors import CallRefusedError
from miyabi_core.logging import redact_text
from miyabi_core.text import exact, first, left_out, shortened

#: Sentences that a result holds, and their longest in characters (result.proto).
MAX_ATTEMPTS, MAX_ATTEMPT = 50, 500
#: Longest name of a tool, or list of arguments, that is said: ours are shorter by far.
MAX_NAME = 100

#: What a tool returns.
_T = TypeVar("_T")
#: Returns the tool and the input that a call means.
Translate = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]


class Attempts:
    """The attempts of one task, in their order; its conversations share one of these."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}
        self._more = 0

    def watching(
        self, handlers: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[_T]]]
    ) -> dict[str, Callable[[Mapping[str, Any]], Awaitable[_T]]]:
        """Return handlers of tools that note what they refuse with CallRefusedError."""
        return {name: self._watched(name, handler) for name, handler in handlers.items()}

    def translating(self, translate: Translate, offered: Sequence[Mapping[str, Any]]) -> Translate:
        """Return a translation of calls that notes those of a tool, or with an argument, that there is not.

        Args:
            translate: Takes calls under names that are not offered.
            offered: The tools that are.
        """
        known = {tool["name"]: tool["input_schema"]["properties"] for tool in offered}

        def translated(name: str, given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
            tool, arguments = translate(name, given)
            if tool not in known:
                self._note(tool, f"there is no such tool; it was given {json.dumps(arguments, ensure_ascii=False)}")
            elif foreign := [argument for argument in arguments if argument not in known[tool]]:
                self._note(tool, f"it does not take {shortened(', '.join(foreign), MAX_NAME)}")
            return tool, arguments

        return translated

    def told(self, before: Sequence[str] = ()) -> list[str]:
        """Return a sentence for each; where there are too many, the last says how many are not there.

        Args:
            before: Those of the steps before, which come first.
        """
        sentences = list(dict.fromkeys([*before, *self._said]))
        if len(sentences) + self._more <= MAX_ATTEMPTS:
            return sentences
        shown, rest = first(sentences, MAX_ATTEMPTS - 1)
        return [*shown, left_out(rest + self._more, "more")]

    def _watched(
        self, name: str, handler: Callable[[Mapping[str, Any]], Awaitable[_T]]
    ) -> Callable[[Mapping[str, Any]], Awaitable[_T]]:
        """Return one handler that notes its refusals."""

        async def watched(given: Mapping[str, Any]) -> _T:
            try:
                return await handler(given)
            except CallRefusedError as error:
                self._note(name, str(error))
                raise

        return watched

    def _note(self, tool: str, why: str) -> None:
        """Note one; secrets in it are struck out, and what cannot be seen is spelled out."""
        sentence = shortened(redact_text(f"{shortened(exact(tool), MAX_NAME)}: {exact(why)}"), MAX_ATTEMPT)
        if sentence in self._said:
            return
        if len(self._said) < MAX_ATTEMPTS:
            self._said[sentence] = None
        else:
            self._more += 1
