"""Runs the steps of a recipe in the sandbox: fetching by the proxy alone, building without a network."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from miyabi_agents.environments.locks import hold_lock
from miyabi_agents.environments.proxy import FetchProxy, FetchSession
from miyabi_agents.environments.surroundings import Surroundings
from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.ports import Network, Sandbox, SandboxJob, SandboxLimits, SandboxResult
from miyabi_agents.toolchains.port import Phase, Recipe, Step
from miyabi_core.text import ending, readable

#: What one step may use: a scientific stack from source fits, a fork bomb and a full disk do not.
STEP_LIMITS = SandboxLimits(
    wall=timedelta(minutes=15),
    cpu=timedelta(minutes=30),
    memory_bytes=8 << 30,
    output_bytes=1 << 20,
    processes=1024,
    file_bytes=3 << 30,
    disk_bytes=6 << 30,
    disk_entries=1_000_000,
)
#: Characters of a failed step's output that a person gets: the end, where the reason stands.
TAIL_CHARACTERS = 1_500
#: Escape sequences of terminals (ECMA-48).
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_PLACEHOLDER = re.compile(r"\{(env|tree|cache|project)\}")
#: What package clients say when an index was out of reach for the moment.
_TROUBLE = re.compile(
    r"(?i)timed ?out|timeout|ETIMEDOUT|ECONNRE(?:SET|FUSED)|EAI_AGAIN|ENOTFOUND|connection (?:was )?(?:reset|closed)"
    r"|temporary failure|unexpected eof|\b(?:429 too many|50[0234] [a-z])"
)


@dataclass(frozen=True)
class Site:
    """Where an environment is built."""

    env: Path  #: the environment's folder
    root: str  #: the project's folder, relative to the checkout
    shared_cache: Path  #: what all environments of the ecosystem download to
    cache_lock: Path  #: held shared while a step writes there

    @property
    def tree(self) -> Path:
        """Base's checkout."""
        return self.env / "tree"

    @property
    def private_cache(self) -> Path:
        """The cache of this build alone, removed after it."""
        return self.env / ".cache"


@dataclass
class Progress:
    """How far a build is."""

    notes: list[str] = field(default_factory=list)
    #: What the proxy refused, in the order in which it was asked for.
    refused: dict[str, None] = field(default_factory=dict)
    #: Something that is not ours has run: it may have left links behind, which a download would follow.
    foreign_ran: bool = False
    #: Downloads go to the build's own cache from now on.
    private: bool = False


class Builder:
    """Runs recipes.

    Args:
        sandbox: Where steps are run.
        proxy: What FETCH steps reach the network by.
        surroundings: What every step gets to know.
        limits: What a step may use.
    """

    def __init__(
        self, sandbox: Sandbox, proxy: FetchProxy, surroundings: Surroundings, *, limits: SandboxLimits = STEP_LIMITS
    ) -> None:
        self._sandbox = sandbox
        self._proxy = proxy
        self._surroundings = surroundings
        self._limits = limits

    async def run(self, recipe: Recipe, site: Site) -> Progress:
        """Run every step of a recipe, in order.

        Raises:
            EnvironmentBuildError: a step failed that is not optional; retryable where the network was to blame.
            SandboxError: the sandbox cannot be used.
        """
        progress = Progress()
        for step in recipe.steps:
            failure = await self._step(step, recipe, site, progress)
            if failure is None:
                continue
            if not step.optional or failure.retryable:
                raise failure
            progress.notes.append(str(failure))
        return progress

    async def _step(self, step: Step, recipe: Recipe, site: Site, progress: Progress) -> EnvironmentBuildError | None:
        """Run one step; returns why it failed."""
        shares = step.phase is Phase.FETCH and step.downloads_only and not progress.foreign_ran
        progress.private |= step.phase is Phase.FETCH and not shares
        progress.foreign_ran |= not step.downloads_only
        async with AsyncExitStack() as stack:
            session = None
            if step.phase is Phase.FETCH:
                session = await stack.enter_async_context(self._proxy.session(f"{recipe.toolchain}:{site.env.name}"))
            if not progress.private:
                await stack.enter_async_context(hold_lock(site.cache_lock, shared=True))
            cache = _prepared(site.private_cache if progress.private else site.shared_cache)
            job = self._job(step, recipe, site, session, cache, writes=progress.private or shares)
            result = await self._sandbox.run(job)
        refused = tuple(session.refusals) if session is not None else ()
        progress.refused |= dict.fromkeys(refused)
        return _failure(step, result, session)

    def _job(
        self, step: Step, recipe: Recipe, site: Site, session: FetchSession | None, cache: Path, *, writes: bool
    ) -> SandboxJob:
        """Return a step as a job: base's checkout, what its programs need, and nothing else of this machine."""
        values = {
            "env": str(site.env),
            "tree": str(site.tree),
            "cache": str(cache),
            "project": str(site.tree if site.root in {"", "."} else site.tree / site.root),
        }
        own = {name: _filled(value, values) for name, value in step.environment.items()}
        fetching = self._surroundings.fetching(session.port) if session is not None else {}
        outside = () if cache.is_relative_to(site.env) else (cache,)
        kept = (site.env, *outside) if writes else (site.env,)
        return SandboxJob(
            command=[_filled(part, values) for part in step.command],
            cwd=Path(_filled(step.cwd, values)),
            writable=kept,
            readable=(*recipe.readable, *self._surroundings.readable, *(() if writes else outside)),
            environment={**self._surroundings.variables, **own, **fetching},
            limits=self._limits,
            network=Network.PROXY if session is not None else Network.LOOPBACK,
            proxy_port=session.port if session is not None else 0,
            keep=kept,
        )


def _prepared(folder: Path) -> Path:
    """Return a folder, made where it is missing.

    Raises:
        EnvironmentBuildError: something else is in its place, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        retryable = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise EnvironmentBuildError(f"no cache for the build: {error.strerror}", retryable=retryable) from error
    return folder


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Fill in the placeholders of a recipe, each once."""
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _failure(step: Step, result: SandboxResult, session: FetchSession | None) -> EnvironmentBuildError | None:
    """Return why a step failed; None where it did not."""
    if result.exit_code == 0 and not result.timed_out and not result.limit_hit:
        return None
    words = tail_of(result.output)
    refused = f" (refused: {'; '.join(session.refusals)})" if session is not None and session.refusals else ""
    message = f"{step.name} {_how(result)}{refused}: {words or 'it said nothing'}"
    return EnvironmentBuildError(message, retryable=session is not None and _may_pass(result, session, words))


def _how(result: SandboxResult) -> str:
    """Say how a step ended."""
    if result.timed_out:
        return f"took longer than {int(result.duration.total_seconds())} s"
    if result.limit_hit:
        return f"used more than it may: {result.limit_hit}"
    return f"ended with {result.exit_code}" if result.exit_code >= 0 else f"was ended by signal {-result.exit_code}"


def _may_pass(result: SandboxResult, session: FetchSession, words: str) -> bool:
    """Tell whether a step that fetched may work another time."""
    if result.limit_hit:
        return False
    if result.timed_out or session.network_trouble:
        return True
    return not session.refusals and _TROUBLE.search(words) is not None


def tail_of(output: str) -> str:
    """Return the end of what a step said, without what a terminal would act on."""
    text = _ESCAPES.sub("", output[-8 * TAIL_CHARACTERS :])
    return ending(readable(text).strip(), TAIL_CHARACTERS)
