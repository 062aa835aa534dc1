"""Webhooks as GitHub sends them: signed, each acted on once, and only for those who may ask."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from pydantic import SecretStr
from running_gateway import REPOSITORY, gateway_before
from webhook_sender import commented, labeled, sending

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import FailedPreconditionError, UnmetCondition
from miyabi_github_gateway.adapters.deliveries import RedisDeliveries
from miyabi_github_gateway.adapters.webhooks import payload_of
from miyabi_github_gateway.service.hooks.batch_triggers import request_id_of
from miyabi_github_gateway.service.hooks.events import change_of, mention_of
from miyabi_github_gateway.service.hooks.payload import Payload
from miyabi_sim.github import Fault, WebhookTarget

EXAMPLES = Path(__file__).parents[4] / "build/github/webhooks.json"


def read(payload: dict[str, Any]) -> Payload:
    """Return a payload as the gateway reads it."""
    return payload_of(json.dumps(payload).encode(), "application/json")


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Return GitHub's published examples: event and payload."""
    assert EXAMPLES.exists(), "run `make setup-dev`"
    return [(entry["name"], payload) for entry in json.loads(EXAMPLES.read_text()) for payload in entry["examples"]]


async def test_every_published_example_is_accepted(tmp_path: Path, redis_url: str) -> None:
    """All payloads that GitHub publishes are answered 202, unknown events too, and none of them starts anything."""
    found = examples()
    assert len(found) > 250
    async with sending(tmp_path, redis_url) as sender:
        answers = [await sender.send(event, payload) for event, payload in found]
        answers.append(await sender.send("an_event_of_tomorrow", {"x": 1}))
        assert {202} == {status for status, _ in answers}
        assert sender.batches.made == {}


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
            # The header with the event is not signed either.
            answers.append(await sender.send("label", payload))
        assert sorted(said for _, said in answers)[:6] == ["seen before"] * 6
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


async def test_what_stands_in_the_way_is_said_beside_the_delivery(tmp_path: Path, redis_url: str) -> None:
    """A refusal is an answer, which GitHub shows, and no trouble that another delivery would mend; assignment is overruled."""
    async with sending(tmp_path, redis_url) as sender:
        unmet = [UnmetCondition("PULL_REQUEST_OPEN", f"{REPOSITORY}#3", "A pull request is open. Close it.")]
        sender.batches.refusal = FailedPreconditionError("1 problem", reason="PROBLEMS_FOUND", unmet=unmet)
        answer = await sender.send("issues", labeled())
        assert answer == (202, "no batch: PULL_REQUEST_OPEN: A pull request is open. Close it.")
        assert (sender.batches.overruled, sender.batches.made) == ([ProblemKind.PROBLEM_KIND_ISSUE_ASSIGNED], {})


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
        (commented("Type `@miyabi go` to begin"), False), (commented("```\n@miyabi go\n```"), False), (commented("    @miyabi go"), False),
        (commented("<!-- @miyabi go -->\nThanks"), False), (commented("> a\n> @miyabi go\n\nno"), False), (commented("- [ ] @miyabi go"), True),
        ({**commented("@miyabi go"), "action": "edited"}, False), (commented("<!-- miyabi:plan -->\n@miyabi go"), False), ({}, False), ({**commented("@miyabi go"), "sender": {"login": "../x"}}, False),
    ],
)  # fmt: skip
def test_word_asks(payload: dict[str, Any], asks: bool) -> None:
    """The word counts as a word of the person's own, in a new comment on an issue, and never from a bot."""
    assert asks == (mention_of("issue_comment", read(payload), label="agent-execute", word="@miyabi") is not None)


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
    assert asks == (mention_of("issues", read(payload), label="agent-execute", word="@miyabi") is not None)


def test_what_becomes_stale() -> None:
    """An event on a number concerns that number; a push the branches; most events concern nothing that is cached."""
    repository = {"full_name": REPOSITORY}
    assert change_of("issues", read(labeled())) is not None
    assert change_of("pull_request", read({"pull_request": {"number": 7}, "repository": repository}))[:2] == (
        REPOSITORY,
        7,
    )  # type: ignore[index]
    assert change_of("push", read({"repository": repository}))[1] == 0  # type: ignore[index]
    assert change_of("workflow_job", read({"repository": repository})) is None
    for name in ("../x", "x/..", "x/.", "x", "x/y/z"):
        assert change_of("issues", read({"issue": {"number": 1}, "repository": {"full_name": name}})) is None
