"""Sets a trial's stage: the checkout hosted on a simulated GitHub of its own, with one issue."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from miyabi_agents.verification.config import FILE_NAME
from miyabi_agents.workspace.git import git
from miyabi_cli.settings import CliSettings
from miyabi_cli.stack.local import StackOptions
from miyabi_cli.stack.ports import any_ports
from miyabi_cli.trial.checkout import Checkout, copy
from miyabi_cli.trial.issue import TrialIssue
from miyabi_sim.github.gitrepo import BARE_SETTINGS

#: Number of the only issue.
ISSUE = 1


@dataclass(frozen=True)
class Stage:
    """What a trial needs to begin."""

    checkout: Checkout
    options: StackOptions
    base_sha: str  #: differs from the checkout's where its history is not all there

    @property
    def git_dir(self) -> Path:
        """The bare repository behind the simulated GitHub."""
        return self.options.data_dir / f"github/git/{self.checkout.repository}.git"


async def set_stage(checkout: Checkout, issue: TrialIssue, *, data_dir: Path, scenarios: Path | None) -> Stage:
    """Host a checkout and seed its issue below a folder.

    Args:
        checkout: Which commit.
        issue: What is to be done.
        data_dir: Of the throw-away stack.
        scenarios: What the simulated model answers; None: it knows nothing.

    Raises:
        WorkspaceError: git cannot copy it.
        OSError: the disk is full.
    """
    seed = data_dir / "seed.json"
    stage = Stage(checkout, StackOptions(any_ports(), data_dir, scenarios=scenarios, seed=seed), "")
    sha = await copy(checkout, stage.git_dir)
    for key, value in BARE_SETTINGS.items():
        await git("config", key, value, variables={"GIT_DIR": str(stage.git_dir)})
    await asyncio.to_thread(_write, stage, issue)
    return Stage(checkout, stage.options, sha)


def _write(stage: Stage, issue: TrialIssue) -> None:
    """Write the seed, and the repository's file where it lies in the checkout and in no commit."""
    checkout, data_dir = stage.checkout, stage.options.data_dir
    owner, _, name = checkout.repository.partition("/")
    seed = {
        "repositories": [{"owner": owner, "name": name, "default_branch": checkout.branch}],
        "issues": [{"repository": checkout.repository, "number": ISSUE, "title": issue.title, "body": issue.body}],
    }
    assert stage.options.seed is not None
    stage.options.seed.write_text(json.dumps(seed), encoding="utf-8")
    own = checkout.path / FILE_NAME
    if not checkout.bare and FILE_NAME in checkout.uncommitted and own.is_file():
        target = data_dir / f"repositories/{checkout.repository}.yaml"
        target.parent.mkdir(parents=True)
        shutil.copyfile(own, target)


def settings_of(settings: CliSettings) -> CliSettings:
    """Return the settings of a throw-away stack: GitHub is simulated, the store embedded, whatever is set."""
    return settings.model_copy(update={"github_token": None, "redis_url": None})


def environment_of(environment: Mapping[str, str], data_dir: Path, checkout: Checkout) -> dict[str, str]:
    """Return what the stack's processes get: environments are those that `miyabi inspect` has built.

    Args:
        environment: The command's own.
        data_dir: The person's folder for data, not the throw-away one.
        checkout: Whose submodules are used where they are.
    """
    ours = {
        "MIYABI_AGENTS_ENVIRONMENTS_DIR": str(data_dir / "environments"),
        "MIYABI_AGENTS_LOCAL_SUBMODULES_DIR": str(checkout.modules),
    }
    return {**ours, **{name: value for name, value in environment.items() if name != "MIYABI_REDIS_URL"}}
