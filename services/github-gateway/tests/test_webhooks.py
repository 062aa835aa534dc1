"""Webhooks as GitHub sends them: signed, each acted on once, and only for those who may ask."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import grpc
import pytest
import redis.asyncio
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, simulated

from miyabi.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from miyabi.coordinator.v1 import event_pb2
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import (
    CoordinatorServiceServicer,
    add_CoordinatorServiceServicer_to_server,
)
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.testing import running_server
from miyabi_github_gateway.adapters.coordinator import SERVICE
from miyabi_github_gateway.adapters.deliveries import RedisDeliveries
from miyabi_github_gateway.adapters.listener import Listener
from miyabi_github_gateway.adapters.secret_files import RotatingSecret
from miyabi_github_gateway.adapters.webhooks import MAX_BYTES, READERS, Webhooks
from miyabi_github_gateway.service.batch_triggers import request_id_of
from miyabi_github_gateway.service.webhook_events import change_of, mention_of
from miyabi_sim.github import Fault, WebhookTarget

EXAMPLES = Path(__file__).parents[3] / "build/github/webhooks.json"


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Return GitHub's published examples: event and payload."""
    assert EXAMPLES.exists(), "run `make setup-dev`"
    return [(entry["name"], payload) for entry in json.loads(EXAMPLES.read_text()) for payload in entry["examples"]]


@dataclass
class Batches(CoordinatorServiceServicer):
    """Takes batches as the coordinator does: the same request id gives the same batch; then it goes on streaming."""

    made: dict[str, tuple[str, int]] = field(default_factory=dict)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    down: bool = False

    async def SubmitBatch(  # noqa: N802
        self, request: coordinator_pb.SubmitBatchRequest, context: Any
    ) -> AsyncIterator[coordinator_pb.SubmitBatchResponse]:
        if self.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
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


async def test_every_published_example_is_accepted(tmp_path: Path, redis_url: str) -> None:
    """All payloads that GitHub publishes are answered 202, unknown events too, and none of them starts anything."""
    found = examples()
    assert len(found) > 250
    async with sending(tmp_path, redis_url) as sender:
        answers = [await sender.send(event, payload) for event, payload in found]
        answers.append(await sender.send("an_event_of_tomorrow", {"x": 1}))
        assert {202} == {status for status, _ in answers}
        assert sender.batches.made == {}


async def test_wrong_signature_is_refused(tmp_path: Path, redis_url: str) -> None:
    """Without the signature of these very bytes nothing is read, remembered or done."""
    async with sending(tmp_path, redis_url) as sender:
        for wrong in ("", "sha256=", "sha256=" + "0" * 64, "sha1=abc", "sha256=é"):
            headers = {"x-hub-signature-256": wrong}
            assert await sender.send("issues", labeled(), headers=headers) == (401, "the signature is missing or wrong")
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            assert await client.keys("gateway:delivery:*") == []
        assert sender.batches.made == {}


@pytest.mark.parametrize("secret", [None, SecretStr("")])
async def test_without_a_secret_there_are_no_webhooks(tmp_path: Path, redis_url: str, secret: SecretStr | None) -> None:
    """There is no default secret, and an empty one is none: a signature with an empty key is refused too."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, webhook_secret=secret) as gateway,
        aiohttp.ClientSession() as session,
    ):
        status, said = await Sender(gateway, "", Batches(), session).send("issues", labeled())
    assert (status, said) == (404, "webhooks are not served: no webhook secret is configured")


async def test_large_payload_is_413(tmp_path: Path, redis_url: str) -> None:
    """Beyond GitHub's own 25 MB nothing is read, whether the length is said or not."""
    size = (25 << 20) + 1

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 1 << 20):
            yield b" " * min(1 << 20, size - start)

    async with sending(tmp_path, redis_url) as sender:
        for stream in (io.BytesIO(b" " * size), chunks()):
            assert (await sender.send("push", None, stream=stream))[0] == 413


