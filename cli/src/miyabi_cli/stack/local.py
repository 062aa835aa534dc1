"""Starts the whole system on this machine in the right order, and stops it in the reverse one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from miyabi_cli.errors import StackError
from miyabi_cli.settings import CliSettings
from miyabi_cli.stack.environments import Environments, Upstreams, python_module
from miyabi_cli.stack.identities import LocalIdentities
from miyabi_cli.stack.ports import Ports, any_ports, check_free
from miyabi_cli.stack.processes import START_TIMEOUT, ChildProcess, ProcessSpec, start
from miyabi_core.store.valkey import EmbeddedValkey

#: Real GitHub.
GITHUB_API = "https://api.github.com"
#: How often a starting service is asked whether it is ready.
READY_POLL = timedelta(milliseconds=50)

#: Says what is being started, for a person.
Announce = Callable[[str], None]


@dataclass(frozen=True)
class StackOptions:
    """What to start."""

    ports: Ports
    data_dir: Path
    #: Folder with scenario files for the simulated model; nothing else is answered.
    scenarios: Path | None = None
    #: Seed file of the simulated GitHub.
    seed: Path | None = None
    #: Use the simulators even where credentials are set.
    simulate: bool = False
    #: Agent processes.
    agents: int = 1
    #: Every call shows a token; off, everyone at this machine is `local` and may do everything.
    identity: bool = False

    @property
    def identities(self) -> LocalIdentities:
        """Where the tokens of the stack lie."""
        return LocalIdentities(self.data_dir / "identity")


@dataclass
class LocalStack:
    """The running system."""

    options: StackOptions
    upstreams: Upstreams
    environments: Environments
    children: dict[str, ChildProcess] = field(default_factory=dict)
    health_ports: dict[str, int | None] = field(default_factory=dict)

    @property
    def simulated(self) -> tuple[str, ...]:
        """Which outside systems are simulated: `GitHub`, `model`."""
        flags = (("GitHub", self.upstreams.github_simulated), ("model", self.upstreams.model_simulated))
        return tuple(name for name, simulated in flags if simulated)

    @property
    def coordinator_target(self) -> str:
        """host:port of the coordinator."""
        return f"127.0.0.1:{self.options.ports.coordinator}"

    @property
    def dashboard_target(self) -> str:
        """host:port of the dashboard's gRPC."""
        return f"127.0.0.1:{self.options.ports.dashboard_grpc}"

    @property
    def page(self) -> str:
        """Address of the web page."""
        return f"http://localhost:{self.options.ports.dashboard}"

    async def start_service(self, name: str, spec: ProcessSpec, *, port: int, health: bool = True) -> ChildProcess:
        """Start a gRPC service and wait until its `readiness` serves.

        Raises:
            StackError: it ended or was not ready in time.
        """
        child = await start(spec)
        self.children[name] = child
        self.health_ports[name] = port if health else None
        if health:
            await wait_ready(child, port)
        return child

    async def restart(self, name: str) -> ChildProcess:
        """Start a child that ended once more, with the same settings.

        Raises:
            StackError: it ended again or was not ready in time.
        """
        spec, port = self.children[name].spec, self.health_ports.get(name)
        return await self.start_service(name, spec, port=port or 0, health=port is not None)


