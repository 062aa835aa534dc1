"""Who may call: tokens, roles, their rotation, and what is refused."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import structlog
from echo_service import NAME, EchoService, add_to_server, call
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from identity_files import entry, new_token, write_identities

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core.access.http_identity import authorise_by_secret, authorise_http
from miyabi_core.access.identities import Identities
from miyabi_core.access.identity import LOCAL, NOBODY, Role, current_identity
from miyabi_core.access.secret_file import SecretFile
from miyabi_core.access.security import ClientSecurity, ServerSecurity, is_loopback
from miyabi_core.channel import open_channel
from miyabi_core.errors import FailedPreconditionError, MiyabiError, PermissionDeniedError, UnauthenticatedError
from miyabi_core.server import GrpcServer
from miyabi_core.status import from_rpc_error
from miyabi_core.testing import running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KINDS = ["UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"]
GOOD = pb.GetBatchRequest(name="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV")
BAD = pb.GetBatchRequest(name="nonsense")
POLICY = {NAME: dict.fromkeys(KINDS, (Role.SUBMITTER, Role.AGENT))}


@asynccontextmanager
async def serving(
    path: Path, service: EchoService, *, policy: Any = POLICY, interval: timedelta = timedelta(0)
) -> AsyncIterator[str]:
    """Serve *service* with the identities of a file."""
    security = ServerSecurity(identities=Identities(path, interval=interval))
    async with running_server((add_to_server, service, NAME), security=security, policy=policy) as target:
        yield target


async def refused(target: str, kind: str, token: str = "", request: pb.GetBatchRequest = GOOD) -> MiyabiError:
    """Call and return the error."""
    async with open_channel(target, service=NAME, security=shows(token)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, kind, request)
    return from_rpc_error(caught.value)


def shows(token: str) -> ClientSecurity:
    """Return the security of a caller with a token; empty: without one."""
    return ClientSecurity(token=(lambda: token) if token else None)


@pytest.mark.parametrize("kind", KINDS)
async def test_caller_with_the_role_is_served_by_name(kind: str, tmp_path: Path) -> None:
    """The handler runs as the identity that the token stands for, and the log's context names it."""
    token, seen = new_token(), []
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "submitter", token=token))
    service = EchoService(
        lambda _: seen.append((current_identity().name, structlog.contextvars.get_contextvars()["actor"]))
    )
    async with (
        serving(path, service) as target,
        open_channel(target, service=NAME, security=shows(token)) as channel,
    ):
        assert await call(channel, kind, GOOD) == [GOOD]
    assert seen == [("alice", "alice")]
    assert current_identity() is NOBODY


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_reaches_a_handler(kind: str, tmp_path: Path) -> None:
    """No token and an unknown one are UNAUTHENTICATED, before anything of the request is looked at."""
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "submitter", token=new_token()))
    service = EchoService()
    async with serving(path, service) as target:
        for token in ("", new_token()):
            error = await refused(target, kind, token, BAD)
            assert (type(error), error.reason) == (UnauthenticatedError, "IDENTITY_REQUIRED")
    assert service.calls == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_role_that_is_missing_is_named(kind: str, tmp_path: Path) -> None:
    """A viewer is known but may not submit; the error says which role it takes."""
    token = new_token()
    path = write_identities(tmp_path / "identities.yaml", entry("vera", "viewer", token=token))
    service = EchoService()
    async with serving(path, service) as target:
        error = await refused(target, kind, token)
    assert (type(error), error.reason, error.metadata) == (
        PermissionDeniedError, "ROLE_REQUIRED", {"role": "submitter"},
    )  # fmt: skip
    assert service.calls == 0


async def test_call_outside_the_policy_is_refused_to_everyone(tmp_path: Path) -> None:
    """An RPC that the table forgot is closed, not open."""
    token = new_token()
    path = write_identities(tmp_path / "identities.yaml", entry("olga", "operator", "agent", token=token))
    async with serving(path, EchoService(), policy={NAME: {"UnaryStream": (Role.VIEWER,)}}) as target:
        error = await refused(target, "UnaryUnary", token)
    assert (error.reason, error.metadata) == ("ROLE_REQUIRED", {"role": "none"})


async def test_operator_is_submitter_and_viewer_but_no_agent(tmp_path: Path) -> None:
    """Roles of people build on one another; an agent's stands beside them."""
    token = new_token()
    identities = Identities(write_identities(tmp_path / "identities.yaml", entry("olga", "operator", token=token)))
    found = identities.by_token(token).identity
    assert [role for role in Role if found.has(role)] == [Role.VIEWER, Role.SUBMITTER, Role.OPERATOR]


async def test_expired_token_is_refused(tmp_path: Path) -> None:
    """A token is good until its time, with a zone or in UTC."""
    old, new = new_token(), new_token()
    path = write_identities(
        tmp_path / "identities.yaml",
        entry("old", "submitter", token=old, expires="2020-01-01T00:00:00"),
        entry("new", "submitter", token=new, expires="2999-01-01T00:00:00+02:00"),
    )
    async with serving(path, EchoService()) as target:
        assert (await refused(target, "UnaryUnary", old)).reason == "IDENTITY_REQUIRED"
        async with open_channel(target, service=NAME, security=shows(new)) as channel:
            assert await call(channel, "UnaryUnary", GOOD) == [GOOD]


