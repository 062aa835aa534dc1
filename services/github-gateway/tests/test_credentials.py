"""Credentials against a simulated GitHub that verifies what an App signs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from clocks import Clock
from key_pairs import key_pair
from pydantic import SecretStr, ValidationError
from running_gateway import REPOSITORY, gateway_before, seed
from stock_git import done, failed

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import NotFoundError
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.adapters.credentials.app_api import AppApi
from miyabi_github_gateway.adapters.credentials.app_credentials import AppCredentials
from miyabi_github_gateway.adapters.credentials.credentials import TokenCredentials
from miyabi_github_gateway.adapters.credentials.secret_files import RotatingSecret
from miyabi_github_gateway.adapters.sending.outgoing import TRIES
from miyabi_github_gateway.adapters.sending.sending import Sender
from miyabi_github_gateway.errors import (
    AppNotInstalledError,
    CredentialMissingError,
    GitHubForbiddenError,
    GitHubUnavailableError,
)
from miyabi_github_gateway.service.governor import Governor, Governors, Limits
from miyabi_github_gateway.settings import GatewaySettings
from miyabi_sim.github import Fault, SimulatedApp, SimulatedGitHub


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """A generated pair."""
    return key_pair()


@asynccontextmanager
async def github_with_app(folder: Path, public: str, clock: Clock) -> AsyncIterator[SimulatedGitHub]:
    """Run a GitHub where an App is installed at `acme`, and nowhere else."""
    app = SimulatedApp(id=77, slug="miyabi", public_key=public, installations={"acme": 4711})
    async with SimulatedGitHub(folder / "github", app=app, clock=clock) as github:
        github.load_seed(seed(folder / "seed"))
        yield github


@asynccontextmanager
async def app_credentials(github: SimulatedGitHub, key: RotatingSecret, clock: Clock) -> AsyncIterator[AppCredentials]:
    """Hold the App's credentials."""
    sender = Sender(Governors(lambda scope: Governor(Limits(write_gap_ms=0), scope=scope)))
    try:
        yield AppCredentials(AppApi("77", key, api_url=github.url, sender=sender, clock=clock), clock=clock)
    finally:
        await sender.close()


def operations(github: SimulatedGitHub) -> list[str]:
    """Return what GitHub was asked."""
    return [entry.operation for entry in github.requests]


async def test_installation_token_is_fetched_once_and_ahead_of_its_end(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Fifty callers share one token; the next one is fetched ten minutes before the hour is over."""
    clock = Clock()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        app_credentials(github, RotatingSecret(SecretStr(keys[0])), clock) as subject,
    ):
        together = await asyncio.gather(*(subject.of("acme") for _ in range(50)))
        assert {"installation:4711"} == {one.scope for one in together}
        assert operations(github) == ["apps.list_installations", "apps.create_access_token"]
        clock.now += 49 * 60
        assert together[0] == await subject.of("ACME")
        clock.now += 2 * 60
        assert together[0].token != (await subject.of("acme")).token
        assert await subject.account("acme") == "miyabi[bot]"
    assert ["apps.list_installations", *["apps.create_access_token"] * 2] == operations(github)


async def test_token_serves_on_while_github_gives_no_other(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Trouble within the ten minutes is no trouble yet, and nobody asks again at once; after the token's end it is."""
    clock = Clock()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        app_credentials(github, RotatingSecret(SecretStr(keys[0])), clock) as subject,
    ):
        first = await subject.of("acme")
        github.dials.faults.append(Fault(status=502, operation="apps.create_access_token", count=1 + TRIES))
        clock.now += 55 * 60
        assert [first] * 20 == [await subject.of("acme") for _ in range(20)]
        assert operations(github).count("apps.create_access_token") == 2
        clock.now += 5 * 60
        with pytest.raises(GitHubUnavailableError):
            await subject.of("acme")
        assert first != await subject.of("acme")


async def test_installation_that_is_made_anew_is_found(tmp_path: Path, keys: tuple[str, str]) -> None:
    """An App that is removed and installed again has another number there; one that was suspended may serve again."""
    clock = Clock()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        app_credentials(github, RotatingSecret(SecretStr(keys[0])), clock) as subject,
    ):
        app = github.apps.app
        assert app is not None
        first = await subject.of("acme")
        app.installations["acme"] = 4712
        subject.refused(first)
        assert (await subject.of("acme")).scope == "installation:4712"
        app.installations["acme"] = 4713
        clock.now += 3600
        with pytest.raises(AppNotInstalledError):
            await subject.of("acme")
        assert (await subject.of("acme")).scope == "installation:4713"
        app.suspended.add(4713)
        clock.now += 3600
        for _ in range(2):
            with pytest.raises(AppNotInstalledError, match="suspended at acme"):
                await subject.of("acme")
        app.suspended.clear()
        clock.now += 60
        assert (await subject.of("acme")).scope == "installation:4713"


async def test_owner_without_the_app_is_not_found_with_a_hint(tmp_path: Path, keys: tuple[str, str]) -> None:
    """Where the App is not installed the caller learns that; GitHub is not asked again for each call."""
    clock = Clock()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        app_credentials(github, RotatingSecret(SecretStr(keys[0])), clock) as subject,
    ):
        for _ in range(3):
            with pytest.raises(AppNotInstalledError, match="not installed at other"):
                await subject.of("other")
    assert operations(github) == ["apps.list_installations"]