async def wait_ready(child: ChildProcess, port: int) -> None:
    """Ask the service's health until `readiness` serves.

    Raises:
        StackError: the child ended or was not ready in time.
    """
    try:
        async with (
            asyncio.timeout(START_TIMEOUT.total_seconds()),
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            stub: Any = health_pb2_grpc.HealthStub(channel)
            while not await _serves(stub):
                if not child.running:
                    raise child.ended_early()
                await asyncio.sleep(READY_POLL.total_seconds())
    except TimeoutError as error:
        raise StackError(
            f"{child.spec.name} was not ready within {START_TIMEOUT.total_seconds():.0f} s:\n{child.log_tail()}",
            hint=f"its whole log is {child.spec.log}",
        ) from error


async def _serves(stub: Any) -> bool:
    """Tell whether `readiness` serves now."""
    request = health_pb2.HealthCheckRequest(service="readiness")
    try:
        answer = await stub.Check(request, timeout=1, wait_for_ready=False)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _start_simulators(
    options: StackOptions,
    environment: Mapping[str, str],
    children: dict[str, ChildProcess],
    *,
    github: bool,
    model: bool,
) -> None:
    """Start the simulators that are needed."""
    logs = options.data_dir / "logs"
    if github:
        arguments = ["--port", str(options.ports.github), "--data", str(options.data_dir / "github")]
        if options.seed is not None:
            arguments += ["--seed", str(options.seed)]
        command = python_module("miyabi_sim.github", *arguments)
        children["simulated-github"] = await start(
            ProcessSpec("simulated-github", command, environment, logs / "simulated-github.log", announces=True)
        )
    if model:
        arguments = ["--port", str(options.ports.model)]
        if options.scenarios is not None:
            arguments += ["--scenarios", str(options.scenarios)]
        command = python_module("miyabi_sim.model", *arguments)
        children["simulated-model"] = await start(
            ProcessSpec("simulated-model", command, environment, logs / "simulated-model.log", announces=True)
        )


def choose_upstreams(settings: CliSettings, options: StackOptions) -> Upstreams:
    """Decide what is real: GitHub with a token, the model with a key; the rest is simulated."""
    token = settings.github_token.get_secret_value() if settings.github_token and not options.simulate else ""
    key = settings.anthropic_api_key.get_secret_value() if settings.anthropic_api_key and not options.simulate else ""
    github = f"http://127.0.0.1:{options.ports.github}"
    return Upstreams(
        github_api=GITHUB_API if token else github,
        github_graphql=f"{GITHUB_API}/graphql" if token else f"{github}/graphql",
        github_git="https://github.com" if token else github,
        github_token=token or f"simulated-{secrets.token_hex(8)}",
        github_simulated=not token,
        model_base_url=settings.anthropic_base_url if key else f"http://127.0.0.1:{options.ports.model}",
        model_key=key or f"simulated-{secrets.token_hex(8)}",
        model_simulated=not key,
    )


@asynccontextmanager
async def local_stack(
    settings: CliSettings, options: StackOptions, *, inherited: Mapping[str, str], announce: Announce
) -> AsyncIterator[LocalStack]:
    """Run the whole system for the length of the block; nothing is left running after it.

    Raises:
        StackError: a port is taken, or a process ended or was not ready in time.
    """
    check_free(options.ports)
    options.data_dir.mkdir(parents=True, exist_ok=True)
    upstreams = choose_upstreams(settings, options)
    async with AsyncExitStack() as stack:
        if settings.redis_url is None:
            announce("Valkey (embedded)")
            valkey = await stack.enter_async_context(EmbeddedValkey(options.data_dir / "valkey"))
            redis_url = valkey.url
        else:
            redis_url = settings.redis_url.get_secret_value()
        identities = options.identities if options.identity else None
        if identities is not None:
            identities.make()
        environments = Environments(
            settings, inherited, options.ports, upstreams, redis_url, options.data_dir, identities
        )
        running = LocalStack(options, upstreams, environments)
        stack.push_async_callback(_stop_all, running)
        await _start_all(running, announce)
        yield running


@dataclass(frozen=True)
class OwnGateway:
    """Where a gateway of one command listens, and the secret that its git proxy asks for."""

    target: str
    git_url: str
    git_secret: str = field(repr=False)


@asynccontextmanager
async def gateway_only(
    settings: CliSettings, data_dir: Path, *, inherited: Mapping[str, str]
) -> AsyncIterator[OwnGateway]:
    """Run a gateway alone, which reads GitHub for one command.

    Raises:
        StackError: it ended or was not ready in time.
    """
    options = StackOptions(any_ports(), data_dir)
    async with EmbeddedValkey(data_dir / "valkey") as valkey:
        upstreams = choose_upstreams(settings, options)
        environments = Environments(settings, inherited, options.ports, upstreams, valkey.url, data_dir)
        running = LocalStack(options, upstreams, environments)
        spec = ProcessSpec(
            "github-gateway", python_module("miyabi_github_gateway"), environments.gateway(),
            data_dir / "logs/github-gateway.log",
        )  # fmt: skip
        try:
            await running.start_service("github-gateway", spec, port=options.ports.gateway)
            git_url = f"http://127.0.0.1:{options.ports.gateway_http}/git"
            yield OwnGateway(f"127.0.0.1:{options.ports.gateway}", git_url, environments.secrets.git_secret)
        finally:
            await _stop_all(running)


async def _start_all(running: LocalStack, announce: Announce) -> None:
    """Start every process in the order in which they need one another."""
    options, environments, up = running.options, running.environments, running.upstreams
    logs, ports = options.data_dir / "logs", options.ports
    if running.simulated:
        announce("simulated " + " and ".join(running.simulated))
    await _start_simulators(
        options, environments.simulator(), running.children, github=up.github_simulated, model=up.model_simulated
    )
    services = (
        ("github-gateway", "miyabi_github_gateway", environments.gateway(), ports.gateway),
        ("coordinator", "miyabi_coordinator", environments.coordinator(), ports.coordinator),
        ("dashboard", "miyabi_dashboard", environments.dashboard(), ports.dashboard_grpc),
    )
    for name, module, environment, port in services:
        announce(name)
        spec = ProcessSpec(name, python_module(module), environment, logs / f"{name}.log")
        await running.start_service(name, spec, port=port)
    for index in range(options.agents):
        agent_id = f"local-{index + 1}"
        announce(f"agents ({agent_id})")
        await start_agent(running, agent_id)


async def start_agent(running: LocalStack, agent_id: str) -> ChildProcess:
    """Start an agent process; it dials the coordinator by itself and needs no port."""
    log = running.options.data_dir / "logs" / f"{agent_id}.log"
    spec = ProcessSpec(agent_id, python_module("miyabi_agents"), running.environments.agents(agent_id), log)
    return await running.start_service(agent_id, spec, port=0, health=False)


async def _stop_all(running: LocalStack) -> None:
    """Stop every process: agents first, so that their leases come back in order, then what they lean on."""
    for child in reversed(running.children.values()):
        await child.stop()
