"""Sends requests to GitHub: credential, budget, repeats, circuit, and refusals as errors."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.answers import (
    TOO_LONG,
    Limited,
    Verdict,
    heard_of,
    json_of,
    judge,
    message_of,
    missing_permission,
    points_of,
)
from miyabi_github_gateway.adapters.authorized import AuthorizedClient
from miyabi_github_gateway.errors import (
    GitHubForbiddenError,
    GitHubRefusedError,
    GitHubUnavailableError,
    MalformedAnswerError,
    MayHaveActedError,
    RateLimitedError,
)
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.service.calling import current, seconds_left
from miyabi_github_gateway.service.circuit import Circuit
from miyabi_github_gateway.service.governor import Ask, Cost, Governor, Governors, Outcome, metrics

#: One answer of GitHub; its own limit is 10 s, after which it gives up by itself.
TIMEOUT_SECONDS = 15.0
#: The whole of a call with its waits and repeats, where the caller set no deadline.
CALL_SECONDS = 60.0
#: Part of the caller's time, and most seconds, that are kept to tell it how the call ended.
MARGIN, MOST_MARGIN_SECONDS = 0.1, 0.25
#: How often a request that failed on the way or at GitHub is sent at most.
TRIES = 4
#: How often it is sent at most where GitHub refuses it for a limit: each time the budget has learnt of it.
LIMITED_TRIES = 5
#: First pause before a repeat; its bound doubles, and the pause is drawn below the bound (full jitter).
BACKOFF_SECONDS = 0.25
#: Points that GitHub takes off the next hour where it ran into its own time limit: it says that it does, not how many.
TOO_LONG_POINTS = 5
#: GitHub's API version that the shapes here are of.
API_VERSION = "2022-11-28"

_LOG = get_logger(__name__)

__all__ = ["TRIES", "GitHubHttp", "json_of", "message_of"]


@dataclass
class _Request:
    """A request with how it may be repeated."""

    method: str
    url: str
    owner: str
    what: str
    ask: Ask
    tries: int
    options: dict[str, Any]
    may_repeat: bool
    deadline: float = 0.0
    failures: int = 0
    limited: int = 0

    @property
    def is_graphql(self) -> bool:
        """Return whether it is a query."""
        return self.ask.resource == "graphql"


@dataclass
class GitHubHttp:
    """One HTTP client, with one connection pool, for the whole process.

    Args:
        api_url: Base of the REST API.
        graphql_url: The GraphQL endpoint.
        credentials: Where the credential of a repository's owner comes from.
        governors: Let requests through, one for each credential.
        max_connections: To GitHub, at once.
        answer_seconds: For one answer, from the request to the end of the body.
        clock: Monotonic seconds.
        jitter: Draws from 0 to 1.
    """

    api_url: str
    graphql_url: str
    credentials: Credentials
    governors: Governors
    max_connections: int = 10
    answer_seconds: float = TIMEOUT_SECONDS
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    circuits: dict[str, Circuit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        headers = {
            "accept": "application/vnd.github+json",
            "user-agent": "miyabi-github-gateway",
            "x-github-api-version": API_VERSION,
        }
        self.api_url = self.api_url.rstrip("/")
        limits = httpx.Limits(max_connections=self.max_connections, max_keepalive_connections=self.max_connections)
        self._client = httpx.AsyncClient(
            headers=headers, timeout=self.answer_seconds, limits=limits, follow_redirects=False
        )
        self._authorized = AuthorizedClient(self._client, self.credentials)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def graphql(
        self,
        body: Mapping[str, Any],
        *,
        operation: str,
        owner: str = "",
        cost: Cost = Cost.READ,
        tries: int = TRIES,
        points: int = 1,
    ) -> httpx.Response:
        """Send a query; only the transport's errors and refusals are raised, GraphQL's own are in the answer.

        Args:
            body: Query, variables, operation's name.
            operation: For logs.
            owner: Account of the repositories that are asked for: its credential and its budget are used.
            cost: What it is to GitHub's limits. Whatever is sent here may be sent twice, as labels may be set twice.
            tries: How often it is sent at most; a batch asks for one, since it is halved rather than repeated.
                An answer that only says to wait does not count.
            points: That the query takes off the hour, by `query_cost`.

        Raises:
            GitHubUnavailableError: no answer, or a server error, after all repeats.
            RateLimitedError: the wait would pass the caller's time.
            MalformedAnswerError: no GraphQL answer, after all repeats.
        """
        ask = Ask("graphql", cost, current().lane, max(1, points))
        options = {"json": body}
        return await self._send(
            _Request("POST", self.graphql_url, owner, operation, ask, tries, options, may_repeat=True)
        )

    async def rest(
        self, method: str, path: str, *, cost: Cost = Cost.READ, repeatable: bool | None = None, **options: Any
    ) -> httpx.Response:
        """Send a REST request; 404 comes back as an answer, since only the caller knows what is missing.

        Args:
            method: HTTP method.
            path: Below the REST API's base.
            cost: What it is to GitHub's limits.
            repeatable: Whether doing it twice is the same as doing it once; default: unless it creates content. A
                request that is not is sent again only where GitHub cannot have acted on it.
            options: Passed to httpx: `json`, `params`, `headers`.

        Raises:
            GitHubForbiddenError: 401 or 403 that is no limit.
            GitHubRefusedError: 4xx that says why.
            GitHubUnavailableError: no answer, or a server error, after all repeats.
            MayHaveActedError: the same, of a request that must not be repeated unseen: look whether it was done.
            RateLimitedError: the wait would pass the caller's time.
            MalformedAnswerError: the answer is not JSON, after all repeats.
        """
        may_repeat = cost is not Cost.NOTIFY if repeatable is None else repeatable
        repository = _repository_of(path)
        ask = Ask("core", cost, current().lane)
        request = _Request(
            method, f"{self.api_url}{path}", repository.partition("/")[0], path, ask, TRIES, options, may_repeat
        )
        answer = await self._send(request)
        if answer.status_code in {401, 403}:
            raise GitHubForbiddenError(repository, message_of(answer), missing=missing_permission(answer))
        if answer.status_code >= 400 and answer.status_code != 404:
            raise GitHubRefusedError(message_of(answer))
        return answer

    async def _send(self, request: _Request) -> httpx.Response:
        """Send within the budget; repeat what failed on the way, wait where GitHub asks for it."""
        left = seconds_left(default=CALL_SECONDS)
        request.deadline = self.clock() + left - min(MOST_MARGIN_SECONDS, left * MARGIN)
        credential = await self.credentials.of(request.owner)
        governor = self.governors.of(credential.scope)
        while True:
            answer, verdict, limited = await self._once(request, governor)
            metrics.REQUESTS.labels(request.ask.resource, request.ask.cost.value, verdict.value).inc()
            if verdict is Verdict.GOOD:
                assert isinstance(answer, httpx.Response)
                return answer
            _LOG.warning("github.failed", what=request.what, verdict=verdict.value, answer=str(answer)[:200])
            error = _error(request, answer, verdict, limited, time_scale=governor.time_scale)
            if not request.may_repeat and verdict in {Verdict.FAILED, Verdict.MALFORMED}:
                raise MayHaveActedError(error.message) from error
            await self._before_repeat(request, verdict, error)

    async def _once(
        self, request: _Request, governor: Governor
    ) -> tuple[httpx.Response | Exception, Verdict, Limited | None]:
        """Send once, when the budget lets it through, and tell budget and circuit how it ended."""
        circuit = self._circuit(request.url)
        self._refuse_open(circuit, request)
        start_by = governor.clock() + request.deadline - self.clock()
        async with governor.admitted(request.ask, deadline=start_by) as outcome:
            outcome.sent = False
            self._refuse_open(circuit, request, probe=True)
            outcome.sent = True
            try:
                answer = await self._try(request)
            except BaseException:
                circuit.undecided()
                raise
            verdict, limited = judge(answer, is_graphql=request.is_graphql)
            self._tell_circuit(circuit, request, answer, verdict)
            _fill(outcome, answer, verdict, limited)
        if limited is not None:
            metrics.LIMITED.labels(request.ask.resource, "primary" if limited.is_primary else "secondary").inc()
        return answer, verdict, limited

    async def _try(self, request: _Request) -> httpx.Response | Exception:
        """Send once; a failure on the way is returned. The time holds for the whole answer, however slowly it drips."""
        try:
            async with asyncio.timeout(min(self.answer_seconds, max(0.0, request.deadline - self.clock()))):
                return await self._authorized.send(request.method, request.url, owner=request.owner, **request.options)
        except (httpx.HTTPError, TimeoutError) as error:
            return error

    async def _before_repeat(self, request: _Request, verdict: Verdict, error: Exception) -> None:
        """Wait before the next try, or raise where there is none."""
        if verdict is Verdict.LIMITED:
            request.limited += 1
            if request.limited >= LIMITED_TRIES:
                raise error
            return  # the budget knows how long
        request.failures += 1
        wait = BACKOFF_SECONDS * 2 ** (request.failures - 1) * self.jitter()
        if request.failures >= request.tries or self.clock() + wait >= request.deadline:
            raise error
        await asyncio.sleep(wait)

    def _circuit(self, url: str) -> Circuit:
        """Return the circuit of an address's host."""
        return self.circuits.setdefault(httpx.URL(url).netloc.decode(), Circuit(clock=self.clock))

    def _refuse_open(self, circuit: Circuit, request: _Request, *, probe: bool = False) -> None:
        """Refuse at once where the host is left alone."""
        wait = circuit.wait() if probe else max(0.0, circuit.until - self.clock()) if circuit.is_open else 0.0
        if wait > 0:
            raise GitHubUnavailableError(
                f"{httpx.URL(request.url).host} is left alone after failures in a row",
                retry_after=timedelta(seconds=wait),
            )

    def _tell_circuit(
        self, circuit: Circuit, request: _Request, answer: httpx.Response | Exception, verdict: Verdict
    ) -> None:
        """Count a failure of the host; a query that takes GitHub too long says nothing of the host."""
        too_long = _took_too_long(answer)
        if verdict in {Verdict.GOOD, Verdict.LIMITED, Verdict.MALFORMED}:
            circuit.succeeded()
        elif request.is_graphql and too_long:
            circuit.undecided()
        else:
            circuit.failed()
        metrics.CIRCUIT.labels(httpx.URL(request.url).host).set(int(circuit.is_open))


