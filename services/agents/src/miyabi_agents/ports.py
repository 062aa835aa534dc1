"""What an agent may use: the seams between the agents and everything that does I/O for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi.coordinator.v1.transcript_pb2 import ModelCall
from miyabi_agents.settings import AgentsSettings

if TYPE_CHECKING:
    from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceAsyncStub
    from miyabi_agents.model.session import ModelSession
    from miyabi_agents.toolchains.port import BaseFiles, Environment, Machine, Recipe
    from miyabi_agents.workspace.commit_files import CommitFiles
    from miyabi_agents.workspace.objects import Entry
    from miyabi_agents.workspace.pulls.comparison import Comparison
    from miyabi_agents.workspace.pulls.refs import PullRequestRefs
    from miyabi_agents.workspace.submodules import BroughtSubmodules


class Invocation(Protocol):
    """A tool call that is being timed; leaving its block reports it."""

    def failed(self, error: str) -> None:
        """Report the call as failed without raising; *error* is cut to 500 characters."""

    def first_text(self) -> None:
        """Note when the first text came; later calls change nothing."""

    def used(self, usage: Usage, *, model: str) -> None:
        """Note what a model call used."""


class ProgressSink(Protocol):
    """Where a running task says what it is doing; never blocks the task for a slow watcher."""

    async def step(self, name: str, *, percent: int = -1) -> None:
        """Say what is being done now: *percent* is 0 to 100, or -1 where unknown."""

    async def text(self, step: str, delta: str) -> None:
        """Stream a piece of text of *step*."""

    async def text_done(self, step: str) -> None:
        """Commit the whole text of *step* as one artifact."""

    async def record(self, step: str, text: str) -> None:
        """Commit a whole text of at most 100,000 characters as one artifact; it is streamed to nobody."""

    async def model_call(self, call: ModelCall) -> None:
        """Keep a call of a model that ended, beside the batch's log."""

    def invocation(self, tool: str, *, detail: str = "") -> AbstractAsyncContextManager[Invocation]:
        """Time a tool call; an exception marks it as failed and goes on to the caller."""


class Tree(Protocol):
    """The files of a commit with edits, private to a task; nothing of it need lie on the disk."""

    @property
    def base_sha(self) -> str:
        """The commit that it starts from."""

    def read(self, path: str) -> bytes:
        """Read a file, as edited.

        Raises:
            WorkspaceError: *path* is absolute, has `..`, lies below `.git`, leads through a link, or is no regular file
                (`PATH_REFUSED`), or is not there (`NO_SUCH_FILE`).
        """

    def entry(self, path: str) -> Entry:
        """Return what lies at a path, as edited, or what stands in the way to it.

        Raises:
            WorkspaceError: *path* is refused (`PATH_REFUSED`).
        """

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file of any size, as edited, piece by piece, so that it need not fit into the memory."""

    def attributes(self, path: str) -> Mapping[str, str]:
        """Return what the commit's `.gitattributes` say of a path: `set`, `unset` or a value by name."""

    def write(self, path: str, content: bytes, *, executable: bool | None = None) -> None:
        """Write a file; where *executable* is None, the bit stays as it is.

        Raises:
            WorkspaceError: *path* is refused as for `read`.
        """

    def delete(self, path: str) -> None:
        """Take a file, or a link itself, away.

        Raises:
            WorkspaceError: *path* is refused, or neither is there (`NO_SUCH_FILE`).
        """

    def move(self, path: str, to: str) -> None:
        """Move a file with its executable bit.

        Raises:
            WorkspaceError: a path is refused, there is no file (`NO_SUCH_FILE`), or something is at the other path.
        """

    def list_files(self) -> Sequence[str]:
        """List regular files, sorted, with forward slashes."""

    def list_others(self) -> Mapping[str, Entry]:
        """List what is no regular file, by path: symbolic links and submodules."""

    @property
    def unusable_names(self) -> Sequence[str]:
        """Names of the commit that may not be used, escaped; what they name is carried along as it is."""

    async def apply(self, change: ChangeSet) -> None:
        """Lay *change* over it.

        Raises:
            WorkspaceError: its base is another commit (`BASE_DIFFERS`) or a path is refused.
        """

    async def change_set(self) -> ChangeSet:
        """Compute the change from base to what is held now; no file means no change."""

    async def commit_and_push(self, *, branch: str, message: str) -> str:
        """Commit on *branch* and push it through the git proxy; returns the commit.

        Raises:
            WorkspaceError: the push was refused (`PUSH_REFUSED`) or the proxy is out of reach (`REMOTE_UNAVAILABLE`).
        """


