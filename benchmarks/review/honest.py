"""Real changes: the last commits of repositories on this machine that touch a few files of code."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.review.looking import reviewed
from miyabi.coordinator.v1.result_pb2 import ReviewResult
from miyabi_agents.analysers.languages import PATTERNS, PYTHON, suffix_of
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.pulls.comparison import changed_files

#: Changes of one repository, so that none of them speaks for all.
MOST_OF_ONE = 10
#: Files of code that a change may touch: what people review at once.
MOST_FILES = 6
#: Commits that are looked through for them.
LOOKED_THROUGH = 150


@dataclass(frozen=True)
class Honest:
    """One change that was merged."""

    mirror: Path
    sha: str

    @property
    def name(self) -> str:
        """For a person."""
        return (
            f"{self.mirror.parent.name if self.mirror.name in {'repo', '.git'} else self.mirror.name}@{self.sha[:10]}"
        )

    async def review(self) -> ReviewResult:
        """Review it against its parent."""
        parent = _git(self.mirror, "rev-parse", f"{self.sha}^1").strip()
        with (
            closing(CommitFiles(self.mirror, parent, kept_bytes=0)) as base,
            closing(CommitFiles(self.mirror, self.sha, kept_bytes=0)) as head,
        ):
            return await reviewed(await changed_files(self.mirror, base, head), base)


def honest(mirrors: Path) -> Iterator[Honest]:
    """Yield real changes of every clone, bare or not, in a folder or in `repo` below it."""
    for folder in sorted(mirrors.iterdir()):
        places = (folder / "repo" / ".git", folder / "repo", folder / ".git", folder)
        mirror = next((place for place in places if (place / "objects").is_dir()), None)
        if mirror is not None:
            yield from _of_one(mirror)


def _of_one(mirror: Path) -> Iterator[Honest]:
    """Yield the last fitting changes of a repository."""
    found = 0
    listing = _git(mirror, "log", "--no-merges", f"-{LOOKED_THROUGH}", "--format=%H", "HEAD")
    for sha in listing.split():
        parents = _git(mirror, "rev-list", "--parents", "-1", sha).split()[1:]
        if len(parents) != 1 or not _has(mirror, parents[0]):
            continue
        names = _git(mirror, "diff-tree", "-r", "--name-only", "--no-commit-id", sha).split("\n")
        code = [name for name in names if suffix_of(name) in PYTHON | PATTERNS]
        if 0 < len(code) <= MOST_FILES and len(names) <= 2 * MOST_FILES:
            yield Honest(mirror, sha)
            found += 1
        if found >= MOST_OF_ONE:
            return


def _has(mirror: Path, sha: str) -> bool:
    """Tell whether a commit's tree is there: a shallow clone ends somewhere."""
    return (
        subprocess.run(["git", f"--git-dir={mirror}", "cat-file", "-e", f"{sha}^{{tree}}"], check=False).returncode == 0
    )


def _git(mirror: Path, *arguments: str) -> str:
    """Return what git says; empty where it fails."""
    done = subprocess.run(["git", f"--git-dir={mirror}", *arguments], capture_output=True, text=True, check=False)
    return done.stdout