async def test_rotation_needs_no_restart_on_either_side(tmp_path: Path) -> None:
    """The server follows its identities, the client its token, while both run; the old token is refused."""
    old, new = new_token(), new_token()
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "submitter", token=old))
    shown = tmp_path / "token"
    shown.write_text(f"{old}\n")
    reader = SecretFile(shown).read
    async with (
        serving(path, EchoService()) as target,
        open_channel(target, service=NAME, security=ClientSecurity(token=reader)) as channel,
    ):
        assert await call(channel, "UnaryUnary", GOOD) == [GOOD]
        write_identities(path, entry("alice", "submitter", token=new))
        with pytest.raises(grpc.aio.AioRpcError):
            await call(channel, "UnaryUnary", GOOD)
        shown.write_text(new)
        assert await call(channel, "UnaryUnary", GOOD) == [GOOD]


async def test_unusable_file_changes_nothing(tmp_path: Path) -> None:
    """A mistake in the file while the server runs locks nobody out."""
    token = new_token()
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "submitter", token=token))
    identities = Identities(path, interval=timedelta(0))
    path.write_text("identities: [{name: alice, roles: [god]}]")
    assert identities.by_token(token).identity.name == "alice"
    path.unlink()
    assert identities.by_token(token).identity.name == "alice"


async def test_stream_of_a_revoked_caller_ends(tmp_path: Path) -> None:
    """A caller that is struck from the file loses its running stream with the next message."""
    token = new_token()
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "submitter", token=token))
    async with (
        serving(path, EchoService()) as target,
        open_channel(target, service=NAME, security=shows(token)) as channel,
    ):
        stream = channel.stream_stream(
            f"/{NAME}/StreamStream",
            request_serializer=pb.GetBatchRequest.SerializeToString,
            response_deserializer=pb.GetBatchRequest.FromString,
        )()
        await stream.write(GOOD)
        assert await stream.read() == GOOD
        write_identities(path, entry("bob", "submitter", token=new_token()))
        await stream.write(GOOD)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_identity_off_is_local() -> None:
    """Without identities everyone on loopback is `local` and may do everything."""
    seen: list[Any] = []
    service = EchoService(lambda _: seen.append(current_identity()))
    async with running_server((add_to_server, service, NAME)) as target, open_channel(target, service=NAME) as channel:
        await call(channel, "UnaryUnary", GOOD)
    assert seen == [LOCAL]


async def test_health_and_reflection_are_open(tmp_path: Path) -> None:
    """Probes have no token, and the interfaces are no secret."""
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "viewer", token=new_token()))
    async with serving(path, EchoService()) as target, grpc.aio.insecure_channel(target) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="readiness"))
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        listed = [found async for found in stub.ServerReflectionInfo(iter([request]))]
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert NAME in [service.name for service in listed[0].list_services_response.service]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "no YAML"),
        ("identities: [{name: a b, roles: [viewer], certificates: ['CN=a']}]", "name"),
        ("identities: [{name: a, roles: [god], certificates: ['CN=a']}]", "roles"),
        ("identities: [{name: a, roles: [viewer]}]", "neither tokens nor certificates"),
        ("identities: [{name: a, roles: [viewer], tokens: [{sha256: secret}]}]", "sha256"),
        ("identities: [{name: a, roles: [viewer], certificates: ['CN=a', 'CN=a']}]", "certificate stands twice"),
        (
            """
            identities:
              - {name: a, roles: [agent], certificates: ['CN=a']}
              - {name: a-b, roles: [agent], certificates: ['CN=b']}
            """,
            "same agent id",
        ),
    ],
)
def test_unusable_file_is_refused_at_start(text: str, problem: str, tmp_path: Path) -> None:
    """What is wrong is named, the values are not."""
    path = tmp_path / "identities.yaml"
    path.write_text(text)
    with pytest.raises(FailedPreconditionError, match=problem) as caught:
        Identities(path)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True), ("127.8.8.8:1", True), ("[::1]:1", True), ("localhost:1", True), ("unix:/run/x", True),
        ("dns:///localhost:1", True), ("ipv4:127.0.0.1:1", True), ("dns://9.9.9.9/localhost:1", True),
        ("0.0.0.0:1", False), ("[::]:1", False), (":1", False), ("coordinator:1", False), ("10.0.0.1:1", False),
        ("dns:///coordinator.ns:1", False), ("localhost.evil.example:1", False), ("xds:///localhost", False),
    ],
)  # fmt: skip
def test_loopback_is_told_from_networks(address: str, loopback: bool) -> None:
    """Only what cannot leave this machine counts as loopback."""
    assert is_loopback(address) is loopback


