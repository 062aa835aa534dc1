"""What a pull request changes: its head against what it has in common with its base, from git's objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.changes import MAX_DIFF_BYTES, cut_at_line
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.git import git, git_beginning


class Mode(Enum):
    """What an entry of a tree is (git-ls-tree(1))."""

    FILE = "100644"
    EXECUTABLE = "100755"
    LINK = "120000"
    SUBMODULE = "160000"

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self in {Mode.FILE, Mode.EXECUTABLE}


@dataclass(frozen=True)
class Version:
    """A file as one side of a change has it."""

    mode: Mode
    #: Reads it, blocking. Takes the longest content in bytes; raises WorkspaceError `TOO_LARGE` where it is longer.
    read: Callable[[int], bytes]
    oid: str = ""  #: git's id of the content, of a submodule its commit; empty where it is not known


@dataclass(frozen=True)
class ChangedFile:
    """One file that differs; its content is read when it is asked for, and held by nobody."""

    path: str  #: on the change; on base where it is deleted; bytes that are no UTF-8 are surrogates
    before: Version | None  #: None: it is new
    after: Version | None  #: None: it is deleted
    old_path: str = ""  #: where base has it, if it was renamed

    @property
    def same_content(self) -> bool:
        """Whether only name or mode differ."""
        return bool(self.before and self.after and self.before.oid and self.before.oid == self.after.oid)


@dataclass(frozen=True)
class Comparison:
    """A pull request's change."""

    base: CommitFiles  #: what base and head have in common
    head: str
    files: Sequence[ChangedFile]  #: by path
    #: What a reader should know of how it was made, one sentence each.
    notes: Sequence[str] = field(default_factory=tuple)


async def merge_base(mirror: Path, base: str, head: str) -> tuple[str, Sequence[str]]:
    """Return the commit that GitHub compares a head with, and what is to be said of it.

    Args:
        mirror: A repository that has both commits.
        base: Commit of the base branch.
        head: Commit of the pull request.

    Raises:
        WorkspaceError: they have no commit in common (`NO_MERGE_BASE`), or git failed.

    Source: git-merge-base(1); git-diff(1), `A...B`.
    """
    try:
        said = await git("merge-base", "--all", base, head, variables={"GIT_DIR": str(mirror)})
    except WorkspaceError as error:
        # git-merge-base(1) ends with 1 and says nothing where there is none.
        if error.code != "GIT_FAILED" or not str(error).endswith("failed: "):
            raise
        raise WorkspaceError(
            f"head {head[:12]} and base {base[:12]} have no commit in common, so that there is no change to review. "
            "Rebase the pull request onto its base branch",
            code="NO_MERGE_BASE",
        ) from error
    found = said.decode().split()
    if len(found) == 1:
        return found[0], ()
    others = ", ".join(oid[:12] for oid in found[1:])
    return found[0], (
        f"base and head have {len(found)} merge bases: the head was compared with {found[0][:12]}, not with {others}",
    )


async def taken_off(mirror: Path, branch: str, sha: str) -> int:
    """Return how many commits up to one a branch does not have; 0 also where there is no such branch."""
    try:
        said = await git("rev-list", "--count", f"refs/heads/{branch}..{sha}", "--", variables={"GIT_DIR": str(mirror)})
    except WorkspaceError:
        return 0
    return int(said)


async def changed_files(mirror: Path, base: CommitFiles, head: CommitFiles) -> list[ChangedFile]:
    """Return the files that differ between two commits, renames found as GitHub finds them, sorted by path.

    Args:
        mirror: A repository that has both.
        base: Reads the one.
        head: Reads the other.

    Raises:
        WorkspaceError: git failed.
    """
    said = await git(
        "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "-M", base.sha, head.sha, variables={"GIT_DIR": str(mirror)}
    )
    fields = (text.decode("utf-8", "surrogateescape") for text in said.split(b"\0")[:-1])
    return sorted(_entries(fields, base, head), key=lambda file: file.path)


def _entries(fields: Iterator[str], base: CommitFiles, head: CommitFiles) -> Iterator[ChangedFile]:
    """Read git's raw format (git-diff(1), raw output format)."""
    for entry in fields:
        old_mode, mode, old_oid, oid, status = entry.removeprefix(":").split(" ")
        path = next(fields)
        renamed = status.startswith(("R", "C"))
        new_path = next(fields) if renamed else path
        yield ChangedFile(
            new_path,
            None if status.startswith("A") else _version(old_mode, old_oid, base),
            None if status.startswith("D") else _version(mode, oid, head),
            old_path=path if renamed else "",
        )


def _version(mode: str, oid: str, commit: CommitFiles) -> Version:
    """Return one side; old trees know modes that git takes for a file's."""
    known = {entry.value for entry in Mode}
    return Version(
        Mode(mode if mode in known else Mode.FILE.value), lambda longest: commit.read_object(oid, longest), oid
    )


async def diff_of(compared: Comparison) -> str:
    """Return the first of a comparison's unified diff, as a person reads it; it is never held whole.

    Raises:
        WorkspaceError: git failed.
    """
    arguments = ("diff-tree", "-p", "-M", "-U3", "--no-color", "--no-ext-diff", "--no-textconv")
    begun = await git_beginning(
        *arguments,
        compared.base.sha,
        compared.head,
        most=MAX_DIFF_BYTES + 1,
        variables={"GIT_DIR": str(compared.base.mirror)},
    )
    return cut_at_line(begun).decode("utf-8", "replace")