async def test_unsigned_payload_is_not_waited_for(tmp_path: Path, redis_url: str) -> None:
    """Who shows nothing like a signature is refused before a byte of the payload is read."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with sending(tmp_path, redis_url) as sender:
        headers = {"x-hub-signature-256": "sha256=short"}
        assert (await sender.send("push", None, stream=endless(), headers=headers))[0] == 401


class Forgetful:
    """Keeps nothing that could be forgotten."""

    async def invalidate(self, repository: str, *, number: int = 0, kinds: object = ()) -> None:
        """Do nothing."""


async def test_slow_payloads_do_not_keep_others_away(redis_url: str) -> None:
    """More slow senders than may send at once are refused after a while, and then the next delivery is looked at."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with redis.asyncio.Redis.from_url(redis_url) as client, aiohttp.ClientSession() as session:
        webhooks = Webhooks(
            secret=RotatingSecret(SecretStr(secrets.token_hex(16))),
            deliveries=RedisDeliveries(client, window=timedelta(days=2)),
            invalidator=Forgetful(),
            triggers=None,
            read_time=timedelta(milliseconds=100),
        )
        listener = Listener("127.0.0.1:0", webhooks.routes(), largest_body=MAX_BYTES, grace=timedelta(0))
        await listener.start()
        try:
            url, headers = (
                f"http://127.0.0.1:{listener.port}/webhooks/github",
                {"x-hub-signature-256": f"sha256={'0' * 64}"},
            )

            async def posted(data: object) -> int:
                async with session.post(url, data=data, headers=headers) as answer:
                    return answer.status

            assert {408} == set(await asyncio.gather(*(posted(endless()) for _ in range(2 * READERS))))
            assert await posted(b"{}") == 401
        finally:
            await listener.stop()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000])
async def test_signed_nonsense_is_400(tmp_path: Path, redis_url: str, body: bytes) -> None:
    """What is signed and no event is refused without an error of ours."""
    async with sending(tmp_path, redis_url) as sender:
        assert (await sender.send("issues", None, body=body))[0] == 400


