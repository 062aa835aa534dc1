"""Takes GitHub's webhooks: signature first, each delivery once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from prometheus_client import Counter

from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_github_gateway.adapters.secret_files import RotatingSecret
from miyabi_github_gateway.errors import CredentialMissingError
from miyabi_github_gateway.ports import Deliveries, Invalidator
from miyabi_github_gateway.service.batch_triggers import BatchTriggers
from miyabi_github_gateway.service.webhook_events import change_of, mention_of

#: GitHub's own limit on a payload.
MAX_BYTES = 25 << 20
#: GitHub waits ten seconds for an answer.
ANSWER_SECONDS = 8.0
#: Payloads that are held at once before anybody's signature is checked: 100 MB of them at most.
READERS = 4
#: Who sends a payload more slowly than that keeps others waiting.
READ_TIME = timedelta(seconds=10)
#: The form of a signature (docs.github.com, validating webhook deliveries); what has another is not even read.
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")
#: Headers are GitHub's: a delivery is a GUID, an event is a word.
_MAX_HEADER = 100

DELIVERIES = Counter(
    "miyabi_gateway_webhooks_total",
    "Webhooks by result: taken, repeated, refused (signature, size, form), failed, started or not started (a batch).",
    ["result"],
    registry=REGISTRY,
)
_LOG = get_logger(__name__)


class Webhooks:
    """The endpoint `/webhooks/github`.

    Args:
        secret: Shared with GitHub; unset: webhooks are not served at all, there is no default.
        deliveries: Remembers what was taken.
        invalidator: Told of what has changed.
        triggers: Start batches; None: nothing does.
        read_time: A payload that takes longer is refused; default 10 s.

    Source: docs.github.com, validating webhook deliveries, and best practices for using webhooks.
    """

    def __init__(
        self,
        *,
        secret: RotatingSecret,
        deliveries: Deliveries,
        invalidator: Invalidator,
        triggers: BatchTriggers | None,
        read_time: timedelta = READ_TIME,
    ) -> None:
        self._secret = secret
        self._deliveries = deliveries
        self._invalidator = invalidator
        self._triggers = triggers
        self._read_time = read_time
        self._readers = asyncio.Semaphore(READERS)

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.post("/webhooks/github", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        """Check, claim, act; a delivery that could not be acted on may come again."""
        try:
            secret = self._secret.read()
        except CredentialMissingError:
            secret = ""
        if not secret:
            return _answer(404, "refused", "webhooks are not served: no webhook secret is configured")
        signature = request.headers.get("x-hub-signature-256", "")
        if _SIGNATURE.fullmatch(signature) is None:
            return _answer(401, "refused", "the signature is missing or wrong")
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        # Over the bytes as they came, before anything is made of them.
        if not is_signed(secret, body, signature):
            return _answer(401, "refused", "the signature is missing or wrong")
        event = request.headers.get("x-github-event", "")
        delivery = request.headers.get("x-github-delivery", "")
        payload = payload_of(body, request.content_type)
        if payload is None or not 0 < len(event) <= _MAX_HEADER or not 0 < len(delivery) <= _MAX_HEADER:
            return _answer(400, "refused", "this is no event of GitHub's")
        return await self._once(event, delivery, payload, digest=hashlib.sha256(body).hexdigest())

    async def _body(self, request: web.Request) -> bytes | web.Response:
        """Read a payload in its turn, or return why it is refused."""
        if request.content_length is not None and request.content_length > MAX_BYTES:
            return _answer(413, "refused", f"a payload has at most {MAX_BYTES} bytes")
        async with self._readers:
            try:
                async with asyncio.timeout(self._read_time.total_seconds()):
                    return await request.read()
            except web.HTTPRequestEntityTooLarge:
                return _answer(413, "refused", f"a payload has at most {MAX_BYTES} bytes")
            except TimeoutError:
                return _answer(408, "refused", "the payload took too long")

    async def _once(self, event: str, delivery: str, payload: Mapping[str, Any], *, digest: str) -> web.Response:
        """Act on a delivery unless it was acted on.

        The id is not signed, the body is: whoever replays a body under another id is found by the body's digest.
        """
        names = (f"id:{delivery}", f"body:{event}:{digest}")
        try:
            if not await self._deliveries.claim(names):
                return _answer(202, "repeated", "seen before")
        except MiyabiError as error:
            return _answer(503, "failed", error.message)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                result, said = await self._act(event, delivery, payload)
        except (MiyabiError, TimeoutError) as error:
            await self._deliveries.release(names)
            _LOG.warning("webhook.failed", github_event=event, delivery=delivery, error_type=type(error).__name__)
            return _answer(503, "failed", "it could not be acted on; deliver it again")
        except BaseException:
            # GitHub has hung up, or the process ends.
            await asyncio.shield(self._deliveries.release(names))
            raise
        await self._deliveries.keep(names)
        return _answer(202, result, said)

    async def _act(self, event: str, delivery: str, payload: Mapping[str, Any]) -> tuple[str, str]:
        """Forget what has changed, then start what is asked for; returns the result and words for it."""
        change = change_of(event, payload)
        if change is not None:
            repository, number, kinds = change
            await self._invalidator.invalidate(repository, number=number, kinds=kinds)
        if self._triggers is None:
            return "taken", "taken"
        mention = mention_of(event, payload, label=self._triggers.label, word=self._triggers.word)
        if mention is None:
            return "taken", "taken"
        said = await self._triggers.consider(mention, delivery=delivery)
        started = said.startswith("started ")
        _LOG.info("webhook.considered", repository=mention.repository, issue=mention.number, answer=said)
        return "started" if started else "not started", said


def is_signed(secret: str, body: bytes, signature: str) -> bool:
    """Tell whether *signature* is that of *body*, in constant time (HMAC SHA-256)."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}".encode(), signature.encode("utf-8", "replace"))


def payload_of(body: bytes, content_type: str) -> Mapping[str, Any] | None:
    """Return the payload of a delivery, JSON or in a form, which is GitHub's default; None: neither."""
    try:
        if content_type == "application/x-www-form-urlencoded":
            body = parse_qs(body.decode(), strict_parsing=True, max_num_fields=2)["payload"][0].encode()
        payload = json.loads(body)
    except (ValueError, KeyError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _answer(status: int, result: str, said: str) -> web.Response:
    """Answer in words that GitHub shows beside the delivery."""
    DELIVERIES.labels(result).inc()
    return web.Response(status=status, text=f"{said}\n")
