"""Keeps environments and caches below their limits, and removes what dead builders left; never what is in use."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from datetime import timedelta
from pathlib import Path

from miyabi_agents.environments.locks import lock_if_free
from miyabi_agents.environments.records import Records
from miyabi_agents.environments.sizes import measure
from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import Network, Sandbox, SandboxJob
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.settings import AgentsSettings
from miyabi_core.logging import get_logger

#: An environment that was used within this time stays: whoever asked for it is about to use it.
FRESH = timedelta(minutes=2)
#: How long cleaning may hold up an agent that starts; what is not done by then goes on in its thread, or next time.
CLEAN_PATIENCE = timedelta(seconds=20)
#: How long a failure's record is of use to anyone.
_OLD_FAILURE = timedelta(hours=1)
#: Entries of a cache that are measured.
_MOST_MEASURED = 5_000_000

_LOG = get_logger(__name__)


class Room:
    """Makes room.

    Args:
        environments: Their folder.
        caches: The folder of the download caches.
        records: What is known of environments.
        sandbox: Removes what another user than ours wrote there.
        settings: The limits.
    """

    def __init__(
        self, environments: Path, caches: Path, records: Records, sandbox: Sandbox, settings: AgentsSettings
    ) -> None:
        self._environments, self._caches, self._records = environments, caches, records
        self._removed = environments / ".removed"
        self._sandbox = sandbox
        self._limit, self._cache_limit = settings.environments_bytes, settings.package_cache_bytes

    async def clean(self) -> None:
        """Remove leftovers, then what is too much; problems are logged, for none may keep an agent from working."""
        try:
            async with asyncio.timeout(CLEAN_PATIENCE.total_seconds()):
                for folder in await asyncio.to_thread(self._leftovers):
                    await self._remove_moved(folder)
                await self._shrink_caches()
                await self.make()
        except (OSError, TimeoutError) as error:
            _LOG.warning("environment.not_cleaned", error=str(error) or "it took too long")

    async def make(self) -> None:
        """Remove the environments that were used least recently, until the rest is within the limit."""
        try:
            for folder in await asyncio.to_thread(self._evicted):
                await self._remove_moved(folder)
        except OSError as error:
            _LOG.warning("environment.not_evicted", error=str(error))

    async def remove(self, folder: Path) -> None:
        """Remove a folder that a build wrote to, out of the way first: what still runs there keeps its old one."""
        moved = await asyncio.to_thread(self._move, folder)
        if moved is not None:
            await self._remove_moved(moved)

    def _move(self, folder: Path) -> Path | None:
        """Move a folder out of the way; None where there is none."""
        self._removed.mkdir(parents=True, exist_ok=True)
        moved = self._removed / secrets.token_hex(12)
        try:
            folder.rename(moved)
        except FileNotFoundError:
            return None
        except OSError:
            # Another user made it, and we may not move it: it is removed where it is.
            return folder
        return moved

    async def _remove_moved(self, folder: Path) -> None:
        """Remove a folder; what another user owns is removed by the sandbox, which is that user."""
        if await asyncio.to_thread(_is_removed, folder):
            return
        try:
            # A command that keeps nothing: whatever it could have written is removed when it ends.
            await self._sandbox.run(SandboxJob(["/bin/true"], folder, writable=[folder], network=Network.NONE))
        except SandboxError as error:
            _LOG.warning("environment.not_removed", folder=folder.name, error=str(error))
        if not await asyncio.to_thread(_is_removed, folder):
            _LOG.warning("environment.not_removed", folder=folder.name)

    def _leftovers(self) -> list[Path]:
        """Return what builders that are gone left, moved out of the way."""
        self._records.sweep(older=_OLD_FAILURE)
        self._removed.mkdir(parents=True, exist_ok=True)
        left = list(self._removed.iterdir())
        for folder in self._environments.iterdir():
            if folder.name.startswith(".") or self._records.made(folder.name) is not None:
                continue
            with lock_if_free(self._records.lock(folder.name)) as free:
                # Looked at again: a builder may have been done just before.
                if free and self._records.made(folder.name) is None and (moved := self._move(folder)) is not None:
                    left.append(moved)
        self._remove_stray_locks()
        return left

    def _remove_stray_locks(self) -> None:
        """Remove the locks of environments that are neither there nor remembered."""
        for path in self._records.strays():
            with lock_if_free(path) as free:
                if free:
                    path.unlink(missing_ok=True)

    def _evicted(self) -> list[Path]:
        """Return what has to go, moved out of the way."""
        kept = sorted(self._records.kept(), key=lambda one: one.used)
        size, moved = sum(one.size for one in kept), []
        for one in kept:
            if size <= self._limit:
                break
            if time.time() - one.used < FRESH.total_seconds():
                continue
            with lock_if_free(self._records.lock(one.name)) as free:
                if not free:
                    continue
                self._records.forget(one.name)
                size -= one.size
                _LOG.info("environment.evicted", key=one.name, size=one.size)
                if (folder := self._move(self._environments / one.name)) is not None:
                    moved.append(folder)
                self._records.lock(one.name).unlink(missing_ok=True)
        return moved

    async def _shrink_caches(self) -> None:
        """Remove caches, the largest first, until the rest is within the limit; one that is written to stays."""
        sizes = await asyncio.to_thread(self._cache_sizes)
        size = sum(sizes.values())
        for folder in sorted(sizes, key=lambda one: sizes[one], reverse=True):
            if size <= self._cache_limit:
                break
            with lock_if_free(self._records.lock(f"cache-{folder.name}")) as free:
                moved = self._move(folder) if free else None
            if moved is not None:
                size -= sizes[folder]
                await self._remove_moved(moved)

    def _cache_sizes(self) -> dict[Path, int]:
        """Return what each cache takes on disk."""
        if not self._caches.is_dir():
            return {}
        return {folder: measure(folder, most=_MOST_MEASURED) for folder in self._caches.iterdir()}


def _is_removed(folder: Path) -> bool:
    """Remove a folder; returns whether nothing of it is left."""
    remove_tree(folder)
    return not os.path.lexists(folder)
