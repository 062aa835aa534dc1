"""Takes GitHub's webhooks: signature first, each delivery once."""

from __future__ import annotations

import asyncio
import hmac
import re

from aiohttp import web
from prometheus_client import Counter

from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_github_gateway.adapters.credentials.secret_files import RotatingSecret
from miyabi_github_gateway.adapters.webhooks.bodies import Bodies, Body, BodyRefusedError
from miyabi_github_gateway.adapters.webhooks.payloads import InvalidPayloadError, payload_of
from miyabi_github_gateway.errors import CredentialMissingError
from miyabi_github_gateway.ports import Deliveries, Invalidator
from miyabi_github_gateway.service.hooks.batch_triggers import BatchTriggers
from miyabi_github_gateway.service.hooks.events import change_of, mention_of
from miyabi_github_gateway.service.hooks.payload import Payload

#: GitHub waits ten seconds for an answer.
ANSWER_SECONDS = 8.0
#: Larger payloads are read beside the event loop; most are some 10 KB, which takes microseconds.
BESIDE_BYTES = 64 << 10
#: The form of a signature (docs.github.com, validating webhook deliveries); what has another is not even read.
_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
#: Headers are GitHub's: a delivery is a GUID, an event is a word.
_EVENT, _DELIVERY = re.compile(r"[a-z0-9_]{1,100}"), re.compile(r"[A-Za-z0-9-]{1,100}")

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
        bodies: Reads what strangers send.

    Source: docs.github.com, validating webhook deliveries, and best practices for using webhooks.
    """

    def __init__(
        self,
        *,
        secret: RotatingSecret,
        deliveries: Deliveries,
        invalidator: Invalidator,
        triggers: BatchTriggers | None,
        bodies: Bodies | None = None,
    ) -> None:
        self._secret = secret
        self._deliveries = deliveries
        self._invalidator = invalidator
        self._triggers = triggers
        self._bodies = bodies or Bodies()

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
        signatures = request.headers.getall("x-hub-signature-256", ())
        signature = _SIGNATURE.fullmatch(signatures[0]) if len(signatures) == 1 else None
        if signature is None:
            return _answer(401, "refused", "the signature is missing or wrong")
        try:
            body = await self._bodies.read(request, secret)
        except BodyRefusedError as error:
            return _answer(error.status, "refused", str(error))
        # Over the bytes as they came, before anything is made of them.
        if not hmac.compare_digest(body.signature, signature[1]):
            return _answer(401, "refused", "the signature is missing or wrong")
        return await self._take_signed(request, body)

    async def _take_signed(self, request: web.Request, body: Body) -> web.Response:
        """Act on what GitHub has sent, where it is what GitHub's schema says."""
        event, delivery = request.headers.get("x-github-event", ""), request.headers.get("x-github-delivery", "")
        if _EVENT.fullmatch(event) is None or _DELIVERY.fullmatch(delivery) is None:
            return _answer(400, "refused", "this is no event of GitHub's: the headers do not say which")
        try:
            payload = await _payload(body, request.content_type)
        except InvalidPayloadError as error:
            return _answer(400, "refused", f"this is no event of GitHub's: {error}")
        return await self._once(event, delivery, payload, digest=body.digest)

    async def _once(self, event: str, delivery: str, payload: Payload, *, digest: str) -> web.Response:
        """Act on a delivery unless it was acted on.

        Id and event are not signed, the body is: whoever replays a body under another id, or as another event, is found
        by the body's digest.
        """
        names = (f"id:{delivery}", f"body:{digest}")
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

    async def _act(self, event: str, delivery: str, payload: Payload) -> tuple[str, str]:
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


async def _payload(body: Body, content_type: str) -> Payload:
    """Read a payload, a large one in a thread.

    Raises:
        InvalidPayloadError: it is none.
    """
    if len(body.data) > BESIDE_BYTES:
        return await asyncio.to_thread(payload_of, body.data, content_type)
    return payload_of(body.data, content_type)


def _answer(status: int, result: str, said: str) -> web.Response:
    """Answer in words that GitHub shows beside the delivery."""
    DELIVERIES.labels(result).inc()
    return web.Response(status=status, text=f"{said}\n")
