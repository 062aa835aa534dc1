"""What a trial leaves: a bare repository with the branch, the diff, the evidence."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from miyabi.coordinator.v1.batch_pb2 import IssueRun
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.git import git
from miyabi_cli.showing.run_view import show_run
from miyabi_cli.terminal import lines, ours, say, shown
from miyabi_cli.trial.stage import Stage
from miyabi_core.text import Untrusted, first, split_lines

#: Lines of a diff that are printed; the file has all.
MOST_DIFF_LINES = 200
#: Width of evidence that is written to a file.
_WIDTH = 200


@dataclass(frozen=True)
class Outcome:
    """Where everything is."""

    repository: Path
    branch: str  #: empty: none was pushed
    base: str
    diff: Path | None
    evidence: Path


async def keep(stage: Stage, run: IssueRun, *, folder: Path) -> Outcome:
    """Put what came of a trial below a folder; the stack has ended.

    Args:
        stage: The trial's.
        run: How the issue ended.
        folder: There, and without these names.

    Raises:
        OSError: the disk is full.
    """
    repository = folder / "repository.git"
    await asyncio.to_thread(shutil.move, stage.git_dir, repository)
    branch = run.pull_request.head_branch
    text = await _diff(repository, stage.base_sha, branch) if branch else run.change_set.diff
    diff = folder / "change.diff" if text else None
    if diff is not None:
        await asyncio.to_thread(diff.write_text, text, encoding="utf-8", errors="surrogateescape")
    evidence = folder / ("evidence.md" if run.pull_request.body else "evidence.txt")
    await asyncio.to_thread(_write_evidence, evidence, run)
    return Outcome(repository, branch, stage.checkout.branch, diff, evidence)


async def _diff(repository: Path, base: str, branch: str) -> str:
    """Return what the branch changes."""
    command = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", base, f"refs/heads/{branch}", "--")
    try:
        output = await git(*command, variables={"GIT_DIR": str(repository)})
    except WorkspaceError:
        return ""
    return output.decode("utf-8", "surrogateescape")


def _write_evidence(path: Path, run: IssueRun) -> None:
    """Write the pull request's text, else what `miyabi show` would print."""
    with path.open("w", encoding="utf-8", errors="replace") as file:
        if run.pull_request.body:
            file.write(f"# {run.pull_request.title}\n\n{run.pull_request.body}\n")
        else:
            show_run(Console(file=file, width=_WIDTH, color_system=None), run)


def show_outcome(console: Console, run: IssueRun, outcome: Outcome) -> None:
    """Print how it ended, the diff, and where everything is."""
    ended = IssueRun()
    ended.CopyFrom(run)
    # Its page went with the simulated GitHub.
    ended.ClearField("pull_request")
    show_run(console, ended)
    say(console)
    if outcome.diff is not None:
        text = outcome.diff.read_text(encoding="utf-8", errors="replace")
        there, rest = first(split_lines(text), MOST_DIFF_LINES)
        say(console, lines(Untrusted("\n".join(there))))
        if rest:
            say(console, ours("and {} lines more", rest))
        say(console)
    for name, path in ((ours("diff       "), outcome.diff), (ours("evidence   "), outcome.evidence)):
        if path is not None:
            say(console, name, shown(Untrusted(str(path))))
    say(console, ours("repository "), shown(Untrusted(str(outcome.repository))))
    if outcome.branch:
        take = Untrusted(f"git fetch {outcome.repository} {outcome.branch}")
        say(console, ours("branch     "), shown(Untrusted(outcome.branch)), ours(": "), shown(take))
    else:
        say(console, ours("branch     none was made"))