class Worktree(Protocol):
    """One checkout of a commit, to run things in."""

    @property
    def path(self) -> Path:
        """Root of the checkout: absolute, without links."""

    @property
    def base_sha(self) -> str:
        """The commit that was checked out."""

    def read(self, path: str) -> bytes:
        """Read a file without following links, as `Tree.read`."""

    async def apply(self, change: ChangeSet) -> None:
        """Lay *change* over the checkout, as `Tree.apply`.

        Raises:
            WorkspaceError: its base is another commit (`BASE_DIFFERS`), a path is refused, or the disk is full.
        """


class Environments(Protocol):
    """Builds what tests need, once for all tasks of a machine."""

    async def machine(self) -> Machine:
        """Return what this machine has to run tests with; asked once."""

    def open(
        self,
        recipe: Recipe,
        base: BaseFiles,
        *,
        check_out: Callable[[Path], Awaitable[None]],
        repository: str,
        root: str = ".",
        change: bool = False,
        submodules: Sequence[str] = (),
    ) -> AbstractAsyncContextManager[Environment]:
        """Give the environment of a recipe for a block, built where it is not there yet.

        Args:
            recipe: How.
            base: The files whose content it depends on.
            check_out: Lays those files into a folder that is there and empty.
            repository: `owner/name`; environments are never shared between repositories.
            root: Folder of the project, relative to the repository.
            change: Whether the files are those of a change that edits manifests.
            submodules: What `check_out` lays beside base's files, each with its commit.

        Raises:
            EnvironmentBuildError: a step failed; the message ends with its words.
            WorkspaceError: the files could not be laid.
            SandboxError: the sandbox cannot be used.
        """


class Workspaces(Protocol):
    """Makes worktrees from a bare mirror that all tasks of a repository share."""

    def open(
        self, *, repository: str, sha: str, label: str, submodules_of: str = ""
    ) -> AbstractAsyncContextManager[Worktree]:
        """Check out *sha* of `owner/name`; the checkout is removed when the block ends.

        Submodules are laid as *sha* pins them, or as the commit *submodules_of* does: what a stranger's commit pins is
        never fetched for it.

        Raises:
            WorkspaceError: the commit is gone (`NO_SUCH_COMMIT`) or the proxy is out of reach (`REMOTE_UNAVAILABLE`).
        """

    async def submodules(self, *, repository: str, sha: str) -> BroughtSubmodules:
        """Return the submodules whose files lie in checkouts of a commit, and a note on each that could not be had.

        Raises:
            WorkspaceError: as `open`.
        """

    def scratch(self, label: str) -> Path:
        """Make a folder where the sandbox reaches it; whoever asks for it removes it."""

    def edit(self, *, repository: str, sha: str) -> AbstractAsyncContextManager[Tree]:
        """Edit a commit without a checkout.

        Raises:
            WorkspaceError: as `open`.
        """

    def files(self, *, repository: str, sha: str) -> AbstractAsyncContextManager[CommitFiles]:
        """Read the files of a commit from git's objects, without a checkout.

        Raises:
            WorkspaceError: as `open`.
        """

    async def taken_off(self, *, repository: str, branch: str, sha: str) -> int:
        """Return how many commits up to *sha* a branch does not have any more: it was rewritten. 0: it only moved on.

        Raises:
            WorkspaceError: as `open`.
        """

    def compare(self, pull: PullRequestRefs) -> AbstractAsyncContextManager[Comparison]:
        """Compare a pull request's head with what it has in common with its base, as GitHub shows it.

        Raises:
            WorkspaceError: as `open`; the head was moved meanwhile (`HEAD_MOVED`), or head and base have no commit in
                common (`NO_MERGE_BASE`).
        """

    async def lay(self, *, repository: str, sha: str, path: Path, change: ChangeSet | None = None) -> None:
        """Lay the files of a commit, with some of a change, into a folder that is there and empty.

        Raises:
            WorkspaceError: as `open`.
        """