async def test_form_is_read(tmp_path: Path, redis_url: str) -> None:
    """GitHub's default content type is a form; the signature is over the form's bytes."""
    async with sending(tmp_path, redis_url) as sender:
        body = urlencode({"payload": json.dumps(labeled())}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        status, said = await sender.send("issues", None, body=body, headers=headers)
        assert (status, said.startswith("started batches/")) == (202, True)


async def test_delivery_is_acted_on_once_on_all_replicas(tmp_path: Path, redis_url: str) -> None:
    """The same delivery at two replicas at once, and the same body under another id later, start one batch."""
    async with sending(tmp_path, redis_url) as sender:
        settings = {"webhook_secret": SecretStr(sender.secret), "webhook_coordinator": "127.0.0.1:1"}
        gateway = sender.gateway
        async with gateway_before(gateway.github, gateway.token, redis_url, **settings) as second:
            payload, delivery = labeled(), str(uuid.uuid4())
            headers = {"x-github-delivery": delivery}
            ports = [gateway.gateway.http_port] * 4
            answers = await asyncio.gather(
                *(sender.send("issues", payload, headers=headers, port=port) for port in ports)
            )
            answers.append(await sender.send("issues", payload, headers=headers, port=second.gateway.http_port))
            answers.append(await sender.send("issues", payload))
        assert sorted(said for _, said in answers)[:5] == ["seen before"] * 5
        assert {request_id_of(delivery): (REPOSITORY, 3)} == sender.batches.made


async def test_label_by_a_writer_starts_a_batch_and_hangs_up(tmp_path: Path, redis_url: str) -> None:
    """The batch is that of the delivery, and the stream is not held: hanging up never cancels a batch."""
    async with sending(tmp_path, redis_url) as sender:
        delivery = str(uuid.uuid4())
        answer = await sender.send("issues", labeled(), headers={"x-github-delivery": delivery})
        assert (202, f"started batches/{request_id_of(delivery)[:8]}") == answer
        async with asyncio.timeout(10):
            await sender.batches.hung_up.wait()


@pytest.mark.parametrize(
    ("actor", "may"), [("ann", True), ("cy", True), ("acme", True), ("bo", False), ("stranger", False)]
)
async def test_only_write_access_starts(tmp_path: Path, redis_url: str, actor: str, may: bool) -> None:
    """Write, maintain and admin may start batches; triage, read and strangers may not, as GitHub itself says."""
    async with sending(tmp_path, redis_url) as sender:
        _, said = await sender.send("issues", labeled(actor=actor))
        assert may == bool(sender.batches.made)
        assert may != (said == f"{actor} has no write access")


async def test_off_by_default(tmp_path: Path, redis_url: str) -> None:
    """Without a coordinator's address labels start nothing, and nobody's access is asked for."""
    async with sending(tmp_path, redis_url, on=False) as sender:
        assert await sender.send("issues", labeled()) == (202, "taken")
        assert "repos.get_collaborator_permission" not in sender.gateway.reads()


async def test_repository_starts_so_many_an_hour(tmp_path: Path, redis_url: str) -> None:
    """The third label within the hour starts nothing where two are allowed."""
    async with sending(tmp_path, redis_url, webhook_batches_per_hour=2) as sender:
        answers = [await sender.send("issues", labeled(number=number)) for number in (1, 2, 3)]
        assert f"{REPOSITORY} has started 2 batches within the hour" == answers[-1][1]
        assert len(sender.batches.made) == 2


async def test_all_repositories_together_start_so_many_an_hour(tmp_path: Path, redis_url: str) -> None:
    """Whoever installs the App elsewhere cannot start batches without end: all repositories share a bound."""
    async with sending(tmp_path, redis_url, webhook_batches_per_hour_in_all=1) as sender:
        answers = [await sender.send("issues", labeled(number=number)) for number in (1, 2)]
        assert answers[-1][1] == "all repositories together have started 1 batches within the hour"
        assert len(sender.batches.made) == 1


async def test_delivery_is_known_after_a_restart(tmp_path: Path, redis_url: str) -> None:
    """What another gateway process acted on, which is gone, is not acted on again."""
    async with sending(tmp_path, redis_url) as sender:
        payload, headers = labeled(), {"x-github-delivery": str(uuid.uuid4())}
        settings = {"webhook_secret": SecretStr(sender.secret)}
        gateway = sender.gateway
        async with gateway_before(gateway.github, gateway.token, redis_url, **settings) as first:
            port = first.gateway.http_port
            assert (await sender.send("issues", payload, headers=headers, port=port))[1] == "taken"
        assert (await sender.send("issues", payload, headers=headers))[1] == "seen before"
        assert sender.batches.made == {}


async def test_delivery_whose_process_died_may_come_again(redis_url: str) -> None:
    """A claim ends within a minute unless what was claimed was acted on; then it is remembered for days."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        subject = RedisDeliveries(client, window=timedelta(days=2))
        assert [await subject.claim(["id:a", "body:b"]) for _ in range(2)] == [True, False]
        assert 0 < await client.ttl("gateway:delivery:id:a") <= 60
        await subject.keep(["id:a", "body:b"])
        assert timedelta(days=3).total_seconds() < await client.ttl("gateway:delivery:body:b") <= 4 * 86400
        assert not await subject.claim(["id:other", "body:b"])


async def test_old_event_starts_nothing(tmp_path: Path, redis_url: str) -> None:
    """An event older than the window may be a replay after what is remembered was forgotten."""
    async with sending(tmp_path, redis_url) as sender:
        _, said = await sender.send("issues", labeled(age=timedelta(hours=2)))
        assert (said, sender.batches.made) == ("the event is too old to start a batch", {})


async def test_repository_that_is_not_served_starts_nothing(tmp_path: Path, redis_url: str) -> None:
    """The list of repositories counts for webhooks too."""
    async with sending(tmp_path, redis_url, repositories="other/*") as sender:
        assert await sender.send("issues", labeled()) == (202, "the repository is not served")


@pytest.mark.parametrize("trouble", ["coordinator", "github"])
async def test_what_could_not_be_started_may_come_again(tmp_path: Path, redis_url: str, trouble: str) -> None:
    """A delivery that failed is 503, and the same delivery again starts its batch."""
    async with sending(tmp_path, redis_url) as sender:
        sender.batches.down = trouble == "coordinator"
        if trouble == "github":
            fault = Fault(status=502, operation="repos.get_collaborator_permission", count=4)
            sender.gateway.github.dials.faults.append(fault)
        headers = {"x-github-delivery": str(uuid.uuid4())}
        payload = labeled()
        assert (await sender.send("issues", payload, headers=headers))[0] == 503
        sender.batches.down = False
        assert (await sender.send("issues", payload, headers=headers))[1].startswith("started")


async def test_change_at_github_is_read_anew(tmp_path: Path, redis_url: str) -> None:
    """The simulated GitHub's own webhook makes the next read see a title that was changed there."""
    async with sending(tmp_path, redis_url) as sender:
        github = sender.gateway.github
        github.webhooks.target = WebhookTarget(
            f"http://127.0.0.1:{sender.gateway.gateway.http_port}/webhooks/github", sender.secret
        )

        async def title() -> str:
            request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[5])
            answers = [answer async for answer in sender.gateway.stub.BatchGetIssues(request)]
            return str(answers[0].entries[0].issue.title)

        assert await title() == "Issue 5"
        repository = github.store.repository("acme", "toy")
        github._forge.update_item(repository, repository.items[5], changes={"title": "New"}, action="edited")
        await github.webhooks.drained()
        assert await title() == "New"


