"""A pull request's change is what GitHub shows: head against what it has in common with base, every kind of file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.pulls.comparison import Comparison, Mode
from miyabi_agents.workspace.pulls.refs import PullRequestRefs

REPOSITORY = "acme/toy"
LONG = "".join(f"line {number}\n" for number in range(40))


class Forge:
    """A repository at a place that git fetches from, and its workspaces."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"remote/{REPOSITORY}.git"
        self.path.mkdir(parents=True)
        self.workspaces = GitWorkspaces(f"file://{folder / 'remote'}", folder / "data")
        self.git("init", "-q", "-b", "main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        for name, text in {"a.py": "a = 1\n", "b.py": "b = 1\n", "c.py": "c = 1\n", "moved.py": LONG}.items():
            (self.path / name).write_text(text)
        (self.path / "run.sh").write_text("#!/bin/sh\n")
        self.commit("base")

    def git(self, *arguments: str | bytes) -> str:
        """Run git there."""
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "core.quotePath=true")
        done = subprocess.run(["git", *who, *arguments], cwd=self.path, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def commit(self, message: str) -> str:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def fork_head(self, number: int, edit: Callable[[Path], object]) -> str:
        """Make a head that only `refs/pull/N/head` names, as GitHub names that of a fork."""
        self.git("checkout", "-q", "-b", "of-a-fork")
        edit(self.path)
        head = self.commit("change")
        self.git("update-ref", f"refs/pull/{number}/head", head)
        self.git("checkout", "-q", "main")
        self.git("branch", "-q", "-D", "of-a-fork")
        return head

    def pull(self, head: str, base: str = "") -> PullRequestRefs:
        """Return pull request 7 as GitHub says that it is."""
        return PullRequestRefs(REPOSITORY, 7, head, "main", base)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    """Make one."""
    return Forge(tmp_path)


def told(found: Comparison) -> list[tuple[str, str, str, str]]:
    """Return what differs: path, where it was, and both modes."""
    return [
        (
            file.path,
            file.old_path,
            file.before.mode.name if file.before else "",
            file.after.mode.name if file.after else "",
        )
        for file in found.files
    ]


def move_on(forge: Forge) -> str:
    """Let base move on in another file."""
    (forge.path / "b.py").write_text("b = 2\n")
    return forge.commit("moved on")


async def test_base_that_moved_on_is_not_reverted_and_a_deletion_is_there(forge: Forge) -> None:
    """Only what the head itself does is the change, whatever base's tip has got meanwhile."""

    def edit(path: Path) -> None:
        (path / "a.py").write_text("a = 2\n")
        (path / "c.py").unlink()

    old = forge.git("rev-parse", "HEAD")
    head = forge.fork_head(7, edit)
    tip = move_on(forge)
    for base in ("", tip, old):
        async with forge.workspaces.compare(forge.pull(head, base)) as found:
            assert told(found) == [("a.py", "", "FILE", "FILE"), ("c.py", "", "FILE", "")]
            assert (found.base.sha, found.notes) == (old, ())


def _submodule(path: Path) -> None:
    subprocess.run(["git", "init", "-q", "lib"], cwd=path, check=True)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "one"], cwd=path / "lib", check=True)


def _link(path: Path) -> None:
    (path / "a.py").unlink()
    (path / "a.py").symlink_to("b.py")


#: What heads do, with what the change then is.
KINDS: dict[str, tuple[Callable[[Path], object], list[tuple[str, str, str, str]]]] = {
    "added": (lambda path: (path / "new.py").write_text("n = 1\n"), [("new.py", "", "", "FILE")]),
    "edited": (lambda path: (path / "a.py").write_text("a = 2\n"), [("a.py", "", "FILE", "FILE")]),
    "only deleted": (lambda path: (path / "c.py").unlink(), [("c.py", "", "FILE", "")]),
    "renamed": (lambda path: (path / "moved.py").rename(path / "to.py"), [("to.py", "moved.py", "FILE", "FILE")]),
    "renamed and edited": (
        lambda path: ((path / "moved.py").unlink(), (path / "to.py").write_text(f"{LONG}more\n")),
        [("to.py", "moved.py", "FILE", "FILE")],
    ),
    "mode only": (lambda path: (path / "run.sh").chmod(0o755), [("run.sh", "", "FILE", "EXECUTABLE")]),
    "file becomes a link": (_link, [("a.py", "", "FILE", "LINK")]),
    "submodule": (_submodule, [("lib", "", "", "SUBMODULE")]),
    "binary": (lambda path: (path / "x.bin").write_bytes(b"\0\1" * 99), [("x.bin", "", "", "FILE")]),
    "spaces": (lambda path: (path / "a b.py").write_text("x\n"), [("a b.py", "", "", "FILE")]),
    "accents": (lambda path: (path / "café.py").write_text("x\n"), [("café.py", "", "", "FILE")]),
    "japanese": (lambda path: (path / "雅.py").write_text("x\n"), [("雅.py", "", "", "FILE")]),
    "quotes and line ends": (lambda path: (path / 'a"\n.py').write_text("x\n"), [('a"\n.py', "", "", "FILE")]),
    "not UTF-8": (
        lambda path: Path(str(path) + "/caf\udce9.py").write_text("x\n"),
        [("caf\udce9.py", "", "", "FILE")],
    ),
    "a file becomes a folder": (
        lambda path: ((path / "a.py").unlink(), (path / "a.py").mkdir(), (path / "a.py/b.py").write_text("new\n")),
        [("a.py", "", "FILE", ""), ("a.py/b.py", "", "", "FILE")],
    ),
    "300 files": (
        lambda path: [(path / f"n{number:03}.py").write_text(f"n = {number}\n") for number in range(300)],
        [(f"n{number:03}.py", "", "", "FILE") for number in range(300)],
    ),
}


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_of_change_is_what_git_says(forge: Forge, name: str) -> None:
    """Of a fork's head, after base moved on, as names, modes and both places."""
    edit, expected = KINDS[name]
    head = forge.fork_head(7, edit)
    move_on(forge)
    async with forge.workspaces.compare(forge.pull(head)) as found:
        assert expected == told(found)


