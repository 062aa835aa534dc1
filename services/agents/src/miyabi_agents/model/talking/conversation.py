"""One conversation with a model: its messages, kept within the window, and how each end of an answer is taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from miyabi_agents.errors import ModelAnswerError, ModelUnavailableError
from miyabi_agents.model.sending import PromptTooLongError, Sender, characters_of
from miyabi_agents.model.talking import cutting
from miyabi_agents.model.talking.answers import (
    Answer,
    assistant_message,
    cached,
    kept,
    results_message,
    user_message,
)
from miyabi_agents.model.talking.window import AFTER_CUT, Window
from miyabi_agents.model.tiers import Tier
from miyabi_core.text import encodable, shortened

if TYPE_CHECKING:
    from miyabi_agents.ports import ProgressSink

#: Longest answer, in tokens, where the budget pays for it; after one that was cut off there, twice as many.
MAX_TOKENS = 8192
#: How often in a row the model is told that its answer cannot be used.
REPAIRS = 2
#: How often in a row a turn may be paused.
MAX_PAUSES = 5
#: How often the API may say of one prompt that it is too long.
MAX_REFUSED = 3
#: Characters of a conversation that a summary is made from: what the smallest window takes without a doubt.
SUMMED_CHARACTERS = 100_000

#: Characters of a result below which it says nothing any more.
LEAST_RESULT = 200

#: Makes a summary of a text with another model.
Summarise = Callable[[str], Awaitable[str]]


@dataclass(frozen=True)
class Setting:
    """What every request of a conversation is made with."""

    step: str  #: under which text is streamed
    model: str
    instructions: str
    tools: Sequence[Mapping[str, Any]]
    choice: Mapping[str, str] | None = None  #: a tool that has to be called
    background: str = ""  #: what several conversations begin with, behind the instructions
    tier: Tier = Tier.STANDARD  #: what the model is asked as


@dataclass
class Conversation:
    """A conversation.

    Args:
        sender: Sends its requests.
        progress: Learns what is cut.
        setting: What they are made with.
        window: What they may take.
        summarise: Makes summaries.
        messages: Begins with the task.
    """

    sender: Sender
    progress: ProgressSink
    setting: Setting
    window: Window
    summarise: Summarise
    messages: list[dict[str, Any]]
    cuts: int = 0  #: how often something old was taken out
    _longest: int = MAX_TOKENS
    _cut_answers: int = 0
    _is_full: bool = False  #: the last answer ended where the window does

    async def answer(self) -> Answer:
        """Ask for the next answer and add it; a paused one goes on by itself.

        Raises:
            ModelAnswerError: the model refused, paused or was cut off time and again, or the conversation does not fit
                into its window.
            ModelUnavailableError: the API refused or could not be reached.
            BudgetError: the budget does not pay for the call.
        """
        for _ in range(1 + MAX_PAUSES):
            answer = await self._asked()
            if answer.stop == "refusal":
                raise ModelAnswerError(f"the model refused to answer{_told(answer)}")
            if answer.stop != "pause_turn":
                self.messages.append(assistant_message(answer))
                self._note_cut(answer)
                return answer
            self.messages.append(assistant_message(answer, whole=True))
        raise ModelAnswerError(f"the model paused {1 + MAX_PAUSES} times in a row and came to no end")

    def allow(self, tokens: int) -> None:
        """Set how many tokens the next answer may have."""
        self._longest = tokens

    def say(self, text: str) -> None:
        """Add a message of ours."""
        self.messages.append(user_message(text))

    def give(self, results: Sequence[tuple[str, str, bool]]) -> None:
        """Add the results of all tool calls of the last answer."""
        self.messages.append(results_message(results))

    def remark(self, notes: Sequence[str]) -> None:
        """Add to our last message, which was not sent yet, what we have to say beside."""
        self.messages[-1]["content"] += [{"type": "text", "text": encodable(note)} for note in notes]

    @property
    def longest_answer(self) -> int:
        """Tokens that the next answer may have."""
        return self.window.longest_answer(self._longest)

    def _note_cut(self, answer: Answer) -> None:
        """Count answers that were cut off, and give the next one more room."""
        if not answer.is_cut:
            self._cut_answers, self._longest = 0, MAX_TOKENS
            return
        self._cut_answers += 1
        if self._cut_answers > REPAIRS:
            where = "at the end of its window" if answer.stop == "model_context_window_exceeded" else "in the middle"
            raise ModelAnswerError(f"the model's answers were cut off {where} {self._cut_answers} times in a row")
        self._longest *= 2

    async def _asked(self) -> Answer:
        """Send the conversation, cut where it would not fit.

        Raises:
            ModelAnswerError: it does not fit, whatever is cut.
        """
        for refused in range(MAX_REFUSED):
            request = await self._fitting(must=refused > 0 or self._is_full)
            characters = characters_of(request)
            try:
                answer = await self.sender.send(self.setting.step, request, tier=self.setting.tier)
            except PromptTooLongError:
                self.window.refused(characters)
                continue
            self.window.measured(characters, prompt=answer.prompt_tokens, answer=answer.output_tokens)
            self._is_full = answer.stop == "model_context_window_exceeded"
            return answer
        raise ModelAnswerError(f"the API finds the conversation too long, even after {MAX_REFUSED - 1} cuts")

    def _request(self) -> dict[str, Any]:
        """Return the next request."""
        setting = self.setting
        return {
            "model": setting.model,
            "max_tokens": self.longest_answer,
            "system": [kept(text) for text in (setting.instructions, setting.background) if text],
            "messages": cached(self.messages),
            "tools": list(setting.tools),
            **({"tool_choice": dict(setting.choice)} if setting.choice else {}),
        }

    async def _fitting(self, *, must: bool) -> dict[str, Any]:
        """Return the next request, for which what is old is taken out where it would not fit.

        Args:
            must: Take something out whatever the estimate says: the API or the model found it too long.
        """
        request = self._request()
        room = self.window.room(self.longest_answer)
        size = characters_of(request)
        if not must and self.window.estimate(size) <= room:
            return request
        goal = self.window.characters_for(room * AFTER_CUT)
        self.messages, replaced = cutting.without_old_results(self.messages, saving=size - goal)
        said = [f"{replaced} old results were taken out of the conversation"]
        limit = self.window.characters_for(room)
        self.window.cut()
        if characters_of(self._request()) > limit:
            said += await self._sum_up(limit)
        self.cuts += 1
        async with self.progress.invocation("model.cut", detail=f"{self.setting.step}: {'; '.join(said)}"):
            return self._request()

    async def _sum_up(self, limit: int) -> list[str]:
        """Put a summary in the place of what is old; then cut what is new too, where even that is too long.

        Raises:
            ModelAnswerError: what may not be cut does not fit by itself.
        """
        said, cut, start = list[str](), list[str](), cutting.tail_of(self.messages)
        if start > 1:
            text = cutting.told(self.messages[1:start], characters=SUMMED_CHARACTERS)
            try:
                summary = await self.summarise(text)
            except (ModelAnswerError, ModelUnavailableError):
                summary = cutting.told(self.messages[1:start], characters=SUMMED_CHARACTERS // 10)
            self.messages = cutting.summed_up(self.messages, start, summary)
            said.append(f"{start - 1} old messages were summed up")
        longest = max((len(text) for text in cutting.results_of(self.messages)), default=0)
        while (size := characters_of(self._request())) > limit:
            longest //= 2
            if longest < LEAST_RESULT:
                raise ModelAnswerError(
                    f"the task does not fit into the model's window of {self.window.tokens} tokens ({size} characters)"
                )
            self.messages = cutting.with_shorter_results(self.messages, longest=longest)
            cut = [f"the newest results were cut to {longest} characters each"]
        return said + cut


def _told(answer: Answer) -> str:
    """Return what a refusal says of itself."""
    return f": {shortened(answer.text, 300)}" if answer.text else ""
