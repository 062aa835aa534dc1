"""Sends requests to GitHub: budget, credential, repeats, redirects and circuit, whoever they are sent as."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from miyabi_core.logging import get_logger
from miyabi_core.text import shortened
from miyabi_github_gateway.adapters.sending.answers import (
    TOO_LONG,
    Limited,
    Verdict,
    fault_of,
    heard_of,
    judge,
    points_of,
)
from miyabi_github_gateway.adapters.sending.outgoing import Principal, Request, redirected
from miyabi_github_gateway.errors import (
    GitHubUnavailableError,
    MalformedAnswerError,
    MayHaveActedError,
    RateLimitedError,
)
from miyabi_github_gateway.models import Credential
from miyabi_github_gateway.service.calling import seconds_left
from miyabi_github_gateway.service.circuit import Circuit
from miyabi_github_gateway.service.governor import Governor, Governors, Outcome, metrics

#: One answer of GitHub; its own limit is 10 s, after which it gives up by itself.
TIMEOUT_SECONDS = 15.0
#: The whole of a call with its waits and repeats, where the caller set no deadline.
CALL_SECONDS = 60.0
#: Part of the caller's time, and most seconds, that are kept to tell it how the call ended.
MARGIN, MOST_MARGIN_SECONDS = 0.1, 0.25
#: How often it is sent at most where GitHub refuses it for a limit: each time the budget has learnt of it.
LIMITED_TRIES = 5
#: First pause before a repeat; its bound doubles, and the pause is drawn below the bound (full jitter).
BACKOFF_SECONDS = 0.25
#: Part by which a pause of our own choice is at most longer: the credential's other clients pause from the same moment.
PAUSE_JITTER = 0.2
#: Points that GitHub takes off the next hour where it ran into its own time limit: it says that it does, not how many.
TOO_LONG_POINTS = 5
#: GitHub's API version that the shapes here are of.
API_VERSION = "2022-11-28"

_LOG = get_logger(__name__)


@dataclass
class Sender:
    """One HTTP client, with one connection pool, for the whole process.

    Args:
        governors: Let requests through, one for each credential.
        max_connections: To GitHub, at once.
        answer_seconds: For one answer, from the request to the end of the body.
        clock: Monotonic seconds.
        jitter: Draws from 0 to 1.
    """

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
        limits = httpx.Limits(max_connections=self.max_connections, max_keepalive_connections=self.max_connections)
        # Takes no cookies: one credential's session must not serve another.
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        #: Follows no redirect by itself: it would take the credential along.
        self.client = httpx.AsyncClient(
            headers=headers, cookies=jar, timeout=self.answer_seconds, limits=limits, follow_redirects=False
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.client.aclose()

    async def send(self, request: Request, principal: Principal) -> httpx.Response:
        """Send within the budget; repeat what failed on the way, wait where GitHub asks for it.

        Each request that goes out is paid for by itself: repeats, what a redirect within the same scheme, host and port
        leads to, and the one repeat with another credential after an answer 401.

        Raises:
            GitHubRefusedError: the answer leads to another host.
            GitHubUnavailableError: no answer, or a server error, after all repeats.
            MayHaveActedError: the same, of a request that must not be repeated unseen: look whether it was done.
            RateLimitedError: the wait would pass the caller's time.
            MalformedAnswerError: the answer is not what was asked for, after all repeats.
        """
        left = seconds_left(default=CALL_SECONDS)
        request.deadline = self.clock() + left - min(MOST_MARGIN_SECONDS, left * MARGIN)
        credential: Credential | None = await principal.credential()
        while credential is not None:
            governor = self.governors.of(credential.scope)
            answer, verdict, limited = await self._once(request, credential, governor)
            _count(request, answer, verdict, limited)
            if isinstance(answer, httpx.Response) and verdict is Verdict.GOOD:
                final = answer
                credential = await self._next(request, answer, principal, credential)
                continue
            _LOG.warning("github.failed", what=request.what, verdict=verdict.value, answer=shortened(str(answer), 200))
            error = _error(request, answer, verdict, limited, time_scale=governor.time_scale)
            if not request.may_repeat and verdict in {Verdict.FAILED, Verdict.MALFORMED}:
                raise MayHaveActedError(error.message) from error
            await self._before_repeat(request, verdict, error)
        return final

    async def _next(
        self, request: Request, answer: httpx.Response, principal: Principal, credential: Credential
    ) -> Credential | None:
        """Return whose credential the next request takes; None: the answer stands."""
        if answer.status_code == 401 and credential.token and not request.is_replaced:
            request.is_replaced = True
            principal.refused(credential)
            other = await principal.credential()
            return other if other.token != credential.token else None
        return credential if redirected(request, answer) else None

    async def _once(
        self, request: Request, credential: Credential, governor: Governor
    ) -> tuple[httpx.Response | Exception, Verdict, Limited | None]:
        """Send once, when the budget lets it through, and tell budget and circuit how it ended."""
        circuit = self._circuit(request.url)
        _refuse(request, circuit.left)
        start_by = governor.clock() + request.deadline - self.clock()
        async with governor.admitted(request.ask, deadline=start_by) as outcome:
            outcome.sent = False
            _refuse(request, circuit.wait(request))
            outcome.sent = True
            try:
                answer = await self._try(request, credential)
            except BaseException:
                circuit.undecided(request)
                raise
            verdict, limited = judge(answer, is_graphql=request.is_graphql)
            self._tell_circuit(circuit, request, answer, verdict)
            _fill(outcome, answer, verdict, limited, jitter=self.jitter())
        if limited is not None:
            metrics.LIMITED.labels(request.ask.resource, "primary" if limited.is_primary else "secondary").inc()
            if limited.beyond:
                _LOG.warning("limit.bounded", what=request.what, asked=limited.beyond, seconds=limited.seconds)
        return answer, verdict, limited

    async def _try(self, request: Request, credential: Credential) -> httpx.Response | Exception:
        """Send once; a failure on the way is returned. The time holds for the whole answer, however slowly it drips."""
        options = dict(request.options)
        headers = dict(options.pop("headers", None) or {})
        if credential.token:
            headers["authorization"] = f"Bearer {credential.token}"
        try:
            async with asyncio.timeout(min(self.answer_seconds, max(0.0, request.deadline - self.clock()))):
                return await self.client.request(request.method, request.url, headers=headers, **options)
        except (httpx.HTTPError, TimeoutError) as error:
            return error

    async def _before_repeat(self, request: Request, verdict: Verdict, error: Exception) -> None:
        """Wait before the next try, or raise where there is none."""
        if verdict is Verdict.LIMITED:
            request.limited += 1
            if request.limited >= LIMITED_TRIES or (isinstance(error, RateLimitedError) and error.is_beyond):
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

    def _tell_circuit(
        self, circuit: Circuit, request: Request, answer: httpx.Response | Exception, verdict: Verdict
    ) -> None:
        """Count a failure of the host; a query that takes GitHub too long says nothing of the host."""
        too_long = _took_too_long(answer)
        if verdict in {Verdict.GOOD, Verdict.LIMITED, Verdict.MALFORMED}:
            circuit.succeeded()
        elif request.is_graphql and too_long:
            circuit.undecided(request)
        else:
            circuit.failed(request)
        metrics.CIRCUIT.labels(httpx.URL(request.url).host).set(int(circuit.is_open))


def _refuse(request: Request, seconds: float) -> None:
    """Refuse at once where the host is left alone for some seconds yet."""
    if seconds > 0:
        raise GitHubUnavailableError(
            f"{httpx.URL(request.url).host} is left alone after failures in a row",
            retry_after=timedelta(seconds=seconds),
        )


def _count(request: Request, answer: httpx.Response | Exception, verdict: Verdict, limited: Limited | None) -> None:
    """Count a request by how it ended, and by what went wrong."""
    metrics.REQUESTS.labels(request.ask.resource, request.ask.cost.value, verdict.value).inc()
    reason = fault_of(answer, verdict, limited)
    if reason:
        metrics.FAULTS.labels(request.ask.resource, reason).inc()


def _took_too_long(answer: httpx.Response | Exception) -> bool:
    """Return whether a request ran into GitHub's time limit or ours."""
    if isinstance(answer, httpx.Response):
        return answer.status_code in TOO_LONG
    return isinstance(answer, TimeoutError | httpx.ReadTimeout)