async def test_key_of_another_app_is_refused_without_telling_it(tmp_path: Path, keys: tuple[str, str]) -> None:
    """GitHub verifies the signature; neither a foreign nor a broken key appears in the error."""
    clock = Clock()
    async with github_with_app(tmp_path, keys[1], clock) as github:
        for key in (key_pair()[0], "-----BEGIN RSA PRIVATE KEY-----\nbroken\n"):
            async with app_credentials(github, RotatingSecret(SecretStr(key)), clock) as subject:
                with pytest.raises(GitHubForbiddenError) as caught:
                    await subject.of("acme")
                assert not any(line in str(caught.value) for line in key.splitlines())


async def test_rotated_key_file_is_read_again(tmp_path: Path, keys: tuple[str, str]) -> None:
    """A key that replaces the old one in its file, by the swap of a link as Kubernetes does it, signs the next JWT."""
    clock = Clock()
    (tmp_path / "v1").write_text(key_pair()[0])
    (tmp_path / "v2").write_text(keys[0])
    link = tmp_path / "key.pem"
    link.symlink_to("v1")
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        app_credentials(github, RotatingSecret(path=link), clock) as subject,
    ):
        with pytest.raises(GitHubForbiddenError):
            await subject.of("acme")
        (tmp_path / "new").symlink_to("v2")
        (tmp_path / "new").rename(link)
        assert (await subject.of("acme")).scope == "installation:4711"


async def test_gateway_works_with_an_app(tmp_path: Path, keys: tuple[str, str], redis_url: str) -> None:
    """Reads, writes and git use the installation's token; what is written is by the App; a revoked token is replaced."""
    clock = Clock.of_today()
    async with (
        github_with_app(tmp_path, keys[1], clock) as github,
        gateway_before(github, "", redis_url, app_id="77", app_key=SecretStr(keys[0])) as gateway,
    ):
        for body in ("one", "two"):
            request = pb.UpsertCommentRequest(repository=REPOSITORY, number=2, marker="plan", body=body)
            await gateway.stub.UpsertComment(request)
            github.apps.revoke_tokens()
        (comment,) = github.store.repository("acme", "toy").items[2].comments
        assert (comment.author, comment.body) == ("miyabi[bot]", "<!-- miyabi:plan -->\ntwo")
        await done("clone", "--quiet", f"{gateway.git}/{REPOSITORY}.git", str(tmp_path / "clone"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await gateway.stub.GetRepository(pb.GetRepositoryRequest(repository="other/toy"))
        assert isinstance(from_rpc_error(caught.value), NotFoundError)
        said = await failed("clone", f"{gateway.git}/other/toy.git", str(tmp_path / "other"))
        assert "the GitHub App is not installed at other" in said


async def test_rotated_token_file_is_read_again(tmp_path: Path, redis_url: str) -> None:
    """GitHub takes another token from now on, the file says so, and the gateway goes on without a restart."""
    file = tmp_path / "token"
    first, second = (f"ghp_{secrets.token_hex(18)}" for _ in range(2))
    file.write_text(first + "\n")
    async with SimulatedGitHub(tmp_path / "github", token=second) as github:
        github.load_seed(seed(tmp_path / "seed"))
        async with gateway_before(github, "", redis_url, token_file=file) as gateway:
            with pytest.raises(grpc.aio.AioRpcError):
                await gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
            (tmp_path / "new").write_text(second + "\n")
            (tmp_path / "new").rename(file)
            await gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
            await done("ls-remote", f"{gateway.git}/{REPOSITORY}.git")


async def test_missing_token_file_is_said(tmp_path: Path) -> None:
    """A file that is not there is an error with its path, not a request without a credential."""
    subject = TokenCredentials(RotatingSecret(path=tmp_path / "none"))
    with pytest.raises(CredentialMissingError, match="none"):
        await subject.of("acme")


def test_settings_take_one_credential() -> None:
    """Two credentials, or an App without its key, are refused at the start."""
    for options in ({"token": SecretStr("x"), "app_id": "1", "app_key": SecretStr("k")}, {"app_id": "1"}):
        with pytest.raises(ValidationError, match=r"not both|belong together"):
            GatewaySettings(**options)


@pytest.mark.parametrize(
    ("base", "api", "graphql", "git"),
    [
        ("https://github.com", "https://api.github.com", "https://api.github.com/graphql", "https://github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql", "https://acme.ghe.com"),
        ("https://git.acme.example/", "https://git.acme.example/api/v3", "https://git.acme.example/api/graphql", "https://git.acme.example"),
    ],
)  # fmt: skip
def test_addresses_follow_from_one_setting(base: str, api: str, graphql: str, git: str) -> None:
    """One base says where API, GraphQL and git are, as GitHub, data residency and Enterprise Server document it."""
    settings = GatewaySettings(github_url=base)
    assert (api, graphql, git) == (settings.api_url, settings.graphql_url, settings.git_url)
    assert GatewaySettings(github_url=base, api_url="http://x").api_url == "http://x"