async def test_contents_are_those_of_both_sides(forge: Forge) -> None:
    """A renamed file is read where base has it; what is longer than asked for is refused."""
    edit, _ = KINDS["renamed and edited"]
    head = forge.fork_head(7, edit)
    async with forge.workspaces.compare(forge.pull(head)) as found:
        (file,) = found.files
        assert file.before is not None
        assert file.after is not None
        assert (file.before.read(9999), file.after.read(9999)) == (LONG.encode(), f"{LONG}more\n".encode())
        assert (file.same_content, file.after.mode) == (False, Mode.FILE)
        with pytest.raises(WorkspaceError, match="more than 10"):
            file.after.read(10)


async def test_base_branch_that_is_gone_is_known_by_its_commit(forge: Forge) -> None:
    """What GitHub compares with is still there; where it is not said, the error says what to do."""
    edit, expected = KINDS["edited"]
    base = forge.git("rev-parse", "HEAD")
    head = forge.fork_head(7, edit)
    forge.git("checkout", "-q", "-b", "other")
    forge.git("branch", "-q", "-D", "main")
    async with forge.workspaces.compare(forge.pull(head, base)) as found:
        assert expected == told(found)
    with pytest.raises(WorkspaceError, match="another base branch") as caught:
        async with forge.workspaces.compare(forge.pull(head)):
            pass
    assert caught.value.code == "NO_SUCH_COMMIT"


async def test_base_that_was_rewritten_is_said(forge: Forge) -> None:
    """A commit that nobody has any more gives way to the branch as it is now, and that is said."""
    edit, expected = KINDS["edited"]
    head = forge.fork_head(7, edit)
    tip = move_on(forge)
    async with forge.workspaces.compare(forge.pull(head, "e" * 40)) as found:
        assert expected == told(found)
        assert found.notes == (f"base {'e' * 12} is gone: the head was compared with main as it is now, {tip[:12]}",)


async def test_histories_without_a_common_commit_are_said(forge: Forge) -> None:
    """There is no change to show, and the error says so."""
    forge.git("checkout", "-q", "--orphan", "lonely")
    head = forge.commit("alone")
    forge.git("checkout", "-q", "main")
    with pytest.raises(WorkspaceError, match="Rebase the pull request") as caught:
        async with forge.workspaces.compare(forge.pull(head)):
            pass
    assert caught.value.code == "NO_MERGE_BASE"


async def test_several_merge_bases_are_said(forge: Forge) -> None:
    """Two branches that merged one another have two; which one was taken is said."""
    forge.git("checkout", "-q", "-b", "side")
    (forge.path / "s.py").write_text("s = 1\n")
    side = forge.commit("side")
    forge.git("checkout", "-q", "main")
    (forge.path / "m.py").write_text("m = 1\n")
    main = forge.commit("main")
    forge.git("merge", "-q", "--no-edit", side)
    forge.git("checkout", "-q", "side")
    forge.git("merge", "-q", "--no-edit", main)
    (forge.path / "a.py").write_text("a = 3\n")
    head = forge.commit("head")
    async with forge.workspaces.compare(forge.pull(head)) as found:
        assert found.base.sha in {side, main}
        assert "2 merge bases" in found.notes[0]


async def test_head_that_is_gone_is_worth_a_repeat(forge: Forge) -> None:
    """A head that was pushed anew meanwhile is looked up again."""
    with pytest.raises(WorkspaceError, match="Submit it again") as caught:
        async with forge.workspaces.compare(forge.pull("d" * 40)):
            pass
    assert (caught.value.code, caught.value.retryable) == ("HEAD_MOVED", True)
