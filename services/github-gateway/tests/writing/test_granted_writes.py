"""What may be written, and pushed, is what the grant of a lease says: a token alone writes nothing."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grant_samples import TASK, grant_of, new_key, signed
from identity_files import entry, new_token, write_identities
from pydantic import SecretStr
from running_gateway import REPOSITORY, Running, gateway_before, push_branches, simulated
from stock_git import commit, done, failed

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_core.access.security import ClientSecurity
from miyabi_core.channel import open_channel
from miyabi_core.errors import FailedPreconditionError
from miyabi_core.grants import GRANT_HEADER, Write
from miyabi_core.status import from_rpc_error
from miyabi_github_gateway.app import SERVICE, Gateway
from miyabi_github_gateway.policy import POLICY, WRITES
from miyabi_github_gateway.settings import GatewaySettings

ISSUE = 7
BRANCH = grant_of().branch
WRITING = {
    "SetLabels": pb.SetLabelsRequest(repository=REPOSITORY, number=ISSUE, add=[pb.LabelDefinition(name="new")]),
    "UpsertComment": pb.UpsertCommentRequest(repository=REPOSITORY, number=ISSUE, marker="m", body="Hello."),
    "PostReview": pb.PostReviewRequest(
        repository=REPOSITORY, number=ISSUE, marker="m", body="Hello.", commit_sha="0" * 40
    ),
    "CreatePullRequest": pb.CreatePullRequestRequest(
        repository=REPOSITORY, head_branch=BRANCH, base_branch="main", title="Mend it", body="Mended."
    ),
    "CreateIssue": pb.CreateIssueRequest(repository=REPOSITORY, title="Another", body="More.", marker="m"),
}


@dataclass
class Granted:
    """A gateway with a key of grants, and the token of an agent."""

    running: Running
    key: str
    token: str = ""

    def grant(self, **changes: Any) -> str:
        """Return a grant for everything at the issue; *changes* are its fields."""
        return signed(self.key, **changes)

    async def call(self, method: str, grant: str = "", **changes: Any) -> str:
        """Call an RPC that writes; returns why it was refused, "" where it was not."""
        try:
            await self.shown(method, grant, **changes)
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error).reason
        return ""

    async def shown(self, method: str, grant: str = "", **changes: Any) -> None:
        """Call an RPC that writes; raises what it ends with."""
        request = type(WRITING[method])()
        request.CopyFrom(WRITING[method])
        for name, value in changes.items():
            setattr(request, name, value)
        security = ClientSecurity(token=(lambda: self.token) if self.token else None)
        metadata = ((GRANT_HEADER, grant),) if grant else ()
        target = f"127.0.0.1:{self.running.gateway.grpc.port}"
        async with open_channel(target, service=SERVICE, security=security) as channel:
            stub: Any = GitHubGatewayServiceStub(channel)
            await getattr(stub, method)(request, metadata=metadata)

    @property
    def url(self) -> str:
        """Address of the repository at the proxy."""
        return f"{self.running.git}/{REPOSITORY}.git"


def variables(*headers: str) -> dict[str, str]:
    """Return the environment in which git sends headers, as agents do."""
    found = {"GIT_CONFIG_COUNT": str(len(headers))}
    for index, header in enumerate(headers):
        found |= {f"GIT_CONFIG_KEY_{index}": "http.extraHeader", f"GIT_CONFIG_VALUE_{index}": header}
    return found


@pytest_asyncio.fixture
async def granted(tmp_path: Path, redis_url: str) -> AsyncIterator[Granted]:
    """A gateway as the local stack has it: identity is off, grants are asked for."""
    key = new_key()
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, grant_key=SecretStr(key)) as gateway,
    ):
        push_branches(gateway, BRANCH, "miyabi/another")
        yield Granted(gateway, key)


@pytest_asyncio.fixture
async def known(tmp_path: Path, redis_url: str) -> AsyncIterator[Granted]:
    """A gateway that knows its callers, and asks for grants."""
    key, agent, other = new_key(), new_token(), new_token()
    path = write_identities(
        tmp_path / "identities.yaml", entry("agent-1", "agent", token=agent), entry("agent-2", "agent", token=other)
    )
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, identities_file=path, grant_key=SecretStr(key)) as gateway,
    ):
        push_branches(gateway, BRANCH)
        yield Granted(gateway, key, agent)


def test_every_rpc_that_only_agents_may_call_asks_for_a_grant() -> None:
    """The table of kinds of write has each RPC that no viewer may call, and no other."""
    writing = {method for method, roles in POLICY[SERVICE].items() if [role.value for role in roles] == ["agent"]}
    assert writing == set(WRITES) == set(WRITING)


async def test_a_token_alone_writes_nothing(known: Granted, tmp_path: Path) -> None:
    """An agent's token without a lease: no label, no comment, no pull request, no issue, no commit; it reads and clones."""
    bearer = f"Authorization: Bearer {known.token}"
    clone = tmp_path / "clone"
    await done("clone", "--quiet", known.url, str(clone), **variables(bearer))
    await commit(clone, "change")
    seen = len(known.running.github.requests)
    refused = {method: await known.call(method) for method in WRITING}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await known.shown("SetLabels")
    said = await failed("push", "origin", f"HEAD:refs/heads/{BRANCH}", "--force", cwd=clone, **variables(bearer))
    assert refused == dict.fromkeys(WRITING, "GRANT_MISSING")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "[remote rejected]" in said
    assert "GRANT_MISSING" in said
    after = [entry.operation for entry in known.running.github.requests[seen:]]
    assert after == ["git.info_refs"], "nothing but git's question for the branches reached GitHub"


