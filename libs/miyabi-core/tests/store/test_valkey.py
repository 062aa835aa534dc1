"""The embedded Valkey: real, durable, alone in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from miyabi_core.errors import UnavailableError
from miyabi_core.store.redis import connect
from miyabi_core.store.valkey import EmbeddedValkey


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    """What was written is there after the server was stopped and started on the same folder."""
    async with EmbeddedValkey(tmp_path) as valkey, connect(valkey.url) as client:
        await client.set("key", "value")
    async with EmbeddedValkey(tmp_path) as valkey, connect(valkey.url) as client:
        assert await client.get("key") == b"value"


async def test_append_only_file_and_policy_are_on(tmp_path: Path) -> None:
    """The server appends to a file and evicts nothing without an expiry."""
    async with EmbeddedValkey(tmp_path) as valkey, connect(valkey.url) as client:
        config = await client.config_get("appendonly", "maxmemory-policy", "bind")
    assert _text(config) == {"appendonly": "yes", "maxmemory-policy": "volatile-lru", "bind": "127.0.0.1"}


def _text(config: dict[bytes | str, bytes | str]) -> dict[str, str]:
    def plain(value: bytes | str) -> str:
        return value.decode() if isinstance(value, bytes) else value

    return {plain(key): plain(value) for key, value in config.items()}


async def test_second_server_on_a_folder_is_refused(tmp_path: Path) -> None:
    """Two servers never share a folder, and the second says so."""
    async with EmbeddedValkey(tmp_path):
        with pytest.raises(UnavailableError, match="another Valkey uses"):
            await EmbeddedValkey(tmp_path).start()


async def test_taken_port_is_one_clear_error(tmp_path: Path) -> None:
    """A server that cannot listen ends with its own words, at once."""
    async with EmbeddedValkey(tmp_path / "one") as first:
        with pytest.raises(UnavailableError, match="ended with"):
            await EmbeddedValkey(tmp_path / "two", port=first.port).start()


async def test_port_that_somebody_took_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    """A port that was free when it was chosen may be taken when the server starts: another one is tried."""
    async with EmbeddedValkey(tmp_path / "one") as first, EmbeddedValkey(tmp_path / "spare") as spare:
        free = spare.port
        await spare.stop()
        chosen = iter([first.port, first.port, free])
        async with EmbeddedValkey(tmp_path / "two", choose_port=lambda: next(chosen)) as second:
            assert second.port == free