def _took_too_long(answer: httpx.Response | Exception) -> bool:
    """Return whether a request ran into GitHub's time limit or ours."""
    if isinstance(answer, httpx.Response):
        return answer.status_code in TOO_LONG
    return isinstance(answer, TimeoutError | httpx.ReadTimeout)


def _fill(outcome: Outcome, answer: httpx.Response | Exception, verdict: Verdict, limited: Limited | None) -> None:
    """Tell the budget how a request ended."""
    outcome.sent = verdict is not Verdict.UNSENT
    outcome.succeeded = verdict is Verdict.GOOD
    if isinstance(answer, httpx.Response):
        outcome.heard = heard_of(answer)
        outcome.actual = points_of(answer) if verdict is Verdict.GOOD else None
    outcome.extra = TOO_LONG_POINTS if _took_too_long(answer) else 0
    if limited is not None:
        outcome.pause_ms = int(limited.seconds * 1000)
        outcome.used_up = limited.is_primary
        outcome.strike = limited.is_guess


def _error(
    request: _Request,
    answer: httpx.Response | Exception,
    verdict: Verdict,
    limited: Limited | None,
    *,
    time_scale: float,
) -> GitHubUnavailableError | RateLimitedError | MalformedAnswerError:
    """Return what the caller is told where there is no further try."""
    if limited is not None:
        kind = "hour" if limited.is_primary else "secondary"
        wait = timedelta(seconds=limited.seconds / time_scale)
        return RateLimitedError(request.ask.resource, wait, limit=kind)
    if verdict is Verdict.MALFORMED:
        return MalformedAnswerError()
    if isinstance(answer, httpx.Response):
        return GitHubUnavailableError(f"HTTP {answer.status_code}", status=answer.status_code)
    if isinstance(answer, TimeoutError | httpx.ReadTimeout):
        return GitHubUnavailableError("no answer in time", too_much=True)
    return GitHubUnavailableError(type(answer).__name__)


def _repository_of(path: str) -> str:
    """Return `owner/name` of a REST path."""
    parts = path.split("/")
    return "/".join(parts[2:4]) if len(parts) > 3 and parts[1] == "repos" else ""
