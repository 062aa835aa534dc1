"""A commit is edited over git's objects: what is committed is base with the change, and with nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.objects import Entry, EntryKind, ObjectTree

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com")
#: A name that is no UTF-8.
LATIN = b"caf\xe9.txt"
#: Names that people give files.
NAMES = ["é.py", "日本語/ファイル.py", "with space.py", 'quote".py', "it's.py", "tab.py~", "(a) [b] {c}.py", "%20.py"]


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git; its output without line end, whatever its bytes."""
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, check=True, capture_output=True, input=stdin)
    return os.fsdecode(done.stdout).strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Make a repository that holds CRLF in git where its attributes say text, links, a submodule and odd names."""
    folder = tmp_path / "remote/acme/toy.git"
    (folder / "a/deep").mkdir(parents=True)
    files = {
        ".gitattributes": b"* text=auto\n*.bat eol=crlf\n",
        ".gitignore": b"build/\n*.log\n",
        "windows.py": b"a = 1\r\nb = 2\r\nc = 3\r\n",
        "untouched.py": b"x = 1\r\ny = 2\r\n",
        "a/deep/one.py": b"one = 1\n",
        "run.sh": b"#!/bin/sh\n",
    }
    git(folder, "init", "-q", "-b", "main")
    lines = []
    for path, content in files.items():
        blob = git(folder, "hash-object", "-w", "--stdin", stdin=content)
        lines.append(f"{'100755' if path == 'run.sh' else '100644'} {blob}\t{path}".encode())
    target = git(folder, "hash-object", "-w", "--stdin", stdin=b"a/deep")
    lines.append(f"120000 {target}\tlink".encode())
    lines.append(f"160000 {'1' * 40}\tvendor/other".encode())
    blob = git(folder, "hash-object", "-w", "--stdin", stdin=b"x\n").encode()
    lines += [b"100644 " + blob + b"\t" + name for name in (LATIN, *(name.encode() for name in NAMES))]
    git(folder, "update-index", "-z", "--index-info", stdin=b"\0".join(lines) + b"\0")
    tree = git(folder, "write-tree")
    git(folder, "update-ref", "refs/heads/main", git(folder, "commit-tree", "-m", "base", tree))
    return folder


@asynccontextmanager
async def edited(remote: Path) -> AsyncIterator[tuple[ObjectTree, GitWorkspaces, str]]:
    """Give the tree, its workspaces and the base."""
    sha = git(remote, "rev-parse", "main")
    workspaces = GitWorkspaces(f"file://{remote.parents[1]}", remote.parents[2] / "data")
    async with workspaces.edit(repository="acme/toy", sha=sha) as tree:
        yield tree, workspaces, sha


def content_of(remote: Path, name: str) -> bytes:
    """Return a file's bytes."""
    return subprocess.run(["git", "show", name], cwd=remote, check=True, capture_output=True).stdout


def changed(remote: Path, sha: str, branch: str = "miyabi/x") -> list[str]:
    """Return what the pushed commit changes, as git tells it."""
    raw = git(remote, "-c", "core.quotePath=false", "diff", "--no-renames", "--name-status", sha, branch)
    return [line.replace("\t", " ") for line in raw.split("\n")]


async def test_attributes_turn_no_line_end_of_any_file(remote: Path) -> None:
    """Under `* text=auto` a CRLF file that is edited differs in the edited line only, and one that is not, not at all.

    What a checkout's `git add` would do, which turns both files whole.
    """
    async with edited(remote) as (tree, _, sha):
        tree.write("windows.py", tree.read("windows.py").replace(b"b = 2", b"b = 3"))
        change = await tree.change_set()
        await tree.commit_and_push(branch="miyabi/x", message="x")
    assert changed(remote, sha) == ["M windows.py"]
    assert (change.additions, change.deletions) == (1, 1)
    assert content_of(remote, "miyabi/x:windows.py") == b"a = 1\r\nb = 3\r\nc = 3\r\n"


