"""A sandbox in each way that this machine can keep a command apart, and a folder for commands to work in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.ports import Network, SandboxJob, SandboxLimits, SandboxResult
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.sandbox.probe import layers_of, probe_layers

#: Where our interpreter and its packages live.
PREFIXES = (Path(sys.prefix), Path(sys.base_prefix))
#: The way in which this user's commands are kept apart. Root has no use for a user namespace: the kernel's limit of
#: processes does not hold for it there. tests/redteam goes the other way, as another user.
APART = ["own-uid"] if os.geteuid() == 0 else ["user"]


class Boxed:
    """Runs commands in a folder of their own.

    Args:
        mode: How they are kept apart.
        tree: The folder.
    """

    def __init__(self, mode: str, tree: Path) -> None:
        self.mode = mode
        self.tree = tree
        self.sandbox = ProcessSandbox(layers=layers_of(mode))

    async def python(self, code: str, *arguments: str, **more: Any) -> SandboxResult:
        """Run Python code; *more* are fields of the job, or of its limits."""
        return await self.command([sys.executable, "-c", code, *arguments], **more)

    async def command(
        self,
        command: Sequence[str],
        *,
        readable: Sequence[Path] = PREFIXES,
        writable: Sequence[Path] | None = None,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
        network: Network = Network.LOOPBACK,
        proxy_port: int = 0,
        **limits: Any,
    ) -> SandboxResult:
        """Run a command."""
        job = SandboxJob(
            command, cwd or self.tree, writable=[self.tree] if writable is None else writable, readable=readable,
            environment=environment or {}, limits=SandboxLimits(**{"wall": timedelta(seconds=40), **limits}),
            network=network, proxy_port=proxy_port,
        )  # fmt: skip
        return await self.sandbox.run(job)


@pytest.fixture
def box_of(tmp_path: Path) -> Callable[[str], Boxed]:
    """Make a sandbox of some mode, in `tree` below the test's folder."""
    tree = tmp_path / "tree"
    tree.mkdir()
    return lambda mode: Boxed(mode, tree)


@pytest.fixture(params=[*APART, "plain"])
def any_box(request: pytest.FixtureRequest, box_of: Callable[[str], Boxed]) -> Boxed:
    """Give a sandbox of each mode, also of that without namespaces."""
    return box_of(request.param)


@pytest.fixture(params=APART)
def apart_box(request: pytest.FixtureRequest, box_of: Callable[[str], Boxed]) -> Boxed:
    """Give a sandbox of each mode with namespaces."""
    return box_of(request.param)


@pytest.fixture
def box(box_of: Callable[[str], Boxed]) -> Boxed:
    """Give the best sandbox that this machine has."""
    return box_of(probe_layers().mode)
