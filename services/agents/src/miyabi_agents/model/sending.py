"""Sends one request to the model API and reads its streamed answer: timed, counted, within the budget, repeated."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2

from miyabi.common.v1.usage_pb2 import Usage
from miyabi_agents.errors import ModelAnswerError, ModelUnavailableError
from miyabi_agents.model import prices
from miyabi_agents.model.budget import BudgetKeeper
from miyabi_agents.model.pace import Pace, Patience, Turn
from miyabi_agents.model.talking.answers import CUT, Answer
from miyabi_agents.model.tiers import Tier
from miyabi_agents.model.transcript import CallRecord, Transcript
from miyabi_core.text import encodable

if TYPE_CHECKING:
    from miyabi_agents.ports import Invocation, ProgressSink

#: Separates the text of a broken answer from that of its repeat.
BROKEN_MARK = "\n[the connection broke; asking again]\n"
#: Kinds of error, and statuses, by which the API says that it is busy.
_BUSY_KINDS, _BUSY = frozenset({"overloaded_error", "rate_limit_error"}), frozenset({429, 529})
#: Kinds of error, and statuses, that a repeat may mend (the client's own list).
_PASSING_KINDS, _PASSING = frozenset({"api_error", "timeout_error"}), frozenset({408, 409})
#: First status of an error of the API's.
_SERVER_ERROR = 500
#: How the API says that a conversation does not fit into the model's window.
_TOO_LONG = re.compile(r"prompt is too long|exceed context limit")


class PromptTooLongError(Exception):
    """The API counted more tokens than the model takes: the conversation has to be cut."""


class _LostAnswerError(Exception):
    """What came is no answer, or not the whole of one: it is asked for again, as after a broken stream."""


@dataclass
class _Tries:
    """What went wrong so far with one request."""

    patience: Patience
    busy: timedelta = timedelta()
    refusals: int = 0
    failures: int = 0
    broken: int = 0

    def wait_after(self, error: anthropic.APIStatusError) -> timedelta | None:
        """Return how long to wait before a repeat; None where there is none."""
        if is_busy(error):
            self.refusals += 1
            wait = _retry_after(error) or self.patience.wait(self.refusals)
            self.busy += wait
            return wait if self.busy <= self.patience.busy else None
        kind, status = _kind(error), error.status_code
        if kind in _PASSING_KINDS or status in _PASSING or status >= _SERVER_ERROR:
            return self.wait_unsent()
        return None

    def wait_unsent(self) -> timedelta | None:
        """Return the same for a request that could not be sent."""
        self.failures += 1
        return self.patience.wait(self.failures) if self.failures <= self.patience.repeats else None

    def is_broken_again(self) -> bool:
        """Tell whether an answer broke that is asked for again."""
        self.broken += 1
        return self.broken < self.patience.broken


class Sender:
    """Sends requests for one task.

    Args:
        client: The process's client, which repeats nothing by itself.
        progress: Learns of every call and of streamed text.
        keeper: The task's budget.
        pace: Bounds the calls of the process.
        patience: How long calls are repeated.
        transcript: Records every call.
    """

    def __init__(
        self,
        client: anthropic.AsyncAnthropic,
        *,
        progress: ProgressSink,
        keeper: BudgetKeeper,
        pace: Pace,
        patience: Patience,
        transcript: Transcript,
    ) -> None:
        self._client = client
        self._progress = progress
        self._keeper = keeper
        self._pace = pace
        self._patience = patience
        self._transcript = transcript

    async def send(self, step: str, request: dict[str, Any], *, tier: Tier = Tier.STANDARD) -> Answer:
        """Send a request until an answer comes; its `max_tokens` is cut to what the budget pays for.

        Args:
            step: Under which its text is streamed.
            request: As the API takes it.
            tier: What its model is asked as, for the record.

        Raises:
            PromptTooLongError: the prompt does not fit into the model's window.
            ModelAnswerError: no answer could be read.
            ModelUnavailableError: the API refused or could not be reached, after repeats.
            BudgetError: the budget does not pay for the call.
        """
        tries = _Tries(self._patience)
        while True:
            try:
                return await self._in_turn(step, request, tier)
            except anthropic.APIStatusError as error:
                if _TOO_LONG.search(error.message):
                    raise PromptTooLongError(error.message) from error
                wait = tries.wait_after(error)
                if wait is None:
                    raise _unavailable(error) from error
            except anthropic.APIConnectionError as error:
                wait = tries.wait_unsent()
                if wait is None:
                    raise _unreached(error) from error
            except (httpx2.HTTPError, _LostAnswerError) as error:
                wait = timedelta()
                if not tries.is_broken_again():
                    raise _lost(error) from error
                await self._progress.text(step, BROKEN_MARK)
            await asyncio.sleep(wait.total_seconds())

    async def _in_turn(self, step: str, request: dict[str, Any], tier: Tier) -> Answer:
        """Make one call when it may go out, and note how the API took it."""
        async with self._pace.turn() as turn:
            try:
                answer = await self._attempt(step, request, tier, turn)
            except anthropic.APIStatusError as error:
                if is_busy(error):
                    wait = _retry_after(error) or timedelta()
                    self._pace.refused(turn, retry_after=wait.total_seconds())
                raise
            self._pace.worked(turn)
            return answer

    async def _attempt(self, step: str, request: dict[str, Any], tier: Tier, turn: Turn) -> Answer:
        """Make one call within the budget; it is timed and counted whatever becomes of it."""
        model = request["model"]
        characters = characters_of(request)
        longest = self._keeper.longest_answer(model, prompt_characters=characters, most=request["max_tokens"])
        request = {**request, "max_tokens": longest}
        with self._keeper.reserved(model, prompt_characters=characters, max_tokens=longest):
            async with self._progress.invocation("model.messages", detail=f"{step}: {model}") as invocation:
                record = self._transcript.begin(step, request, tier=tier)
                return await self._stream(step, invocation, request, record, turn)

    async def _stream(
        self, step: str, invocation: Invocation, request: dict[str, Any], record: CallRecord, turn: Turn
    ) -> Answer:
        """Stream an answer; text goes out as it comes."""
        used, begun, message = Usage(calls=1), False, None
        inputs: defaultdict[int, str] = defaultdict(str)
        try:
            async with self._client.messages.stream(**request) as stream:
                async for event in stream:
                    begun = begun or event.type == "message_start"
                    if begun:
                        turn.begun()
                        message = stream.current_message_snapshot
                        used = prices.usage_of(request["model"], message.usage)
                    if event.type == "text":
                        invocation.first_text()
                        record.first_text()
                        await self._progress.text(step, event.text)
                    elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                        inputs[event.index] += event.delta.partial_json
                return _read(await stream.get_final_message(), inputs)
        except BaseException as error:
            record.failed(error)
            if not isinstance(error, ValueError):
                raise
            # Halves of surrogate pairs in a tool's input, JSON that is none: the client does not foresee them.
            raise _LostAnswerError("cannot be read") from error
        finally:
            invocation.used(used, model=request["model"])
            self._keeper.count(used)
            await self._progress.model_call(record.ended(used, message))


def characters_of(request: dict[str, Any]) -> int:
    """Return the length of a prompt as it is sent: tools, system prompt and messages."""
    return len(json.dumps([request["system"], request["messages"], request["tools"]]))


def is_busy(error: anthropic.APIStatusError) -> bool:
    """Tell whether the API says that it is busy, before an answer or in the middle of one."""
    return error.status_code in _BUSY or _kind(error) in _BUSY_KINDS


def _kind(error: anthropic.APIStatusError) -> str:
    """Return the kind of an error as its body names it; errors within a stream come with status 200."""
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    return str(inner.get("type", "")) if isinstance(inner, dict) else ""


def _read(message: Any, inputs: dict[int, str]) -> Answer:
    """Return a whole message as an answer; halves of surrogate pairs, which nothing of ours can carry, are replaced.

    Raises:
        _LostAnswerError: the stream ended before the message did.
        ValueError: a tool's input is nested too deeply.
    """
    if message.stop_reason is None:
        raise _LostAnswerError("ended in the middle")
    broken = set()
    for index, block in enumerate(message.content):
        if block.type == "text":
            block.text = encodable(block.text)
        elif block.type == "tool_use":
            block.input = encodable(block.input)
            is_last = index == len(message.content) - 1
            if not _is_whole(inputs.get(index, ""), may_lack=not (is_last and message.stop_reason in CUT)):
                broken.add(block.id)
    return Answer(message, frozenset(broken))


def _is_whole(text: str, *, may_lack: bool) -> bool:
    """Tell whether the input of a call came whole; the client takes one that is cut for what it has of it."""
    if not text:
        return may_lack
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _retry_after(error: anthropic.APIStatusError) -> timedelta | None:
    """Return when the API wants to be asked again; None where it does not say."""
    after = error.response.headers.get("retry-after", "")
    return timedelta(seconds=float(after)) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", after) else None


def _unavailable(error: anthropic.APIStatusError) -> ModelUnavailableError:
    """Say that the API refused, and when to ask again."""
    busy = f" ({_kind(error)})" if _kind(error) else ""
    return ModelUnavailableError(f"the model API answered {error.status_code}{busy}", retry_after=_retry_after(error))


def _unreached(error: Exception) -> ModelUnavailableError:
    """Say that the API could not be reached."""
    return ModelUnavailableError(f"the model API could not be reached: {type(error).__name__}")


def _lost(error: Exception) -> ModelAnswerError | ModelUnavailableError:
    """Say that no answer came through."""
    if isinstance(error, _LostAnswerError) and error.__cause__ is not None:
        return ModelAnswerError("the model's answer cannot be read")
    return _unreached(error)