class Network(Enum):
    """What a command in the sandbox may connect to."""

    #: Nothing, not even a loopback.
    NONE = "none"
    #: A loopback of its own, where a network namespace can be had; else nothing, and the result says so.
    LOOPBACK = "loopback"
    #: One TCP port on this machine's loopback, `SandboxJob.proxy_port`, where a proxy of ours listens; nothing else.
    PROXY = "proxy"


@dataclass(frozen=True)
class SandboxLimits:
    """What a command in the sandbox may use, with everything that it starts."""

    wall: timedelta = timedelta(minutes=5)
    cpu: timedelta = timedelta(minutes=5)
    memory_bytes: int = 4 << 30  #: resident memory of the whole tree, never address space
    output_bytes: int = 4 << 20
    processes: int = 512
    file_bytes: int = 512 << 20  #: largest single file
    disk_bytes: int = 4 << 30  #: by how much all writable folders together may grow
    disk_entries: int = 400_000  #: by how many files and folders they may grow


@dataclass(frozen=True)
class SandboxJob:
    """One command for the sandbox, with all that it may read, write and reach: the policy is this and no more."""

    command: Sequence[str]  #: a program and its arguments; never goes through a shell
    cwd: Path  #: folder to run in; must lie in `writable` or `readable`, which it makes nothing of
    writable: Sequence[Path] = ()  #: absolute; resolved before the policy is built
    readable: Sequence[Path] = ()  #: beside what every program needs
    environment: Mapping[str, str] = field(default_factory=dict)  #: beside PATH, HOME, TMPDIR and LANG
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    network: Network = Network.LOOPBACK
    proxy_port: int = 0  #: for `Network.PROXY`, 1 to 65535
    #: Folders of `writable` whose content stays when the command ended (an environment that is built, a cache).
    keep: Sequence[Path] = ()


@dataclass(frozen=True)
class SandboxResult:
    """How a command in the sandbox ended."""

    exit_code: int  #: negative: the signal that ended it
    output: str  #: stdout and stderr, interleaved as written, cut to the limit
    duration: timedelta
    timed_out: bool = False
    output_cut: bool = False
    #: The limit that ended it: `memory`, `processes`, `disk`; empty where none did.
    limit_hit: str = ""
    #: Files that the command wrote to the folder `$MIYABI_REPORT`, by name; read when nothing of it runs any more,
    #: without following links, flat, at most 64 MiB in all.
    report: Mapping[str, bytes] = field(default_factory=dict)
    #: The report was larger, or held something that is no regular file: it is not to be believed.
    report_cut: bool = False
    layers: tuple[str, ...] = ()  #: what confined it, by the names of `sandbox/probe.py`; `none` where it was told so
    missing_layers: tuple[str, ...] = ()


class Sandbox(Protocol):
    """Runs code of a repository where it can reach no secret, no network and no file but its own."""

    async def run(self, job: SandboxJob) -> SandboxResult:
        """Run a command with no secret in its environment, and end whatever it leaves running.

        Raises:
            SandboxError: a demanded layer is missing (`LAYER_MISSING`), or the process could not be started
                (`START_FAILED`).
        """


@dataclass(frozen=True)
class TaskContext:
    """Everything a task may use; there is nothing else."""

    lease: Lease
    github: GitHubGatewayServiceAsyncStub
    model: ModelSession | None  #: None where there is no key: rules decide
    workspaces: Workspaces
    sandbox: Sandbox
    progress: ProgressSink
    settings: AgentsSettings
    environments: Environments
    scratch: Path = field(default_factory=Path)  #: private folder of the task, removed after it


class TaskAgent(Protocol):
    """Runs one or more kinds of task."""

    @property
    def kind(self) -> str:
        """Name for logs."""

    @property
    def capabilities(self) -> frozenset[TaskKind.ValueType]:
        """Kinds of task that it runs."""

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Do the task; the outcome has its result set and leaves reference and usage to the dispatcher.

        Raises:
            AgentError: it did not work; carries the failure reason and whether a repeat may mend it.
        """