@pytest.mark.parametrize("path", ["build/new.py", "trace.log", "a/deep/x.log"])
async def test_a_new_file_that_is_ignored_is_in_the_change(remote: Path, path: str) -> None:
    """What `.gitignore` names is committed all the same: the change is what was written."""
    async with edited(remote) as (tree, _, sha):
        tree.write(path, b"x = 1\n")
        files = [file.path for file in (await tree.change_set()).files]
        await tree.commit_and_push(branch="miyabi/x", message="x")
    assert (files, changed(remote, sha)) == ([path], [f"A {path}"])


async def test_names_that_are_no_text_are_carried(remote: Path) -> None:
    """A file whose name is no UTF-8 is said, not listed, and in the commit as it was."""
    async with edited(remote) as (tree, _, _):
        assert tree.unusable_names == ("caf\\udce9.txt",)
        tree.write("new.py", b"x\n")
        await tree.commit_and_push(branch="miyabi/x", message="x")
    assert LATIN in os.fsencode(git(remote, "ls-tree", "-z", "miyabi/x"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["edited", "deleted", "moved", "created"])
async def test_peoples_names_travel(remote: Path, tmp_path: Path, name: str, way: str) -> None:
    """Accents, Japanese, spaces, quotes: through edit, delete, move and creation, into commit and checkout."""
    other = f"a/{name}"
    async with edited(remote) as (tree, workspaces, sha):
        if way == "edited":
            tree.write(name, b"y\n")
        elif way == "deleted":
            tree.delete(name)
        elif way == "moved":
            tree.move(name, other)
        else:
            tree.write(other, b"y\n")
        change = await tree.change_set()
        await tree.commit_and_push(branch="miyabi/x", message="x")
        await workspaces.lay(repository="acme/toy", sha=sha, path=tmp_path / "laid", change=change)
    wanted = {"edited": (True, False), "deleted": (False, False), "moved": (False, True), "created": (True, True)}
    assert ((tmp_path / "laid" / name).exists(), (tmp_path / "laid" / other).exists()) == wanted[way]
    assert len(changed(remote, sha)) == (2 if way == "moved" else 1)


async def test_a_move_keeps_content_and_the_executable_bit(remote: Path, tmp_path: Path) -> None:
    """One file gone, one new with the same bytes and mode; the diff tells a rename, and no line counts as changed."""
    async with edited(remote) as (tree, workspaces, sha):
        tree.move("run.sh", "bin/start.sh")
        change = await tree.change_set()
        await workspaces.lay(repository="acme/toy", sha=sha, path=tmp_path / "laid", change=change)
    told = [(file.path, file.deleted, file.added, file.executable) for file in change.files]
    assert told == [("bin/start.sh", False, True, True), ("run.sh", True, False, False)]
    assert "rename from run.sh\nrename to bin/start.sh" in change.diff
    assert (change.additions, change.deletions) == (0, 0)
    assert (tmp_path / "laid/bin/start.sh").stat().st_mode & 0o111 == 0o111
    assert not (tmp_path / "laid/run.sh").exists()


async def test_a_folder_takes_a_files_place_and_back(remote: Path, tmp_path: Path) -> None:
    """`a/deep/one.py` becomes `a/deep`, and `windows.py` the folder `windows.py/`: in commit, change set and checkout."""
    async with edited(remote) as (tree, workspaces, sha):
        tree.move("a/deep/one.py", "a/deep")
        tree.move("windows.py", "windows.py/inner.py")
        change = await tree.change_set()
        await tree.commit_and_push(branch="miyabi/x", message="x")
        await workspaces.lay(repository="acme/toy", sha=sha, path=tmp_path / "laid", change=change)
    async with edited(remote) as (tree, _, sha):
        await tree.apply(change)
        assert (await tree.change_set()).digest == change.digest
    assert changed(remote, sha) == ["A a/deep", "D a/deep/one.py", "D windows.py", "A windows.py/inner.py"]
    assert (tmp_path / "laid/a/deep").is_file()
    assert (tmp_path / "laid/windows.py/inner.py").is_file()


async def test_a_folder_that_holds_nothing_any_more_is_gone(remote: Path, tmp_path: Path) -> None:
    """As after git's own checkout: an empty folder would still be importable."""
    async with edited(remote) as (tree, workspaces, sha):
        tree.delete("a/deep/one.py")
        change = await tree.change_set()
        await workspaces.lay(repository="acme/toy", sha=sha, path=tmp_path / "laid", change=change)
    assert not (tmp_path / "laid/a").exists()


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("run.sh", Entry(EntryKind.FILE, "run.sh", size=10, executable=True)),
        ("./a//deep/one.py", Entry(EntryKind.FILE, "a/deep/one.py", size=8)),
        ("link", Entry(EntryKind.LINK, "link", target="a/deep")),
        ("link/one.py", Entry(EntryKind.LINK, "link", target="a/deep")),
        ("vendor/other/x.py", Entry(EntryKind.SUBMODULE, "vendor/other")),
        ("run.sh/x", Entry(EntryKind.FILE, "run.sh", size=10, executable=True)),
        ("a/deep", Entry(EntryKind.FOLDER, "a/deep")),
        ("vendor", Entry(EntryKind.FOLDER, "vendor")),
        ("nowhere", Entry(EntryKind.ABSENT, "nowhere")),
    ],
)
async def test_what_lies_at_a_path_is_told(remote: Path, path: str, entry: Entry) -> None:
    """A file, a link with its target, a submodule, a folder, nothing; and what stands in the way to a path."""
    async with edited(remote) as (tree, _, _):
        assert tree.entry(path) == entry