def _fill(
    outcome: Outcome, answer: httpx.Response | Exception, verdict: Verdict, limited: Limited | None, *, jitter: float
) -> None:
    """Tell the budget how a request ended; a pause that GitHub did not name is drawn out by up to `PAUSE_JITTER`."""
    outcome.sent = verdict is not Verdict.UNSENT
    outcome.succeeded = verdict is Verdict.GOOD
    if isinstance(answer, httpx.Response):
        outcome.heard = heard_of(answer)
        outcome.actual = points_of(answer) if verdict is Verdict.GOOD else None
    outcome.extra = TOO_LONG_POINTS if _took_too_long(answer) else 0
    if limited is not None:
        drawn_out = PAUSE_JITTER * jitter if limited.is_guess else 0.0
        outcome.pause_ms = int(limited.seconds * 1000 * (1 + drawn_out))
        outcome.used_up = limited.is_primary
        outcome.strike = limited.is_guess


def _error(
    request: Request,
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
        return RateLimitedError(request.ask.resource, wait, limit=kind, beyond=limited.beyond)
    if verdict is Verdict.MALFORMED:
        return MalformedAnswerError()
    if isinstance(answer, httpx.Response):
        return GitHubUnavailableError(f"HTTP {answer.status_code}", status=answer.status_code)
    if isinstance(answer, TimeoutError | httpx.ReadTimeout):
        return GitHubUnavailableError("no answer in time", too_much=True)
    return GitHubUnavailableError(type(answer).__name__)
