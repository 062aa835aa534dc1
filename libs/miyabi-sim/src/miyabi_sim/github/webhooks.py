"""Webhooks: events posted to one configured URL, signed as GitHub signs them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from miyabi_core.logging import get_logger

#: Seconds that a receiver has to answer; GitHub gives it ten and never tries again by itself.
DELIVERY_TIMEOUT = 10.0

#: Deliveries that wait at most; the oldest receivers' trouble must not fill our memory.
QUEUE_LIMIT = 10_000

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where events go, and the secret that signs them."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that was sent; `status` is 0 where nobody answered."""

    id: str
    event: str
    action: str
    status: int


def signature(secret: str, body: bytes) -> str:
    """Return the value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """Sends events one after the other, in the order in which they happened."""

    def __init__(self, target: WebhookTarget | None = None) -> None:
        self.target = target
        self.deliveries: list[Delivery] = []
        self._queue: asyncio.Queue[tuple[str, Mapping[str, Any]]] = asyncio.Queue(QUEUE_LIMIT)

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        """Queue an event; without a target, or with a full queue, it is dropped."""
        if self.target is None:
            return
        try:
            self._queue.put_nowait((event, payload))
        except asyncio.QueueFull:
            _log.warning("webhook_dropped", github_event=event)

    async def drained(self) -> None:
        """Return when everything that was queued has been sent."""
        await self._queue.join()

    async def run(self) -> None:
        """Send events until cancelled."""
        timeout = aiohttp.ClientTimeout(total=DELIVERY_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                event, payload = await self._queue.get()
                try:
                    await self._deliver(session, event, payload=payload)
                finally:
                    self._queue.task_done()

    async def _deliver(self, session: aiohttp.ClientSession, event: str, *, payload: Mapping[str, Any]) -> None:
        target = self.target
        if target is None:
            return
        body = json.dumps(payload, separators=(",", ":")).encode()
        delivery_id = str(uuid.uuid4())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/simulated",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery_id,
            "X-Hub-Signature-256": signature(target.secret, body),
        }
        status = 0
        try:
            async with session.post(target.url, data=body, headers=headers) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("webhook_failed", github_event=event, error=repr(error))
        action = str(payload.get("action", ""))
        self.deliveries.append(Delivery(id=delivery_id, event=event, action=action, status=status))
