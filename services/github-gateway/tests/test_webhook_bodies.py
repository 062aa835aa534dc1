"""What of a webhook is read at all: signed bodies of bounded size, sent in bounded time."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
import redis.asyncio
from pydantic import SecretStr
from running_gateway import gateway_before, simulated
from webhook_sender import Batches, Sender, labeled, sending

from miyabi_github_gateway.adapters.deliveries import RedisDeliveries
from miyabi_github_gateway.adapters.listener import Listener
from miyabi_github_gateway.adapters.secret_files import RotatingSecret
from miyabi_github_gateway.adapters.webhooks import MAX_BYTES, READERS, Webhooks


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