async def test_server_beyond_loopback_wants_identity_and_tls(tmp_path: Path) -> None:
    """It refuses to start, and names the settings that are missing."""
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "viewer", token=new_token()))
    for security, setting in (
        (ServerSecurity(prefix="MIYABI_X_"), "MIYABI_X_IDENTITIES_FILE"),
        (ServerSecurity(identities=Identities(path), prefix="MIYABI_X_"), "MIYABI_X_TLS_CERT_FILE"),
    ):
        server = GrpcServer(service="test", address="0.0.0.0:0", security=security)
        with pytest.raises(FailedPreconditionError, match=setting):
            await server.start()


async def test_exceptions_for_networks_that_protect_themselves_are_explicit(tmp_path: Path) -> None:
    """Behind a mesh both rules can be switched off, each by its own setting."""
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "viewer", token=new_token()))
    for security in (
        ServerSecurity(allow_anonymous=True),
        ServerSecurity(identities=Identities(path), allow_plaintext=True),
    ):
        server = GrpcServer(service="test", address="0.0.0.0:0", security=security)
        assert await server.start() > 0
        await server.stop(grace=timedelta(0))


async def test_token_is_not_sent_in_plain_text() -> None:
    """A channel that would carry a token across a network unencrypted is not opened."""
    with pytest.raises(FailedPreconditionError, match="TLS_CA_FILE") as caught:
        open_channel("coordinator.example:50051", service=NAME, security=shows("s3cret"))
    assert "s3cret" not in caught.value.message
    channel = open_channel(
        "coordinator.example:50051", service=NAME, security=ClientSecurity(token=lambda: "x", allow_plaintext=True)
    )
    await channel.close()


async def test_http_is_let_in_by_the_same_file(tmp_path: Path) -> None:
    """Bearer, git's basic authentication and the page's cookie show the same tokens."""
    token = new_token()
    path = write_identities(tmp_path / "identities.yaml", entry("agents", "agent", token=token))
    identities = Identities(path)
    basic = base64.b64encode(f"x:{token}".encode()).decode()
    for headers in (
        {"authorization": f"Bearer {token}"},
        {"authorization": f"bearer {token}"},
        {"authorization": f"Basic {basic}"},
        {"cookie": f"other=1; miyabi_token={token}"},
    ):
        assert authorise_http(headers, Role.AGENT, identities=identities).name == "agents"
    with pytest.raises(PermissionDeniedError):
        authorise_http({"authorization": f"Bearer {token}"}, Role.VIEWER, identities=identities)
    for headers in (
        {}, {"authorization": "Bearer"}, {"authorization": "Basic !"}, {"authorization": "Basic eDo="},
        {"authorization": "Digest x"}, {"authorization": f"Bearer {new_token()}"}, {"cookie": "miyabi_token="},
        {"cookie": "\x00=;"}, {"authorization": "Bearer \udce4"}, {"authorization": "Basic eDrDpA=="},
    ):  # fmt: skip
        with pytest.raises(UnauthenticatedError):
            authorise_http(headers, Role.AGENT, identities=identities)
    assert authorise_http({}, Role.OPERATOR, identities=None) is LOCAL


async def test_http_is_let_in_by_the_secret_of_a_machine() -> None:
    """Where identity is off, the secret that one system's processes share lets in, as a token or a password; nothing else."""
    secret = new_token()
    basic = base64.b64encode(f"x:{secret}".encode()).decode()
    for header in (f"Bearer {secret}", f"Basic {basic}"):
        assert authorise_by_secret({"authorization": header}, secret) is LOCAL
    for header in ("", "Bearer", f"Bearer {secret}x", f"Bearer {new_token()}", "Bearer \udce4", "Basic eDrDpA=="):
        with pytest.raises(UnauthenticatedError):
            authorise_by_secret({"authorization": header}, secret)


async def test_many_callers_do_not_mix(tmp_path: Path) -> None:
    """Calls that run at once on one connection each keep their own identity."""
    tokens = {f"user{number}": new_token() for number in range(8)}
    path = write_identities(
        tmp_path / "identities.yaml", *(entry(name, "submitter", token=token) for name, token in tokens.items())
    )
    barrier = asyncio.Barrier(len(tokens))
    seen: dict[str, str] = {}

    class Waiting(EchoService):
        async def unary_unary(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchRequest:
            await barrier.wait()
            seen[dict(context.invocation_metadata())["who"]] = current_identity().name
            return request

    async with serving(path, Waiting()) as target, grpc.aio.insecure_channel(target) as channel:
        method = channel.unary_unary(
            f"/{NAME}/UnaryUnary",
            request_serializer=pb.GetBatchRequest.SerializeToString,
            response_deserializer=pb.GetBatchRequest.FromString,
        )
        async with asyncio.TaskGroup() as tasks:
            for name, token in tokens.items():
                metadata = (("authorization", f"Bearer {token}"), ("who", name))
                tasks.create_task(_call(method, metadata))
    assert seen == {name: name for name in tokens}


async def _call(method: Any, metadata: Any) -> None:
    await method(GOOD, metadata=metadata)
