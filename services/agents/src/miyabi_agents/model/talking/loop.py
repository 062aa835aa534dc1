"""The loop of a conversation with tools: each call is run and answered, and what keeps it from an end is told."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from miyabi_agents.errors import ModelAnswerError
from miyabi_agents.model.talking.answers import Answer, schema_problem
from miyabi_agents.model.talking.brakes import Brakes
from miyabi_agents.model.talking.conversation import REPAIRS, Conversation
from miyabi_core.text import exact, shortened

if TYPE_CHECKING:
    from miyabi_agents.ports import ProgressSink

#: A tool's result is cut here, so that one large file does not fill the context.
MAX_RESULT_CHARACTERS = 40_000
#: Longest name of a tool that is told: ours are shorter by far, and a model may call anything.
MAX_NAME = 100
#: What is told of a call that did not come whole.
CUT_CALL = (
    "this call did not come whole, so it was not run: the answer was too long. Do it in smaller steps: "
    "create a file with its first part, then add to it by further edits"
)
#: Ends of an answer that need not be named.
_USUAL = frozenset({"end_turn", "tool_use", "stop_sequence", "max_tokens"})


@dataclass(frozen=True)
class Shown:
    """What a tool shows, where its text alone does not say how the work stands.

    Args:
        text: For the model.
        red: Tests that are red; None: none were run.
    """

    text: str
    red: frozenset[str] | None = None


#: Runs a tool; raises ValueError with a sentence for the model where the call cannot be done.
ToolHandler = Callable[[Mapping[str, Any]], Awaitable["str | Shown"]]
#: Returns the tool and the input that a call means, which the model may know under other names.
Translate = Callable[[str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]


@dataclass
class ToolLoop:
    """One conversation with tools."""

    talk: Conversation
    brakes: Brakes
    handlers: Mapping[str, ToolHandler]
    finish: str
    translate: Translate
    progress: ProgressSink
    by_name: Mapping[str, Mapping[str, Any]]
    _silent: int = 0
    _cuts: int = 0

    async def turn(self) -> dict[str, Any] | None:
        """Take one answer and run its calls; returns the finish's input where it came."""
        self.brakes.answered()
        self.talk.remark(self.brakes.notes())
        answer = await self.talk.answer()
        if self.talk.cuts != self._cuts:
            self._cuts = self.talk.cuts
            self.brakes.forget()
        self.brakes.said(answer.text)
        if not answer.uses:
            self._urge(answer)
            return None
        self._silent = 0
        results = []
        for use in answer.uses:
            name, given = self.translate(use.name, use.input)
            problem = CUT_CALL if use.id in answer.broken else schema_problem(self.by_name.get(name), given)
            if name == self.finish and not problem:
                return dict(given)
            text, failed, shows = await self._run(name, given, problem)
            self.brakes.called(name, given, shows, failed=failed)
            results.append((use.id, text, failed))
        self.talk.give(results)
        return None

    def _urge(self, answer: Answer) -> None:
        """Tell a model that called nothing to go on.

        Raises:
            ModelAnswerError: it was told so before.
        """
        self._silent += 1
        if self._silent > REPAIRS:
            stop = "" if answer.stop in _USUAL else f" (it stopped for {shortened(answer.stop, 100)})"
            words = shortened(answer.text, 300) or "its answers were empty"
            raise ModelAnswerError(f"the model stopped without calling {self.finish}{stop}: {words}")
        self.talk.say(f"{what_came(answer)}Go on, and call {self.finish} when you are done.")

    async def _run(self, name: str, given: Mapping[str, Any], problem: str) -> tuple[str, bool, str]:
        """Run one tool; returns the result's text, whether it is an error, and what of it counts as the same.

        A call that cannot be run is told too.
        """
        shown = shortened(exact(name), MAX_NAME)
        async with self.progress.invocation(shown, detail=shortened(json.dumps(given), 500)) as invocation:
            if problem:
                invocation.failed(problem)
                return problem, True, problem
            try:
                result = await self.handlers[name](given)
            except ValueError as error:
                invocation.failed(str(error))
                return shortened(str(error), MAX_RESULT_CHARACTERS), True, str(error)
        if isinstance(result, str):
            return shortened(result, MAX_RESULT_CHARACTERS), False, result
        text = shortened(result.text, MAX_RESULT_CHARACTERS)
        if result.red is None:
            return text, False, text
        self.brakes.tested(result.red)
        # Its text has times, which differ from run to run.
        return text, False, ", ".join(sorted(result.red))


def what_came(answer: Answer) -> str:
    """Say of an answer without a call what was wrong with it, where something was."""
    if answer.is_cut:
        return "Your answer was cut off because it was too long; go on where it ended. "
    return "" if answer.text else "Your answer was empty. "
