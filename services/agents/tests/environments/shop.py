"""A store of environments with a real sandbox, a proxy and folders of its own."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.ports import SandboxJob, SandboxResult
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.toolchains.port import Environment, Phase, Recipe, Step

REPOSITORY = "acme/toy"


@dataclass
class Files:
    """Implements `toolchains.port.BaseFiles` over a mapping, and lays it."""

    content: dict[str, bytes] = field(default_factory=lambda: {"manifest": b"one", "src/code.txt": b"code"})
    committed: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    laid: int = 0

    def paths(self) -> list[str]:
        return sorted(self.content)

    def read(self, path: str) -> bytes | None:
        return self.content.get(path)

    async def lay(self, folder: Path) -> None:
        self.laid += 1
        for name, content in self.content.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


class CountingSandbox:
    """Implements `ports.Sandbox` by the real one, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.inner = ProcessSandbox()
        self.jobs: list[SandboxJob] = []
        self.modes: list[int] = []  #: of each job's folder, when it ran

    async def run(self, job: SandboxJob) -> SandboxResult:
        self.jobs.append(job)
        self.modes.append(stat.S_IMODE(Path(job.cwd).stat().st_mode))
        return await self.inner.run(job)


def shell(text: str, *, name: str = "build", phase: Phase = Phase.BUILD, **more: Any) -> Step:
    """Return a step that runs a line of shell in the environment's folder."""
    return Step(name, phase, ["/bin/sh", "-c", text], cwd="{env}", **more)


def recipe(*steps: Step, inputs: tuple[str, ...] = ("manifest",), **more: Any) -> Recipe:
    """Return a recipe of some steps."""
    return Recipe(**{"toolchain": "toy", "origin": "manifest", "inputs": inputs, "keys": (), "steps": steps, **more})


class Shop:
    """One agent's store, with what its sandbox was asked for."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        values: Mapping[str, Any] = {"data_dir": folder, "anthropic_api_key": None, **settings}
        self.settings = AgentsSettings(**values)
        self.sandbox = CountingSandbox()
        self.store = EnvironmentStore(self.settings, self.sandbox)
        self.files = Files()

    @property
    def folder(self) -> Path:
        """Where environments are."""
        return self.settings.shared_dir.resolve() / "environments"

    @property
    def there(self) -> list[str]:
        """Names of what lies among the environments."""
        return sorted(path.name for path in self.folder.iterdir() if not path.name.startswith("."))

    async def get(self, made: Recipe, files: Files | None = None, **more: Any) -> Environment:
        """Ask for an environment."""
        base = files or self.files
        return await self.store.get(made, base, **{"check_out": base.lay, "repository": REPOSITORY, **more})
