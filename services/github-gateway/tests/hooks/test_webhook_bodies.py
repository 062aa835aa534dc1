"""What of a webhook is read at all: signed bodies of bounded size, sent in bounded time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import redis.asyncio
from pydantic import SecretStr
from running_gateway import gateway_before, simulated
from webhook_sender import Batches, Sender, commented, labeled, sending

from miyabi_github_gateway.adapters.credentials.secret_files import RotatingSecret
from miyabi_github_gateway.adapters.deliveries import RedisDeliveries
from miyabi_github_gateway.adapters.listener import Listener
from miyabi_github_gateway.adapters.webhooks import MAX_BYTES, Bodies, InvalidPayloadError, Webhooks, payload_of


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


SECRET = secrets.token_hex(16)
#: Looks like a signature, and is none.
FORGED = f"sha256={'0' * 64}"


@asynccontextmanager
async def endpoint(redis_url: str, **bounds: Any) -> AsyncIterator[int]:
    """Serve webhooks alone; yields the port."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        webhooks = Webhooks(
            secret=RotatingSecret(SecretStr(SECRET)),
            deliveries=RedisDeliveries(client, window=timedelta(days=2)),
            invalidator=Forgetful(),
            triggers=None,
            bodies=Bodies(**bounds),
        )
        listener = Listener("127.0.0.1:0", webhooks.routes(), largest_body=MAX_BYTES, grace=timedelta(0))
        await listener.start()
        try:
            yield listener.port
        finally:
            await listener.stop()


class Stranger:
    """A connection that sends what it likes as slowly as it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def begin(cls, port: int, body: bytes, *, length: int, signature: str = FORGED) -> Stranger:
        """Send the headers of a body of some length, and its beginning."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nX-Hub-Signature-256: {signature}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        return cls(reader, writer)

    async def status(self) -> int:
        """Return the status of the answer."""
        return int((await self._reader.readline()).split()[1])


async def deliver(port: int, payload: Any, **more: str) -> tuple[int, float]:
    """Deliver what GitHub would; returns status and seconds."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {
        "content-type": "application/json", "x-github-event": "issues", "x-github-delivery": secrets.token_hex(8),
        "x-hub-signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(), **more,
    }  # fmt: skip
    began = time.monotonic()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/webhooks/github", data=io.BytesIO(body), headers=headers) as answer,
    ):
        return answer.status, time.monotonic() - began


@pytest.mark.parametrize("count", [8, 40, 400])
@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_slow_strangers_delay_nobody(redis_url: str, count: int, begun: bytes) -> None:
    """However many strangers hold a body back, a genuine delivery is answered within a second; they are refused."""
    async with endpoint(redis_url, first_time=timedelta(seconds=3), read_time=timedelta(seconds=3)) as port:
        strangers = [await Stranger.begin(port, begun, length=1000) for _ in range(count)]
        status, seconds = await deliver(port, labeled())
        assert (status, seconds < 1.0) == (202, True)
        assert {408} == {await stranger.status() for stranger in strangers}
        for stranger in strangers:
            stranger.writer.close()


async def test_strangers_with_large_bodies_crowd_out_each_other(redis_url: str) -> None:
    """Where all that is held would pass the budget, the largest goes: a genuine delivery is small, or soon whole."""
    async with endpoint(redis_url, budget_bytes=4 << 20, read_time=timedelta(seconds=3)) as port:
        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(Stranger.begin(port, bytes(1 << 20), length=20 << 20)) for _ in range(12)]
        status, seconds = await deliver(port, {**labeled(), "more": "x" * 500_000})
        assert (status, seconds < 1.0) == (202, True)
        async with asyncio.timeout(15):
            answers = sorted([await task.result().status() for task in begun])
        assert answers.count(503) >= 8
        assert {408, 503} >= set(answers)
        for task in begun:
            task.result().writer.close()


async def test_single_bytes_take_no_more_than_they_are(redis_url: str) -> None:
    """A body that arrives byte by byte is read as one that arrives at once."""
    body = json.dumps(labeled()).encode()
    signature = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    async with endpoint(redis_url) as port:
        stranger = await Stranger.begin(port, b"", length=len(body), signature=signature)
        for at in range(len(body)):
            stranger.writer.write(body[at : at + 1])
            await stranger.writer.drain()
        # It is whole and signed; only the headers with its name are missing.
        assert await stranger.status() == 400
        stranger.writer.close()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"number": True}, "$.issue.number"), ({"number": -1}, "number"), ({"number": 2**31}, "number"), ({"number": 1.5}, "number"),
        ({"number": "3"}, "number"), ({"number": None}, "number"), ({"body": 7}, "$.issue.body"), ({"user": []}, "$.issue.user"),
        ({"updated_at": 1}, "$.issue.updated_at"),
    ],
)  # fmt: skip
async def test_payload_of_other_types_is_400(redis_url: str, change: dict[str, Any], where: str) -> None:
    """What is not what GitHub's schema says is refused with the field, before anything is done with it."""
    payload = labeled()
    payload["issue"] |= change
    with pytest.raises(InvalidPayloadError, match=re.escape(where)):
        payload_of(json.dumps(payload).encode(), "application/json")
    async with endpoint(redis_url) as port:
        assert (await deliver(port, payload))[0] == 400
        assert (await deliver(port, labeled()))[0] == 202


NUMBERED = b'{"issue": {"number": %s}}'


@pytest.mark.parametrize(
    "body",
    [
        NUMBERED % (b"9" * 4000), NUMBERED % (b"9" * 200_000), NUMBERED % b"NaN", NUMBERED % b"1e400", NUMBERED % (b"[" * 100_000),
        b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"action": "\\ud800"}', b'{"action": "\xff"}', b'{"issue": {"pull_request": ' + b'{"a":' * 50_000,
    ],
    ids=["digits", "more digits", "nan", "infinity", "deep number", "deep", "surrogate", "no utf-8", "deep presence"],
)  # fmt: skip
async def test_signed_extremes_are_400(redis_url: str, body: bytes) -> None:
    """Digits without end, depth and halves of characters end in the one error, and the gateway goes on."""
    async with endpoint(redis_url) as port:
        status, seconds = await deliver(port, body)
        assert (status, seconds < 1.0) == (400, True)
        assert (await deliver(port, labeled()))[0] == 202


@pytest.mark.parametrize("name", ["x-github-event", "x-github-delivery"])
@pytest.mark.parametrize("value", ["a b", "é", "x" * 101, "../x", "{}"])
async def test_odd_headers_are_400(redis_url: str, name: str, value: str) -> None:
    """The headers are not signed: what is no name of GitHub's goes into no key and no log."""
    async with endpoint(redis_url) as port:
        assert (await deliver(port, labeled(), **{name: value}))[0] == 400


async def test_largest_payload_holds_the_loop_up_for_moments(redis_url: str) -> None:
    """24 MB of what nearly is the word are signed, read and looked through while others are served."""
    body = json.dumps(commented("@miyabi-" * (3 << 20))).encode()
    longest, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not done.is_set():
            before = time.process_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.process_time() - before)

    async with endpoint(redis_url) as port, asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        status, _ = await deliver(port, body, **{"x-github-event": "issue_comment"})
        done.set()
    assert (status, longest < 0.5) == (202, True)


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
