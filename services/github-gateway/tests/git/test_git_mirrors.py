"""Mirrors on disk: bounded, apart for each credential, and no way around GitHub's own answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from running_gateway import REPOSITORY, gateway_before, simulated
from stock_git import done, failed

from miyabi_github_gateway.adapters.git.mirrors import Mirrors, MirrorsFullError
from miyabi_github_gateway.adapters.git.upstream import GitUpstream
from miyabi_github_gateway.adapters.listener import Listener
from miyabi_github_gateway.errors import GitHubUnavailableError, RepositoryNotFoundError
from miyabi_github_gateway.models import Credential
from miyabi_github_gateway.service.allow_list import AllowList
from miyabi_sim.github import SimulatedGitHub


@dataclass
class Keys:
    """Credentials that a test changes."""

    token: str
    scope: str = "one"
    refused_scopes: list[str] = field(default_factory=list)

    async def of(self, owner: str) -> Credential:
        return Credential(self.token, self.scope)

    def refused(self, credential: Credential) -> None:
        self.refused_scopes.append(credential.scope)

    async def login(self, owner: str) -> str:
        return ""


@dataclass
class Subject:
    """Mirrors before a simulated GitHub, fetched from it with the token in the address: this GitHub is the test's own."""

    mirrors: Mirrors
    github: SimulatedGitHub
    keys: Keys
    folder: Path

    async def sha(self, repository: str = REPOSITORY, *, new_look: bool = True) -> str:
        """Return the mirror's main branch."""
        async with self.mirrors.current(repository, new_look=new_look) as path:
            return await done("rev-parse", "refs/heads/main", cwd=path)

    def kept(self) -> list[str]:
        """Return the repositories that are on disk."""
        return sorted(path.name.split("+")[1] for path in self.folder.glob("*.git") if (path / "HEAD").exists())


def direct(github: SimulatedGitHub, token: str, repository: str = REPOSITORY) -> str:
    """Return the address of a repository at GitHub itself."""
    return f"http://x:{token}@127.0.0.1:{github.port}/{repository}.git"


@asynccontextmanager
async def subject(tmp_path: Path, *, limit_bytes: int = 1 << 30, folder: Path | None = None) -> AsyncIterator[Subject]:
    """Run mirrors."""
    folder = folder or tmp_path / "mirrors"
    async with simulated(tmp_path) as (github, token):
        keys = Keys(token)
        upstream = GitUpstream(git_url=github.url, credentials=keys, allow_list=AllowList(["*"]))
        mirrors = Mirrors(
            folder, limit_bytes=limit_bytes, upstream=upstream, fetch_url=lambda name: direct(github, token, name)
        )
        await upstream.start()
        await mirrors.start()
        try:
            yield Subject(mirrors, github, keys, folder / "gateway-0")
        finally:
            await mirrors.close()
            await upstream.close()


async def fill(github: SimulatedGitHub, token: str, tmp_path: Path, name: str, size: int) -> None:
    """Make a repository with one file of random bytes."""
    source = tmp_path / f"source-{name}"
    source.mkdir()
    (source / "random.bin").write_bytes(secrets.token_bytes(size))
    seed = tmp_path / f"{name}.json"
    seed.write_text(f'{{"repositories": [{{"owner": "acme", "name": "{name}", "source": "{source.name}"}}]}}')
    await asyncio.to_thread(github.load_seed, seed)


async def test_least_recently_used_mirror_goes(tmp_path: Path) -> None:
    """Three repositories of 300 KB do not fit into 700 KB: the one that was used last stays with the new one."""
    async with subject(tmp_path, limit_bytes=700_000) as one:
        for name in ("a", "b", "c"):
            await fill(one.github, one.keys.token, tmp_path, name, 300_000)
        await one.sha("acme/a")
        await one.sha("acme/b")
        await one.sha("acme/a")
        await one.sha("acme/c")
        assert one.kept() == ["a", "c"]
        assert len(await one.sha("acme/b")) == 40


async def test_mirror_in_use_is_not_removed(tmp_path: Path) -> None:
    """While a clone is served from it a mirror stays, even where there is no room."""
    async with subject(tmp_path, limit_bytes=700_000) as one:
        for name in ("a", "b", "c"):
            await fill(one.github, one.keys.token, tmp_path, name, 300_000)
        async with one.mirrors.current("acme/a", new_look=True) as path:
            await one.sha("acme/b")
            await one.sha("acme/c")
            assert len(await done("rev-parse", "refs/heads/main", cwd=path)) == 40
        assert one.kept() == ["a", "c"]


async def test_repository_that_does_not_fit_is_said_in_words(tmp_path: Path, redis_url: str) -> None:
    """A repository larger than the room is refused with the setting to change, and leaves nothing on the disk."""
    async with simulated(tmp_path) as (github, token):
        await fill(github, token, tmp_path, "big", 3_000_000)
        folder = tmp_path / "mirrors"
        async with gateway_before(github, token, redis_url, mirror_dir=folder, mirror_bytes=1_000_000) as gateway:
            said = await failed("clone", f"{gateway.git}/acme/big.git", str(tmp_path / "clone"))
            assert "remote: miyabi: acme/big does not fit on the gateway's disk for mirrors" in said
            assert "MIYABI_GITHUB_GATEWAY_MIRROR_BYTES=0" in said
            assert "The requested URL returned error: 507" in said
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            assert size < 200_000
            await done("clone", "--quiet", f"{gateway.git}/{REPOSITORY}.git", str(tmp_path / "small"))