async def test_a_grant_covers_its_writes(granted: Granted, tmp_path: Path) -> None:
    """With the grant of its lease an agent labels, comments, pushes and opens its pull request, again and again."""
    grant = granted.grant()
    for _ in range(2):
        answers = {method: await granted.call(method, grant) for method in WRITING}
        # The grant covers a review too; what it names is an issue.
        assert answers == dict.fromkeys(WRITING, "") | {"PostReview": "PULL_REQUEST_NOT_FOUND"}
    clone = tmp_path / "clone"
    await done("clone", "--quiet", granted.url, str(clone))
    await commit(clone, "change")
    branch = granted.grant(branch="miyabi/fresh")
    header = variables(f"{GRANT_HEADER}: {branch}")
    await done("push", "--quiet", "origin", "HEAD:refs/heads/miyabi/fresh", cwd=clone, **header)
    await commit(clone, "again")
    await done("push", "--quiet", "origin", "HEAD:refs/heads/miyabi/fresh", cwd=clone, **header)


NARROW: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *[(method, {}, {"repository": "acme/other"}) for method in WRITING],
    *[(method, {}, {"writes": frozenset(Write) - {write}}) for method, write in WRITES.items()],
    ("SetLabels", {"number": 8}, {}),
    ("UpsertComment", {"number": 8}, {}),
    ("PostReview", {"number": 8}, {}),
    ("CreatePullRequest", {"head_branch": "miyabi/another"}, {}),
    ("CreatePullRequest", {"base_branch": "release"}, {}),
]


@pytest.mark.parametrize(("method", "asked", "given"), NARROW)
async def test_a_grant_for_something_else_covers_nothing(
    granted: Granted, method: str, asked: dict[str, Any], given: dict[str, Any]
) -> None:
    """Another repository, kind of write, issue, branch or base: refused before GitHub hears of it."""
    seen = len(granted.running.github.requests)
    assert await granted.call(method, granted.grant(**given), **asked) == "GRANT_TOO_NARROW"
    assert len(granted.running.github.requests) == seen


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda key: signed(new_key()), "GRANT_INVALID"),
        (lambda key: signed(key)[:-1], "GRANT_INVALID"),
        (lambda key: "nonsense", "GRANT_INVALID"),
        (lambda key: key, "GRANT_INVALID"),
        (lambda key: signed(key, expires=datetime.now(UTC) - timedelta(minutes=1)), "GRANT_EXPIRED"),
        (lambda key: signed(key, not_before=datetime.now(UTC) + timedelta(minutes=1)), "GRANT_EXPIRED"),
        (lambda key: signed(key, writes=frozenset({Write.LABELS})), "GRANT_TOO_NARROW"),
        (lambda key: signed(key, repository="acme/other"), "GRANT_TOO_NARROW"),
        (lambda key: signed(key, branch="miyabi/another"), "GRANT_TOO_NARROW"),
    ],
)
async def test_a_push_needs_the_grant_of_its_branch(
    granted: Granted, tmp_path: Path, make: Callable[[str], str], reason: str
) -> None:
    """Forged, cut, over, early, of another kind, repository or branch: git shows why, and the branch stays."""
    clone = tmp_path / "clone"
    await done("clone", "--quiet", granted.url, str(clone))
    await commit(clone, "change")
    before = await done("ls-remote", granted.url, f"refs/heads/{BRANCH}")
    header = variables(f"{GRANT_HEADER}: {make(granted.key)}")
    said = await failed("push", "--force", "origin", f"HEAD:refs/heads/{BRANCH}", cwd=clone, **header)
    assert reason in said
    assert await done("ls-remote", granted.url, f"refs/heads/{BRANCH}") == before


async def test_one_grant_is_one_branch(granted: Granted, tmp_path: Path) -> None:
    """A push of two branches with the grant of one is refused whole."""
    clone = tmp_path / "clone"
    await done("clone", "--quiet", granted.url, str(clone))
    await commit(clone, "change")
    header = variables(f"{GRANT_HEADER}: {granted.grant(branch='miyabi/mine')}")
    refs = ("HEAD:refs/heads/miyabi/mine", "HEAD:refs/heads/miyabi/yours")
    assert "GRANT_TOO_NARROW" in await failed("push", "origin", *refs, cwd=clone, **header)
    assert await done("ls-remote", granted.url, "refs/heads/miyabi/mine", "refs/heads/miyabi/yours") == ""


