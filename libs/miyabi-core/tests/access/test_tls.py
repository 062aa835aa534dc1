"""TLS and client certificates: who is let in, and certificates that change while we serve."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from certificates import Authority
from echo_service import NAME, EchoService, add_to_server, call
from grpc_health.v1 import health_pb2, health_pb2_grpc
from identity_files import entry, new_token, write_identities

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core.access.identities import Identities
from miyabi_core.access.identity import Role, current_identity
from miyabi_core.access.security import ClientSecurity, ServerSecurity
from miyabi_core.access.tls import CertificateFiles, channel_credentials, http_context
from miyabi_core.channel import open_channel
from miyabi_core.configuration.settings import ServingSettings
from miyabi_core.errors import FailedPreconditionError
from miyabi_core.server import GrpcServer
from miyabi_core.testing import running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GOOD = pb.GetBatchRequest(name="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV")
POLICY = {NAME: {"UnaryUnary": (Role.VIEWER,)}}


@asynccontextmanager
async def serving(security: ServerSecurity, service: EchoService) -> AsyncIterator[str]:
    """Serve with *security*."""
    async with running_server((add_to_server, service, NAME), security=security, policy=POLICY) as target:
        yield target


async def asked(target: str, security: ClientSecurity) -> grpc.StatusCode:
    """Call once on a connection of its own and return the code."""
    async with open_channel(target, service=NAME, security=security) as channel:
        try:
            await call(channel, "UnaryUnary", GOOD)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_token_over_tls(tmp_path: Path) -> None:
    """A token is good over TLS; a client that trusts another authority sends nothing."""
    token, authority = new_token(), Authority(tmp_path / "ca")
    path = write_identities(tmp_path / "identities.yaml", entry("alice", "viewer", token=token))
    certificate, key = authority.server()
    security = ServerSecurity(identities=Identities(path), certificates=CertificateFiles(certificate, key))
    service = EchoService()
    async with serving(security, service) as target:
        good = ClientSecurity(tls=channel_credentials(authority.path), token=lambda: token)
        stranger = ClientSecurity(tls=channel_credentials(Authority(tmp_path / "other").path), token=lambda: token)
        assert await asked(target, good) is grpc.StatusCode.OK
        assert await asked(target, stranger) is grpc.StatusCode.UNAVAILABLE
        assert await asked(target, ClientSecurity()) is grpc.StatusCode.UNAVAILABLE
    assert service.calls == 1


async def test_client_certificate_stands_for_an_identity(tmp_path: Path) -> None:
    """A URI name or a common name of a certificate is looked up as a token is; unknown names are refused."""
    authority = Authority(tmp_path / "ca")
    path = write_identities(
        tmp_path / "identities.yaml",
        entry("dashboard", "viewer", certificates=["spiffe://miyabi.test/dashboard"]),
        entry("carol", "viewer", certificates=["CN=carol"]),
        entry("weak", "agent", certificates=["CN=weak"]),
    )
    certificate, key = authority.server()
    files = CertificateFiles(certificate, key, authority.path)
    seen: list[str] = []
    service = EchoService(lambda _: seen.append(current_identity().name))

    def client(name: str, uri: str | None = None) -> ClientSecurity:
        mine, secret = authority.client(name, uri=uri)
        return ClientSecurity(tls=channel_credentials(authority.path, certificate=mine, key=secret))

    async with serving(ServerSecurity(identities=Identities(path), certificates=files), service) as target:
        codes = [
            await asked(target, client("pod", "spiffe://miyabi.test/dashboard")),
            await asked(target, client("carol")),
            await asked(target, client("weak")),
            await asked(target, client("mallory", "spiffe://miyabi.test/other")),
            await asked(target, ClientSecurity(tls=channel_credentials(authority.path))),
        ]
    assert codes == [
        grpc.StatusCode.OK, grpc.StatusCode.OK, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNAVAILABLE,
    ]  # fmt: skip
    assert seen == ["dashboard", "carol"]


async def test_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    """A name says nothing where the signature is another one's."""
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    path = write_identities(tmp_path / "identities.yaml", entry("carol", "viewer", certificates=["CN=carol"]))
    certificate, key = authority.server()
    mine, secret = other.client("carol")
    forged = ClientSecurity(tls=channel_credentials(authority.path, certificate=mine, key=secret))
    service = EchoService()
    files = CertificateFiles(certificate, key, authority.path)
    async with serving(ServerSecurity(identities=Identities(path), certificates=files), service) as target:
        assert await asked(target, forged) is grpc.StatusCode.UNAVAILABLE
    assert service.calls == 0


async def test_server_takes_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    """New connections see the certificate that lies there now; the running one is not cut."""
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    certificate, key = first.server()
    security = ServerSecurity(certificates=CertificateFiles(certificate, key, interval=timedelta(0)))
    old = ClientSecurity(tls=channel_credentials(first.path))
    new = ClientSecurity(tls=channel_credentials(second.path))
    async with (
        serving(security, EchoService()) as target,
        open_channel(target, service=NAME, security=old) as running,
    ):
        assert await call(running, "UnaryUnary", GOOD) == [GOOD]
        fresh, fresh_key = second.server()
        fresh_key.replace(key)
        fresh.replace(certificate)
        assert await asked(target, new) is grpc.StatusCode.OK
        assert await asked(target, old) is grpc.StatusCode.UNAVAILABLE
        assert await call(running, "UnaryUnary", GOOD) == [GOOD]


async def test_http_takes_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    """The HTTP servers follow the files too."""
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    certificate, key = first.server()
    context = http_context(CertificateFiles(certificate, key, interval=timedelta(0)))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def trusts(authority: Authority) -> bool:
        client = ssl.create_default_context(cafile=str(authority.path))
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        except ssl.SSLCertVerificationError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async with server:
        before = [await trusts(first), await trusts(second)]
        fresh, fresh_key = second.server()
        fresh_key.replace(key)
        fresh.replace(certificate)
        after = [await trusts(first), await trusts(second)]
    assert (before, after) == ([True, False], [False, True])


async def test_health_is_served_in_plain_text_beside_tls(tmp_path: Path) -> None:
    """Kubernetes' probes speak no TLS: they have an address of their own that serves nothing else."""
    certificate, key = Authority(tmp_path / "ca").server()
    security = ServerSecurity(certificates=CertificateFiles(certificate, key))
    server = GrpcServer(service="test", address="127.0.0.1:0", security=security, health_address="127.0.0.1:0")
    server.add(add_to_server, EchoService(), full_name=NAME)
    await server.start()
    await server.set_ready()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.probe_port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "UnaryUnary", GOOD)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await server.stop(grace=timedelta(0))


def test_settings_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    """A certificate without its key, or a client CA without a certificate, is named at start."""
    some = tmp_path / "some.pem"
    for settings, words in (
        (ServingSettings(tls_cert_file=some), "TLS_KEY_FILE go together"),
        (ServingSettings(tls_client_ca_file=some), "TLS_CLIENT_CA_FILE needs"),
        (ServingSettings(identities_file=some), "some.pem"),
    ):
        with pytest.raises(FailedPreconditionError, match=words):
            ServerSecurity.of(settings)
    with pytest.raises(FailedPreconditionError, match="needs its key"):
        ClientSecurity.of(ServingSettings(tls_ca_file="system", tls_cert_file=some))
    some.write_text("two words")
    with pytest.raises(FailedPreconditionError, match="holds no token"):
        ClientSecurity.of(ServingSettings(identity_token_file=some))