async def test_full_disk_takes_mirrors_that_nobody_uses(tmp_path: Path) -> None:
    """Where there is no room for a fetch, idle mirrors go and the fetch is tried once more before it is refused."""
    async with subject(tmp_path, limit_bytes=1_000_000) as one:
        await one.sha()
        await fill(one.github, one.keys.token, tmp_path, "big", 3_000_000)
        with pytest.raises(MirrorsFullError):
            await one.sha("acme/big")
        assert one.kept() in ([], ["big"])
        assert len(await one.sha()) == 40


async def test_credential_without_access_gets_nothing(tmp_path: Path) -> None:
    """Another credential has mirrors of its own; one that lost its access is refused, whatever is on the disk."""
    async with subject(tmp_path) as one:
        good = one.keys.token
        await one.sha()
        one.keys.token, one.keys.scope = "other", "two"
        for new_look in (True, False):
            with pytest.raises(RepositoryNotFoundError):
                await one.sha(new_look=new_look)
        one.keys.token, one.keys.scope = "revoked", "one"
        with pytest.raises(RepositoryNotFoundError):
            await one.sha()
        assert one.kept() == []
        one.keys.token = good
        assert len(await one.sha(new_look=False)) == 40


async def test_mirrors_outlive_the_process(tmp_path: Path) -> None:
    """A process beside has a part of its own; the next process finds what is there, and a broken mirror is made anew."""
    async with subject(tmp_path) as one:
        before = await one.sha()
        (path,) = one.folder.glob("*.git")
        beside, second = (
            Mirrors(
                one.folder.parent,
                limit_bytes=1 << 30,
                upstream=one.mirrors._upstream,
                fetch_url=lambda name: direct(one.github, one.keys.token, name),
            )
            for _ in range(2)
        )
        await beside.start()
        assert (one.folder.parent / "gateway-1").is_dir()
        await one.mirrors.close()
        await second.start()
        (path / "HEAD").write_text("garbage")
        async with second.current(REPOSITORY, new_look=True) as found:
            assert (path, before) == (found, await done("rev-parse", "refs/heads/main", cwd=found))
        await second.close()
        await beside.close()


async def test_cancelled_look_does_not_spoil_the_next(tmp_path: Path) -> None:
    """Whoever waits while the first one hangs up fetches by itself."""
    async with subject(tmp_path) as one:
        one.github.dials.latency = 0.2
        first = asyncio.ensure_future(one.sha())
        second = asyncio.ensure_future(one.sha())
        await asyncio.sleep(0)
        first.cancel()
        assert len(await second) == 40
        await asyncio.gather(first, return_exceptions=True)


@asynccontextmanager
async def upstream_before(*routes: web.RouteDef, allowed: str = "*") -> AsyncIterator[GitUpstream]:
    """Run a server of the test's own and an upstream before it."""
    listener = Listener("127.0.0.1:0", routes, largest_body=1 << 20, grace=timedelta(0))
    await listener.start()
    subject = GitUpstream(
        git_url=f"http://127.0.0.1:{listener.port}", credentials=Keys("secret"), allow_list=AllowList([allowed])
    )
    await subject.start()
    try:
        yield subject
    finally:
        await subject.close()
        await listener.stop()


async def test_redirect_to_another_host_gets_no_credential() -> None:
    """An answer that leads elsewhere, even to another port, is not followed: nothing at all is sent there."""
    elsewhere: list[str] = []

    async def told(request: web.Request) -> web.Response:
        elsewhere.append(request.headers.get("authorization", ""))
        return web.Response()

    other = Listener("127.0.0.1:0", [web.post("/{rest:.*}", told)], largest_body=1 << 20, grace=timedelta(0))
    await other.start()

    async def redirect(request: web.Request) -> web.Response:
        location = f"http://127.0.0.1:{other.port}{request.path}"
        return web.Response(status=302, headers={"location": location})

    async with upstream_before(web.post("/{rest:.*}", redirect)) as subject:
        with pytest.raises(GitHubUnavailableError, match="not followed"):
            await subject.refs(REPOSITORY)
    await other.stop()
    assert elsewhere == []


@pytest.mark.parametrize("allowed", ["*", "acme/toy"])
async def test_renamed_repository_is_followed_where_it_is_allowed(allowed: str) -> None:
    """GitHub's redirect to another name at the same host is followed, unless that name is not served."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path.startswith("/acme/toy.git"):
            return web.Response(status=301, headers={"location": "/acme/new.git/git-upload-pack"})
        return web.Response(body=b"003f" + b"a" * 40 + b" refs/heads/main" + b"\n" * 3 + b"0000")

    async with upstream_before(web.post("/{rest:.*}", answer), allowed=allowed) as subject:
        if allowed == "*":
            assert dict((await subject.refs(REPOSITORY)).ids) == {"refs/heads/main": "a" * 40}
            await subject.refs(REPOSITORY)
            assert [path.rpartition("/")[0] for path in asked] == ["/acme/toy.git", "/acme/new.git", "/acme/new.git"]
        else:
            with pytest.raises(Exception, match="not among the repositories"):
                await subject.refs(REPOSITORY)
            assert len(asked) == 1
