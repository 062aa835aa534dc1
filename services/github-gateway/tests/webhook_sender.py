"""Sends webhooks to a gateway as GitHub does, and takes the batches that they start."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, simulated

from miyabi.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from miyabi.coordinator.v1 import event_pb2
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import (
    CoordinatorServiceServicer,
    add_CoordinatorServiceServicer_to_server,
)
from miyabi_core.errors import MiyabiError
from miyabi_core.testing import running_server
from miyabi_github_gateway.adapters.coordinator import SERVICE


@dataclass
class Batches(CoordinatorServiceServicer):
    """Takes batches as the coordinator does: the same request id gives the same batch; then it goes on streaming."""

    made: dict[str, tuple[str, int]] = field(default_factory=dict)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    down: bool = False
    refusal: MiyabiError | None = None
    overruled: list[int] = field(default_factory=list)

    async def SubmitBatch(  # noqa: N802
        self, request: coordinator_pb.SubmitBatchRequest, context: Any
    ) -> AsyncIterator[coordinator_pb.SubmitBatchResponse]:
        if self.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        self.overruled = [int(kind) for kind in request.overrule]
        if self.refusal is not None:
            raise self.refusal
        self.made[request.request_id] = (request.repository, request.issue_numbers[0])
        event = event_pb2.BatchEvent(batch=f"batches/{request.request_id[:8]}", sequence=1)
        yield coordinator_pb.SubmitBatchResponse(events=[event])
        try:
            await asyncio.Event().wait()
        finally:
            self.hung_up.set()


@dataclass
class Sender:
    """Sends webhooks to a gateway as GitHub does."""

    gateway: Running
    secret: str
    batches: Batches
    session: aiohttp.ClientSession

    async def send(self, event: str, payload: Any, **more: Any) -> tuple[int, str]:
        """Send one; returns the answer."""
        body = more.get("body", json.dumps(payload).encode())
        signature = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": str(uuid.uuid4()),
            "x-hub-signature-256": signature,
            **more.get("headers", {}),
        }
        url = f"http://127.0.0.1:{more.get('port', self.gateway.gateway.http_port)}/webhooks/github"
        async with self.session.post(
            url, data=more.get("stream", body), headers={k: v for k, v in headers.items() if v}
        ) as answer:
            return answer.status, (await answer.text()).strip()


@asynccontextmanager
async def sending(tmp_path: Path, redis_url: str, *, on: bool = True, **settings: Any) -> AsyncIterator[Sender]:
    """Run a gateway whose webhooks start batches, and a sender before it."""
    secret, batches = secrets.token_hex(16), Batches()
    registration = (add_CoordinatorServiceServicer_to_server, batches, SERVICE)
    async with (
        simulated(tmp_path) as (github, token),
        running_server(registration) as coordinator,
        gateway_before(
            github, token, redis_url, webhook_secret=SecretStr(secret), webhook_coordinator=coordinator if on else "", **settings
        ) as gateway,
        aiohttp.ClientSession() as session,
    ):  # fmt: skip
        github.store.repository("acme", "toy").collaborators.update({"ann": "write", "bo": "triage", "cy": "maintain"})
        yield Sender(gateway, secret, batches, session)


def labeled(*, actor: str = "ann", label: str = "agent-execute", number: int = 3, age: timedelta = timedelta(0), **more: Any) -> dict[str, Any]:  # fmt: skip
    """Return the payload of a label that was set."""
    issue = {"number": number, "updated_at": (datetime.now(UTC) - age).isoformat(), **more}
    sender = {"login": actor, "type": "User"}
    repository = {"full_name": REPOSITORY}
    return {"action": "labeled", "label": {"name": label}, "issue": issue, "sender": sender, "repository": repository}


def commented(text: str, *, actor: str = "ann", kind: str = "User", **issue: Any) -> dict[str, Any]:
    """Return the payload of a comment."""
    return {
        "action": "created",
        "issue": {"number": 4, **issue},
        "comment": {"body": text, "updated_at": datetime.now(UTC).isoformat()},
        "sender": {"login": actor, "type": kind},
        "repository": {"full_name": REPOSITORY},
    }
