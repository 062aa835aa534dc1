"""Keeps environments: each is built once for all agents of a machine, and given to whoever needs the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from prometheus_client import Counter, Histogram

from miyabi_agents.environments.building import Builder, Progress, Site
from miyabi_agents.environments.eviction import Room
from miyabi_agents.environments.generated import generated_since, snapshot
from miyabi_agents.environments.identity import all_recipes, name_of
from miyabi_agents.environments.locks import hold_lock
from miyabi_agents.environments.machine import discover
from miyabi_agents.environments.records import Made, Records
from miyabi_agents.environments.sizes import measure
from miyabi_agents.environments.surroundings import Surroundings, fetch_proxy
from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.ports import Sandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.toolchains.port import BaseFiles, Environment, Machine, Recipe
from miyabi_agents.workspace.linkfree import parts_of
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY

#: How long a failure for good is remembered: ten issues of a batch do not build a broken environment ten times, and
#: what an operator mended meanwhile is seen soon.
FAILURE_MEMORY = timedelta(minutes=10)
#: Entries of an environment that are measured; the sandbox lets a build make fewer.
_MOST_MEASURED = 2_000_000

GIVEN = Counter(
    "miyabi_agents_environments_total",
    "Environments asked for, by toolchain and how that ended: built, cached, failed.",
    ["toolchain", "result"],
    registry=REGISTRY,
)
BUILD_SECONDS = Histogram(
    "miyabi_agents_environment_build_seconds",
    "Wall time of builds that worked.",
    ["toolchain"],
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    registry=REGISTRY,
)

#: Lays a commit's files into a folder that is there and empty.
CheckOut = Callable[[Path], Awaitable[None]]

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class _Request:
    """One environment that is wanted."""

    name: str
    recipe: Recipe
    root: str
    check_out: CheckOut


class EnvironmentStore:
    """Implements `ports.Environments`.

    Below `environments_root` there are `environments/NAME/` (what a build may write; NAME says what it was built from),
    `environments/.records/` (what is known of them, and locks; nothing that runs in the sandbox may write there),
    `environments/.removed/` (what is on its way out) and `caches/TOOLCHAIN/`.

    Args:
        settings: Folders, indexes, limits.
        sandbox: Where steps are run.
        builder: Runs recipes; made from the settings where it is not given.

    Raises:
        ValueError: an index or a proxy of the settings is no URL.
    """

    def __init__(self, settings: AgentsSettings, sandbox: Sandbox, *, builder: Builder | None = None) -> None:
        shared = settings.environments_root.resolve()
        self._folder = shared / "environments"
        self._caches = shared / "caches"
        self._records = Records(self._folder / ".records")
        self._room = Room(self._folder, self._caches, self._records, sandbox, settings)
        self._builder = builder or Builder(sandbox, fetch_proxy(settings), Surroundings.of(settings))
        self._sandbox, self._settings = sandbox, settings
        #: One for each environment that is being waited for.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def machine(self) -> Machine:
        """Return what this machine has to run tests with; asked once."""
        return await discover(self._sandbox, self._settings)

    async def clean(self) -> None:
        """Remove what builders that are gone have left, and what is too much; never raises but when cancelled."""
        await self._room.clean()

    async def get(
        self, recipe: Recipe, base: BaseFiles, *, check_out: CheckOut, repository: str, root: str = "."
    ) -> Environment:
        """Return the environment of a recipe, built where it is not there yet.

        Args:
            recipe: How; its fallbacks are tried in order where it fails for good.
            base: The files whose content it depends on.
            check_out: Lays base's files into a folder that is there and empty.
            repository: `owner/name`; environments are never shared between repositories.
            root: Folder of the project, relative to the repository.

        Raises:
            EnvironmentBuildError: a step failed; the message has its name and its last words. Retryable where the
                network was to blame.
            WorkspaceError: the files could not be laid.
            SandboxError: the sandbox cannot be used.
        """
        async with self.open(recipe, base, check_out=check_out, repository=repository, root=root) as environment:
            return environment

    async def get_for_change(
        self, recipe: Recipe, manifests: BaseFiles, *, check_out: CheckOut, repository: str, root: str = "."
    ) -> Environment:
        """Return the environment of a change that edits manifests; as `get`.

        Args:
            recipe: Made from the change's manifests.
            manifests: Base's files with the change's manifests over them, and nothing else of the change.
            check_out: Lays the same.
            repository: As for `get`.
            root: As for `get`.

        Raises:
            EnvironmentBuildError: as `get`.
            WorkspaceError: as `get`.
            SandboxError: as `get`.
        """
        opened = self.open(recipe, manifests, check_out=check_out, repository=repository, root=root, change=True)
        async with opened as environment:
            return environment

    @asynccontextmanager
    async def open(
        self,
        recipe: Recipe,
        base: BaseFiles,
        *,
        check_out: CheckOut,
        repository: str,
        root: str = ".",
        change: bool = False,
        submodules: Sequence[str] = (),
    ) -> AsyncIterator[Environment]:
        """Give an environment for a block, during which nobody removes it; otherwise as `get` and `get_for_change`.

        *submodules* are what `check_out` lays beside base's files, each with its commit: with others it is another
        environment.

        Raises:
            EnvironmentBuildError: as `get`.
            WorkspaceError: as `get`.
            SandboxError: as `get`.
        """
        if root not in {"", "."}:
            parts_of(root)
        name = await asyncio.to_thread(
            name_of, recipe, base, repository=repository, root=root, change=change, submodules=submodules
        )
        request = _Request(name, recipe, root, check_out)
        while True:
            seconds = await self._ensure(request)
            async with hold_lock(self._records.lock(name), shared=True):
                made = self._records.made(name)
                if made is None:
                    continue  # removed between building and holding: very little room
                self._records.note_used(name)
                yield self._environment(request, made, seconds)
                return

    @asynccontextmanager
    async def hold(self, environment: Environment) -> AsyncIterator[None]:
        """Keep an environment that `get` returned from being removed during a block.

        Raises:
            EnvironmentBuildError: it was removed since; retryable, since asking again builds it.
        """
        name = environment.path.name
        async with hold_lock(self._records.lock(name), shared=True):
            if self._records.made(name) is None:
                raise EnvironmentBuildError("the environment was removed to make room", retryable=True)
            self._records.note_used(name)
            yield

    async def _ensure(self, request: _Request) -> float:
        """Build an environment where it is not there; returns the seconds that it took.

        Raises:
            EnvironmentBuildError: it cannot be built.
        """
        name, toolchain = request.name, request.recipe.toolchain
        if self._records.made(name) is not None:
            return self._given(request, cached=True)
        async with self._locks.setdefault(name, asyncio.Lock()), hold_lock(self._records.lock(name)):
            if self._records.made(name) is not None:
                return self._given(request, cached=True)
            remembered = self._records.failed(name, within=FAILURE_MEMORY)
            if remembered is not None:
                GIVEN.labels(toolchain, "failed").inc()
                raise EnvironmentBuildError(remembered)
            began = time.monotonic()
            try:
                progress, seconds = await self._build(request, began)
            except EnvironmentBuildError as error:
                self._failed(request, error, time.monotonic() - began)
                raise
        await self._room.make()
        return self._given(request, cached=False, seconds=seconds, progress=progress)

    def _given(
        self, request: _Request, *, cached: bool, seconds: float = 0.0, progress: Progress | None = None
    ) -> float:
        """Count and log that an environment is there; returns the seconds that it took."""
        GIVEN.labels(request.recipe.toolchain, "cached" if cached else "built").inc()
        if not cached:
            BUILD_SECONDS.labels(request.recipe.toolchain).observe(seconds)
        _LOG.info(
            "environment.given",
            key=request.name,
            toolchain=request.recipe.toolchain,
            origin=request.recipe.origin,
            cached=cached,
            seconds=round(seconds, 3),
            refused=list(progress.refused) if progress is not None else [],
        )
        return seconds

    def _failed(self, request: _Request, error: EnvironmentBuildError, seconds: float) -> None:
        """Count, log and, where it is for good, remember that an environment could not be built."""
        if not error.retryable:
            self._records.note_failed(request.name, str(error))
        GIVEN.labels(request.recipe.toolchain, "failed").inc()
        _LOG.warning(
            "environment.build_failed",
            key=request.name,
            toolchain=request.recipe.toolchain,
            origin=request.recipe.origin,
            seconds=round(seconds, 3),
            retryable=error.retryable,
            error=str(error),
        )

    async def _build(self, request: _Request, began: float) -> tuple[Progress, float]:
        """Try the recipes in order; what a try leaves behind is removed, however it ends.

        Raises:
            EnvironmentBuildError: none of them worked, or the network kept one from working.
        """
        first: EnvironmentBuildError | None = None
        for position, recipe in enumerate(all_recipes(request.recipe)):
            try:
                return await self._try(request, recipe, position, began, first)
            except EnvironmentBuildError as error:
                if error.retryable:
                    raise
                first = first or error
        assert first is not None
        raise first

    async def _try(
        self, request: _Request, recipe: Recipe, position: int, began: float, first: EnvironmentBuildError | None
    ) -> tuple[Progress, float]:
        """Build by one recipe and write down that it is complete."""
        site = self._site(request, recipe)
        try:
            before = await self._lay(request, site)
            progress = await self._builder.run(recipe, site)
            if first is not None:
                progress.notes.insert(0, f"{request.recipe.origin} could not be built, {recipe.origin} could: {first}")
            await self._room.remove(site.private_cache)
            seconds = time.monotonic() - began
            await asyncio.to_thread(self._note_made, request.name, site, before, (position, progress, seconds))
        except BaseException as error:
            await asyncio.shield(self._room.remove(site.env))
            if isinstance(error, OSError):
                words = f"the environment could not be written: {error.strerror}"
                raise EnvironmentBuildError(words, retryable=True) from error
            raise
        return progress, seconds

    def _site(self, request: _Request, recipe: Recipe) -> Site:
        """Return where an environment is built."""
        return Site(
            env=self._folder / request.name,
            root=request.root,
            shared_cache=self._caches / recipe.toolchain,
            cache_lock=self._records.lock(f"cache-{recipe.toolchain}"),
        )

    async def _lay(self, request: _Request, site: Site) -> frozenset[str]:
        """Lay base's files into a new folder; returns what is there then."""
        await self._room.remove(site.env)
        await asyncio.to_thread(site.tree.mkdir, parents=True)
        await request.check_out(site.tree)
        return await asyncio.to_thread(snapshot, site.tree)

    def _note_made(self, name: str, site: Site, before: frozenset[str], outcome: tuple[int, Progress, float]) -> None:
        """Write down that an environment is complete.

        Raises:
            EnvironmentBuildError: its checkout is none any more.
            OSError: the disk is full.
        """
        position, progress, seconds = outcome
        if site.tree.is_symlink() or not site.tree.is_dir():
            raise EnvironmentBuildError("the build put something else in the place of its checkout")
        refused = [f"refused: {target}" for target in progress.refused]
        generated = list(generated_since(site.tree, before))
        size = measure(site.env, most=_MOST_MEASURED)
        self._records.note_made(name, Made(position, [*progress.notes, *refused], generated, seconds, size))

    def _environment(self, request: _Request, made: Made, seconds: float) -> Environment:
        """Return an environment that is there."""
        path = self._folder / request.name
        recipes = list(all_recipes(request.recipe))
        recipe = replace(recipes[made.recipe], fallbacks=())
        notes = (*recipe.notes, *made.notes)
        return Environment(path, path / "tree", recipe, notes, tuple(made.generated), seconds)
