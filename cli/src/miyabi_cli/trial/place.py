"""Where a repository is read from, and what of the product is set up to look at it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, TaskInputs
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.inspection import Progress
from miyabi_agents.ports import TaskContext
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.verification.config import FILE_NAME, MAX_BYTES
from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.access import OPEN, GitAccess
from miyabi_cli.trial.checkout import Checkout, borrow

#: Where nothing listens: an inspection calls no gateway.
_NOWHERE = "127.0.0.1:1"


class TrialSettings(AgentsSettings):
    """Settings of an agent that keeps no run of base's tests: whoever looks wants to see them run."""

    @property
    def kept_runs_dir(self) -> Path:
        """A folder that goes with everything else of the look."""
        return self.data_dir / "base-runs"


@dataclass(frozen=True)
class Place:
    """A commit and where its objects are; implements `inspection.Place`."""

    repository: str  #: `owner/name`
    sha: str
    git_url: str = ""  #: base of the git proxy; empty where the objects are in `checkout`
    access: GitAccess = OPEN
    checkout: Checkout | None = None

    def own_file(self) -> bytes | None:
        """Return the checkout's `.miyabi.yaml` as it lies there, committed or not; None where there is none."""
        if self.checkout is None or self.checkout.bare or FILE_NAME not in self.checkout.uncommitted:
            return None
        try:
            with (self.checkout.path / FILE_NAME).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError:
            return None


def agent_settings(data_dir: Path, private: Path) -> TrialSettings:
    """Return the settings of an agent of this machine, without any credential.

    Args:
        data_dir: Where environments are kept, as those of the local stack's agents.
        private: For everything else.
    """
    settings = TrialSettings(anthropic_api_key=None, model_key_file=None, git_secret=None, sandbox_socket=None)
    shared = settings.environments_dir or data_dir / "environments"
    operators = settings.repository_config_dir or data_dir / "repositories"
    update = {"data_dir": private, "environments_dir": shared, "repository_config_dir": operators}
    return settings.model_copy(update=update)


def private_folder(data_dir: Path, *, prefix: str) -> Path:
    """Make a folder that nobody else has, below the one for data.

    Raises:
        OSError: the disk is full, or the folder is another user's.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=data_dir)).resolve()


@asynccontextmanager
async def set_up(place: Place, data_dir: Path, *, announce: Callable[[str], None]) -> AsyncIterator[TaskContext]:
    """Give what the product's own steps need, for a block; only environments stay after it.

    Raises:
        WorkspaceError: the commit cannot be had.
        OSError: the disk is full.
    """
    private = await asyncio.to_thread(private_folder, data_dir, prefix="look-")
    try:
        settings = agent_settings(data_dir, private)
        workspaces = GitWorkspaces(
            place.git_url,
            private,
            access=place.access,
            github_host=settings.github_host,
            local_submodules=None if place.checkout is None else place.checkout.modules,
        )
        if place.checkout is not None:
            await borrow(place.checkout, private / "mirrors" / f"{place.repository}.git")
        sandbox = ProcessSandbox(unsafe=settings.unsafe_sandbox)
        inputs = TaskInputs(repository=place.repository, base_sha=place.sha, issue_number=1)
        async with grpc.aio.insecure_channel(_NOWHERE) as channel:
            yield TaskContext(
                lease=Lease(inputs=inputs),
                github=GitHubGatewayServiceStub(channel),
                model=None,
                workspaces=workspaces,
                sandbox=sandbox,
                progress=Progress(announce),
                settings=settings,
                environments=EnvironmentStore(settings, sandbox),
                scratch=private,
            )
    finally:
        await asyncio.shield(asyncio.to_thread(remove_tree, private))