@pytest.mark.parametrize("path", ["link", "link/x.py", "vendor/other", "vendor/other/x.py", "a", "vendor", "run.sh/x"])
async def test_nothing_is_written_where_something_else_is(remote: Path, path: str) -> None:
    """Links, submodules, folders, and files as folders: refused, and the change stays empty."""
    async with edited(remote) as (tree, _, _):
        for attempt in (lambda: tree.write(path, b"x"), lambda: tree.move("windows.py", path)):
            with pytest.raises(WorkspaceError, match=r"submodule|something else"):
                attempt()
        assert list((await tree.change_set()).files) == []


async def test_a_link_is_deleted_itself(remote: Path, tmp_path: Path) -> None:
    """What it leads to stays."""
    async with edited(remote) as (tree, workspaces, sha):
        tree.delete("link")
        change = await tree.change_set()
        await tree.commit_and_push(branch="miyabi/x", message="x")
        await workspaces.lay(repository="acme/toy", sha=sha, path=tmp_path / "laid", change=change)
    assert changed(remote, sha) == ["D link"]
    assert (tmp_path / "laid/a/deep/one.py").is_file()
    assert not os.path.lexists(tmp_path / "laid/link")


async def test_a_mode_alone_is_a_change(remote: Path, tmp_path: Path) -> None:
    """It is told, committed and laid; content and every other kind of entry stay as they were."""
    async with edited(remote) as (tree, workspaces, sha):
        tree.write("a/deep/one.py", tree.read("a/deep/one.py"), executable=True)
        change = await tree.change_set()
        await tree.commit_and_push(branch="miyabi/x", message="x")
        await workspaces.lay(repository="acme/toy", sha=sha, path=tmp_path / "laid", change=change)
    assert [(file.path, file.executable, file.added) for file in change.files] == [("a/deep/one.py", True, False)]
    assert "old mode 100644\nnew mode 100755" in change.diff
    raw = git(remote, "diff", "--raw", "--abbrev=4", sha, "miyabi/x")
    assert [line.split()[:2] for line in raw.split("\n")] == [[":100644", "100755"]]
    assert (tmp_path / "laid/a/deep/one.py").stat().st_mode & 0o111 == 0o111
    modes = {line.split()[0] for line in git(remote, "ls-tree", "-r", "miyabi/x").split("\n")}
    assert modes == {"100644", "100755", "120000", "160000"}