async def test_another_agents_grant_is_of_no_use(known: Granted) -> None:
    """Where callers are known, a grant that was taken from another agent is refused."""
    assert await known.call("SetLabels", known.grant()) == ""
    assert await known.call("SetLabels", known.grant(agent="agent-1-pod7")) == ""
    assert await known.call("SetLabels", known.grant(agent="agent-2")) == "GRANT_TOO_NARROW"


async def test_the_holder_of_a_lost_lease_writes_no_more(granted: Granted, tmp_path: Path) -> None:
    """Once a newer lease of a task has written, the grant of the older one is over, at every door; other tasks go on."""
    older, newer = granted.grant(fencing_token=3), granted.grant(fencing_token=4)
    assert await granted.call("SetLabels", older) == ""
    assert await granted.call("SetLabels", newer) == ""
    assert await granted.call("UpsertComment", older) == "GRANT_SUPERSEDED"
    clone = tmp_path / "clone"
    await done("clone", "--quiet", granted.url, str(clone))
    await commit(clone, "change")
    header = variables(f"{GRANT_HEADER}: {older}")
    push = ("push", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
    assert "GRANT_SUPERSEDED" in await failed(*push, cwd=clone, **header)
    assert await granted.call("SetLabels", granted.grant(task=f"{TASK}-2", fencing_token=1)) == ""
    assert await granted.call("SetLabels", newer) == ""


async def test_keys_are_exchanged_under_a_running_gateway(tmp_path: Path, redis_url: str) -> None:
    """A file with a new key before the old one lets both write; without the old one, only the new."""
    old, new, path = new_key(), new_key(), tmp_path / "keys"
    path.write_text(old)
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, grant_key_file=path) as gateway,
    ):
        granted = Granted(gateway, old)
        answers = []
        for content in (old, f"{new}\n{old}", new):
            path.write_text(content)
            answers.append([await granted.call("SetLabels", signed(key)) for key in (old, new)])
    assert answers == [["", "GRANT_INVALID"], ["", ""], ["GRANT_INVALID", ""]]


async def test_callers_that_are_known_or_from_elsewhere_want_a_key(tmp_path: Path) -> None:
    """With identities, or beyond loopback, a gateway without a key of grants does not start: a role writes nothing."""
    path = write_identities(tmp_path / "identities.yaml", entry("agent-1", "agent", token=new_token()))
    for settings in (
        GatewaySettings(address="127.0.0.1:0", http_address="127.0.0.1:0", identities_file=path),
        GatewaySettings(address="0.0.0.0:0", http_address="127.0.0.1:0", allow_anonymous=True),
        GatewaySettings(address="127.0.0.1:0", http_address="0.0.0.0:0", allow_anonymous=True),
    ):
        with pytest.raises(FailedPreconditionError, match="MIYABI_GITHUB_GATEWAY_GRANT_KEY_FILE"):
            Gateway(settings)


async def test_only_this_stacks_agents_use_git(tmp_path: Path, redis_url: str) -> None:
    """Identity off, another program of the machine reads nothing: git wants the stack's secret, for clones too."""
    secret = secrets.token_urlsafe(32)
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, git_secret=SecretStr(secret)) as gateway,
    ):
        url = f"{gateway.git}/{REPOSITORY}.git"
        await done("ls-remote", url, **variables(f"Authorization: Bearer {secret}"))
        await done("ls-remote", url.replace("//", f"//agent:{secret}@"))
        for headers in (
            (),
            ("Authorization: Bearer nonsense",),
            (f"Authorization: Bearer {secret}x",),
            ("Cookie: a=b",),
        ):
            await failed("ls-remote", url, **variables(*headers))
        await failed("ls-remote", url, **variables("Authorization: Bearer \udce4\udcf6"))


async def test_no_grant_stands_in_the_log(granted: Granted, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither one that was taken nor one that was refused is written anywhere, and no more is the key."""
    grants = [granted.grant(), granted.grant(issue=8), signed(new_key())]
    for grant in grants:
        await granted.call("SetLabels", grant)
    clone = tmp_path / "clone"
    await done("clone", "--quiet", granted.url, str(clone))
    await commit(clone, "change")
    await failed("push", "origin", "HEAD:refs/heads/miyabi/x", cwd=clone, **variables(f"{GRANT_HEADER}: {grants[0]}"))
    written = "".join(capfd.readouterr())
    assert "GRANT_TOO_NARROW" in written
    assert not any(text in written for text in (*grants, granted.key))


async def test_a_grant_holds_for_any_spelling_of_the_name(granted: Granted) -> None:
    """GitHub's names have no case: a grant for a repository holds however it is spelt."""
    assert await granted.call("SetLabels", granted.grant(repository="Acme/TOY")) == ""


async def test_reads_ask_for_no_grant(granted: Granted) -> None:
    """What a repository, an issue or a pull request says is read as before."""
    await granted.running.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
    request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=[ISSUE])
    assert [
        entry.number async for answer in granted.running.stub.BatchGetIssues(request) for entry in answer.entries
    ] == [ISSUE]