@pytest.mark.parametrize(
    ("payload", "asks"),
    [
        (commented("@miyabi please"), True), (commented("Hi @Miyabi, go"), True), (commented("x\n> @miyabi go\nno"), False),
        (commented("me@miyabi.dev"), False), (commented("@miyabi-bot"), False), (commented("nothing"), False),
        (commented("@miyabi go", kind="Bot"), False), (commented("@miyabi go", pull_request={}), False),
        ({**commented("@miyabi go"), "action": "edited"}, False), (commented("<!-- miyabi:plan -->\n@miyabi go"), False), ({}, False), ({"issue": [], "repository": 3}, False),
    ],
)  # fmt: skip
def test_word_asks(payload: dict[str, Any], asks: bool) -> None:
    """The word counts as a word of the person's own, in a new comment on an issue, and never from a bot."""
    assert asks == (mention_of("issue_comment", payload, label="agent-execute", word="@miyabi") is not None)


@pytest.mark.parametrize(
    ("body", "author", "asks"),
    [
        ("<!-- miyabi:found -->\nx", "ann", False), ("<!-- miyabi:found -->\nx", "bot", True), ("x", "ann", True),
        (None, "ann", True),
    ],
)  # fmt: skip
def test_label_that_this_system_sets_on_its_own_issue_starts_nothing(body: str | None, author: str, asks: bool) -> None:
    """With a person's token what we write looks like the person's; people may still label what we found."""
    payload = labeled(body=body, user={"login": author})
    assert asks == (mention_of("issues", payload, label="agent-execute", word="@miyabi") is not None)


def test_what_becomes_stale() -> None:
    """An event on a number concerns that number; a push the branches; most events concern nothing that is cached."""
    repository = {"full_name": REPOSITORY}
    assert change_of("issues", labeled()) is not None
    assert change_of("pull_request", {"pull_request": {"number": 7}, "repository": repository})[:2] == (REPOSITORY, 7)  # type: ignore[index]
    assert change_of("push", {"repository": repository})[1] == 0  # type: ignore[index]
    assert change_of("workflow_job", {"repository": repository}) is None
    assert change_of("issues", {"issue": {"number": 1}, "repository": {"full_name": "../x"}}) is None