async def test_lines_of_a_diff_are_counted_by_its_hunks(remote: Path) -> None:
    """Lines that look like a diff's own, or hold what ends no line for git, count once each."""
    text = "++ a\n-- b\n@@ -1 +1 @@\nx\u2028y\fz\n"
    async with edited(remote) as (tree, _, _):
        tree.write("new.txt", text.encode())
        tree.write("a/deep/one.py", b"-- gone\n")
        change = await tree.change_set()
    assert (change.additions, change.deletions) == (5, 1)


async def test_a_file_of_any_size_is_read_piece_by_piece(remote: Path) -> None:
    """No piece is larger than a mebibyte, and together they are the file."""
    content = b"0123456789abcde\n" * 200_000
    blob = git(remote, "hash-object", "-w", "--stdin", stdin=content)
    git(remote, "update-index", "--add", "--cacheinfo", f"100644,{blob},big.txt")
    tree_id = git(remote, "write-tree")
    git(remote, "update-ref", "refs/heads/main", git(remote, "commit-tree", "-m", "big", "-p", "main", tree_id))
    async with edited(remote) as (tree, _, _):
        pieces = list(tree.chunks("big.txt"))
        begun = tree.chunks("big.txt")
        next(begun)
        begun.close()  # type: ignore[attr-defined]
    assert max(map(len, pieces)) <= 1 << 20
    assert b"".join(pieces) == content


#: A path that some attribute turns, what is written, and what a checkout has of it.
TURNED = {
    "CRLF in checkouts": ("run.bat", b"a\nb\n", b"a\r\nb\r\n"),
    "UTF-16 in checkouts": ("a/words.strings", "é\n".encode(), "é\n".encode("utf-16-le")),
    "a keyword": ("version.txt", b"$Id$\n", b"$Id: 055c8729cdcc372500a08db659c045e16c4409fb $\n"),
    "nothing": ("plain.py", b"a\nb\n", b"a\nb\n"),
    "nothing, with CRLF": ("plain.txt", b"a\r\nb\r\n", b"a\r\nb\r\n"),
}


@pytest.mark.parametrize(("path", "content", "there"), TURNED.values(), ids=TURNED)
async def test_a_change_is_laid_as_a_checkout_of_it_is(remote: Path, tmp_path: Path, path, content, there) -> None:
    """What tests see of a change, laid over base, is what they see of the pushed commit: by `lay`, and by a run."""
    rules = b"*.bat eol=crlf\n*.strings text working-tree-encoding=UTF-16LE\nversion.txt ident\n"
    blob = git(remote, "hash-object", "-w", "--stdin", stdin=rules)
    git(remote, "update-index", "--add", "--cacheinfo", f"100644,{blob},.gitattributes")
    tree_id = git(remote, "write-tree")
    git(remote, "update-ref", "refs/heads/main", git(remote, "commit-tree", "-m", "rules", "-p", "main", tree_id))
    async with edited(remote) as (tree, workspaces, sha):
        tree.write(path, content)
        change = await tree.change_set()
        pushed = await tree.commit_and_push(branch="miyabi/x", message="x")
        await workspaces.lay(repository="acme/toy", sha=sha, path=tmp_path / "laid", change=change)
        await workspaces.lay(repository="acme/toy", sha=pushed, path=tmp_path / "pushed")
        async with workspaces.open(repository="acme/toy", sha=sha, label="x") as worktree:
            await worktree.apply(change)
            assert (worktree.path / path).read_bytes() == (tmp_path / "pushed" / path).read_bytes()
    assert (tmp_path / "laid" / path).read_bytes() == (tmp_path / "pushed" / path).read_bytes()
    assert (tmp_path / "laid" / path).read_bytes() == there
