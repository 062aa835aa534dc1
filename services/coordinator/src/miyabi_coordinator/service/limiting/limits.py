"""How many tasks may run beside those that run: over all batches, shards and replicas, and by GitHub's quota."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from miyabi_coordinator.models import Pipeline, PlaceRequest, RepositoryLimit, Spec, TaskKind, TaskState
from miyabi_coordinator.ports.places import Places
from miyabi_coordinator.ports.store import Claim, Store
from miyabi_coordinator.service.limiting.quotas import Quotas
from miyabi_coordinator.shards import shard_of
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Seconds that a count of places is used before it is read again; taking one is exact.
FRESH_SECONDS = 0.25
#: Seconds after which tasks that wait for a place are looked at again: another replica may have given one back.
LOOK_SECONDS = 0.5
#: Seconds between looks at who holds a place.
RECONCILE_SECONDS = 5.0
#: A place is held for so long before it is asked whether its task is leased: a lease takes milliseconds.
SETTLED_SECONDS = 10.0
#: Stands for any repository.
ANY = "*"
_PULL_REQUEST = int(TaskKind.PULL_REQUEST)

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Configured:
    """The operator's limits on leased tasks; where there is no entry there is no limit.

    Args:
        kinds: Of each kind of task, over all repositories.
        repositories: Of each repository, of any kind.
        each_repository: Of each repository that is not named; 0 sets no limit.
    """

    kinds: Mapping[int, int] = field(default_factory=dict)
    repositories: Mapping[str, int] = field(default_factory=dict)
    each_repository: int = 0


class Limits:
    """The limits on one replica; `listeners` are called when there may be a place. `run` serves until it is cancelled.

    Args:
        places: Counts what is taken, for all replicas.
        configured: The operator's.
        quotas: GitHub's.
        stores: Of each shard.
    """

    def __init__(
        self,
        places: Places,
        configured: Configured,
        quotas: Quotas,
        *,
        stores: Sequence[Store],
    ) -> None:
        self._places = places
        self._configured = configured
        self._quotas = quotas
        self._stores = stores
        self._used: dict[str, int] = {}
        self._read = 0.0
        self._over: list[str] = []
        self.listeners: list[Callable[[], None]] = []
        self._ended = asyncio.Event()

    async def now(self) -> Sequence[RepositoryLimit]:
        """Return how many tasks may start now; raises UnavailableError: the store did not answer."""
        pulls = self._quotas.pull_requests()
        if not (pulls or self._limited):
            return ()
        if time.monotonic() - self._read >= FRESH_SECONDS:
            self._used = dict(await self._places.used())
            self._read = time.monotonic()
        found = [RepositoryLimit(ANY, kind, limit - self._taken(ANY, kind)) for kind, limit in self._kinds]
        found += [
            RepositoryLimit(repository, _PULL_REQUEST, free - self._taken(repository, _PULL_REQUEST))
            for repository, free in pulls.items()
        ]
        return [*found, *self._repositories()]

    async def take(self, claims: Sequence[Claim], specs: Mapping[str, Spec]) -> list[bool]:
        """Take a place for each claim; returns which may go on.

        Raises:
            UnavailableError: the store did not answer.
        """
        for spec in specs.values():
            if spec.pipeline is Pipeline.FIX and not spec.dry_run:
                self._quotas.watch(spec.repository)
        requests = [self._request(claim, specs.get(claim.batch)) for claim in claims]
        asked = [request for request in requests if request.limits]
        answers = dict(zip((request.holder for request in asked), await self._places.take(asked), strict=True))
        for request in asked:
            for name, limit in request.limits:
                # One that was refused is full, until it is read again: the claims then wait in the queue of the limit.
                self._used[name] = self._used.get(name, 0) + 1 if answers[request.holder] else limit
        return [answers.get(request.holder, True) for request in requests]

    def over(self, holders: Sequence[str]) -> None:
        """Give places back soon: the tasks ended, or were not leased."""
        if self.active:
            self._over.extend(holders)
            self._ended.set()

    @property
    def active(self) -> bool:
        """Tell whether there is any limit, so that places are held."""
        return bool(self._limited or self._used)

    async def run(self) -> None:
        """Give places back, let dispatchers look for what others gave back, and find places that nobody gave back."""
        looked = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                pass
            self._ended.clear()
            over, self._over = self._over, []
            try:
                await self._places.give_back(over)
                if time.monotonic() - looked >= RECONCILE_SECONDS:
                    looked = time.monotonic()
                    await self.reconcile()
            except MiyabiError as error:
                self._over.extend(over)
                _LOG.warning("limits.store_unavailable", reason=error.reason)
            if self.active:
                self._read = 0.0
                for listener in self.listeners:
                    listener()

    async def reconcile(self) -> None:
        """Give back the places of tasks that nobody works on; raises UnavailableError: the store did not answer."""
        await self._places.give_back(await self._lost())

    async def _lost(self) -> list[str]:
        """Return who holds a place for a task that nobody works on."""
        held = await self._places.held_before(time.time() - SETTLED_SECONDS)
        return [holder for holder in held if not await self._is_leased(holder)]

    async def _is_leased(self, holder: str) -> bool:
        """Tell whether an agent works on the task that holds a place."""
        batch, issue, task_id = holder.split("|")
        number = shard_of(batch)
        runs = await self._stores[number].load_runs(batch, [int(issue)]) if number < len(self._stores) else []
        task = runs[0].task(task_id) if runs else None
        return task is not None and task.state is TaskState.LEASED

    def _request(self, claim: Claim, spec: Spec | None) -> PlaceRequest:
        """Return the places that a task needs."""
        limits: list[tuple[str, int]] = []
        repository = spec.repository if spec else ""
        if claim.kind in self._configured.kinds:
            limits.append((_name(ANY, claim.kind), self._configured.kinds[claim.kind]))
        if own := self._configured.repositories.get(repository, self._configured.each_repository):
            limits.append((_name(repository, 0), own))
        free = self._quotas.pull_requests().get(repository) if claim.kind == TaskKind.PULL_REQUEST else None
        if free is not None and spec is not None and not spec.dry_run:
            limits.append((_name(repository, claim.kind), free))
        return PlaceRequest(claim.holder, tuple(limits))

    def _repositories(self) -> list[RepositoryLimit]:
        """Return what each repository still allows."""
        each = self._configured.each_repository
        limits = dict(self._configured.repositories)
        if each:
            names = (name.rsplit("|", 1) for name in self._used)
            limits |= {repository: each for repository, kind in names if kind == "0" and repository not in limits}
        found = [RepositoryLimit(name, 0, limit - self._taken(name, 0)) for name, limit in limits.items()]
        return [*found, RepositoryLimit("", 0, each)] if each else found

    @property
    def _kinds(self) -> list[tuple[int, int]]:
        """Return the limits by kind."""
        return list(self._configured.kinds.items())

    @property
    def _limited(self) -> bool:
        """Tell whether the operator set any limit."""
        configured = self._configured
        return bool(configured.kinds or configured.repositories or configured.each_repository)

    def _taken(self, repository: str, kind: int) -> int:
        """Return how many places are taken under a limit."""
        return self._used.get(_name(repository, kind), 0)


def _name(repository: str, kind: int) -> str:
    """Return the name of a limit."""
    return f"{repository}|{kind}"
