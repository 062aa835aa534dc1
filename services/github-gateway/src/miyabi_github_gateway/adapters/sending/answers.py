"""Reads GitHub's answers: what they say of the limits, what went wrong, and whether they are whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import httpx
import msgspec

from miyabi_github_gateway.adapters.sending.waits import (
    MOST_DIGITS,
    SECONDARY_PAUSE_SECONDS,
    Pause,
    retry_after,
    until_reset,
)
from miyabi_github_gateway.errors import MalformedAnswerError
from miyabi_github_gateway.service.governor import Heard

#: What GitHub says where it refuses for a secondary limit, now and formerly.
_SECONDARY = re.compile(
    r"secondary rate limit|abuse detection|rate limit (already )?exceeded|submitted too quickly", re.IGNORECASE
)
#: What GitHub calls a limit in GraphQL's errors: the documented word, and the one that it has answered with since 2025
#: (github.com/yanyongyu/githubkit/issues/271).
_LIMIT_TYPES = frozenset({"RATE_LIMITED", "RATE_LIMIT"})
#: Statuses that a repeat may mend.
REPEATABLE = frozenset({500, 502, 503, 504})
#: Statuses by which GitHub ends a request that takes it too long.
TOO_LONG = frozenset({502, 504})


class Verdict(Enum):
    """What an answer is to the one who sent the request."""

    GOOD = "answered"  #: an answer, or a refusal that a repeat does not mend
    LIMITED = "limited"  #: refused for a limit: GitHub did nothing
    UNSENT = "unsent"  #: nothing reached GitHub
    FAILED = "failed"  #: a server error or no answer: GitHub may have acted
    MALFORMED = "malformed"  #: an answer that is not what GitHub documents: it has acted


@dataclass(frozen=True)
class Limited:
    """How GitHub refuses for a limit.

    Args:
        seconds: How long to wait, on GitHub's clock.
        is_primary: The hour of one resource is used up; else a secondary limit, which stops everything.
        is_guess: GitHub did not say for how long.
        beyond: What GitHub said, where it asked for longer than is kept.
    """

    seconds: float
    is_primary: bool
    is_guess: bool = False
    beyond: str = ""


def judge(answer: httpx.Response | Exception, *, is_graphql: bool) -> tuple[Verdict, Limited | None]:
    """Return what an answer, or the lack of one, means."""
    if isinstance(answer, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return Verdict.UNSENT, None
    if not isinstance(answer, httpx.Response):
        return Verdict.FAILED, None
    limited = limited_by(answer)
    if limited is not None:
        return Verdict.LIMITED, limited
    if answer.status_code in REPEATABLE:
        return Verdict.FAILED, None
    return (Verdict.GOOD if _is_whole(answer, is_graphql=is_graphql) else Verdict.MALFORMED), None


#: Refusals that are told of in the metric of faults, by status.
_REFUSED = {401: "credential_refused", 403: "forbidden"}


def fault_of(answer: httpx.Response | Exception, verdict: Verdict, limited: Limited | None) -> str:
    """Return what went wrong with a request in one word, as metrics name it; empty where nothing did."""
    if limited is not None:
        return "primary_limit" if limited.is_primary else "secondary_limit"
    if verdict is Verdict.UNSENT:
        return "no_connection"
    if not isinstance(answer, httpx.Response):
        return "no_answer_in_time" if isinstance(answer, TimeoutError | httpx.TimeoutException) else "cut_off"
    if verdict is Verdict.FAILED:
        return "too_long" if answer.status_code in TOO_LONG else "server_error"
    return "malformed" if verdict is Verdict.MALFORMED else _REFUSED.get(answer.status_code, "")


def limited_by(answer: httpx.Response) -> Limited | None:
    """Return how GitHub refuses for a limit, or None where the answer is no such refusal.

    A limit is 403 or 429 with `retry-after`, with nothing remaining, or with words on a secondary limit; for GraphQL it
    is also 200 with an error of one of `_LIMIT_TYPES` or with those words.

    Source: docs.github.com, "Exceeding the rate limit" of REST and of GraphQL.
    """
    headers = answer.headers
    used_up = headers.get("x-ratelimit-remaining") == "0" and "retry-after" not in headers
    if answer.status_code in {403, 429}:
        if used_up:
            return _for(until_reset(answer), is_primary=True)
        if "retry-after" in headers:
            return _for(retry_after(answer), is_primary=False)
        if answer.status_code == 429 or _SECONDARY.search(answer.text):
            return Limited(SECONDARY_PAUSE_SECONDS, is_primary=False, is_guess=True)
    if answer.status_code == 422 and "submitted too quickly" in answer.text:
        return Limited(SECONDARY_PAUSE_SECONDS, is_primary=False, is_guess=True)
    if answer.status_code == 200 and b'"errors"' in answer.content:
        return _limited_in_errors(answer, used_up=used_up)
    return None


def _limited_in_errors(answer: httpx.Response, *, used_up: bool) -> Limited | None:
    """Find a limit among the errors of a GraphQL answer 200."""
    try:
        body = json_of(answer)
    except MalformedAnswerError:
        return None
    errors = body.get("errors") if isinstance(body, dict) else None
    for error in errors if isinstance(errors, list) else ():
        if not isinstance(error, dict):
            continue
        is_secondary = _SECONDARY.search(str(error.get("message", ""))) is not None
        if error.get("type") not in _LIMIT_TYPES and not (is_secondary and body.get("data") is None):
            continue
        if "retry-after" in answer.headers:
            return _for(retry_after(answer), is_primary=False)
        if used_up:
            return _for(until_reset(answer), is_primary=True)
        return Limited(SECONDARY_PAUSE_SECONDS, is_primary=False, is_guess=True)
    return None


def _for(pause: Pause, *, is_primary: bool) -> Limited:
    """Return a limit that lasts for a pause."""
    return Limited(
        pause.seconds, is_primary=is_primary, is_guess=pause.is_guess and not is_primary, beyond=pause.beyond
    )


def heard_of(answer: httpx.Response) -> Heard | None:
    """Return what the headers say of the hour; None where they say nothing."""
    headers = answer.headers
    resource = headers.get("x-ratelimit-resource", "")
    numbers = [headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset")]
    if not resource or not all(number.isdecimal() and len(number) <= MOST_DIGITS for number in numbers):
        return None
    limit, remaining, reset = map(int, numbers)
    return Heard(resource, limit, remaining, reset, int(until_reset(answer).seconds * 1000))


def points_of(answer: httpx.Response) -> int | None:
    """Return the points that a request took off the hour, where it is told: `rateLimit.cost`, or 304, which is free."""
    if answer.status_code == 304:
        return 0
    if answer.status_code != 200 or b'"rateLimit"' not in answer.content:
        return None
    data = json_of(answer).get("data") if isinstance(json_of(answer), dict) else None
    cost = ((data or {}).get("rateLimit") or {}).get("cost")
    return cost if isinstance(cost, int) else None


def _is_whole(answer: httpx.Response, *, is_graphql: bool) -> bool:
    """Return whether a successful answer is JSON as it should be; refusals may come as any text."""
    if answer.status_code >= 300 or answer.status_code == 204:
        return True
    if "json" not in answer.headers.get("content-type", ""):
        return False
    try:
        body = json_of(answer)
    except MalformedAnswerError:
        return False
    return not is_graphql or (isinstance(body, dict) and bool({"data", "errors"} & set(body)))


def json_of(answer: httpx.Response) -> Any:
    """Return the answer's JSON; it is parsed once.

    Raises:
        MalformedAnswerError: it is none.
    """
    if "miyabi.json" not in answer.extensions:
        try:
            answer.extensions["miyabi.json"] = msgspec.json.decode(answer.content)
        except (msgspec.MsgspecError, ValueError) as error:
            raise MalformedAnswerError from error
    return answer.extensions["miyabi.json"]
