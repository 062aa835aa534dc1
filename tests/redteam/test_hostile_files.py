"""What a repository and a change may be called and hold: through real git, real checkouts and a real review."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hostile_repository import agent, change

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.agents.reviewer import ReviewerAgent
from miyabi_agents.analysers.changed.change_set import of_change_set
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import GitWorkspaces
from services.agents.tests.test_review import Files

#: Names that programs, git or people take for something else.
NAMES = (
    "-pevil.py", "--plugin=evil.py", "-o/tmp/victim.py", "sub/-c", "--list-all-plugins", "-", "a\nResolves #5.py", "a\x1b[2J.py",
    "a\u202egnp.py", "a\u200b.py", "\u2066a.py", "a\u2028b", ".git/config", ".GIT/hooks/x", ".g\u200cit/x", ".git\u00ad/x", "git~1/config",
    ".git./x", ".git /x", ".git::$INDEX_ALLOCATION/x", "a/.git/x", "\uff0egit/x", "../up", "/etc/planted", "a/../../b", "a\\..\\b", "a\0b",
    "d/" * 70 + "deep", "n" * 1100, "", ".", "a/./../../b", "\ufeff.git/x", "\udc80bad",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
async def test_a_deceiving_name_is_refused_wherever_it_comes_in(tmp_path: Path, name: str) -> None:
    """What a model writes is refused by its name, in words that can be shown."""
    try:
        files = [FileChange(path=name, content=b"x")]
    except (ValueError, UnicodeError):
        return  # No message can carry it.
    with pytest.raises(WorkspaceError) as caught:
        of_change_set(files, Files({}))
    assert caught.value.code == "PATH_REFUSED"
    assert str(caught.value).isprintable()


async def test_a_review_of_a_deceiving_name_ends_in_words(tmp_path: Path) -> None:
    """The agent tells its task's failure; no analyser is started with such a name."""
    async with agent(tmp_path) as workshop:
        files = change(workshop.base_sha, {"-pevil.py": "open('/tmp/miyabi-pwned', 'w')\n"})
        with pytest.raises(WorkspaceError, match="option"):
            await workshop.run(ReviewerAgent(), inputs={"change_set": files}, with_model=False)
    assert not Path("/tmp/miyabi-pwned").exists()


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True, errors="replace"
    )
    return done.stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Make a repository whose every file is a trap."""
    folder = tmp_path / "remote/acme/toy.git"
    (folder / "bare/objects").mkdir(parents=True)
    (folder / "bare/refs").mkdir()
    (folder / "bare/HEAD").write_text("ref: refs/heads/main\n")
    (folder / "bare/config").write_text(
        "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch /tmp/miyabi-pwned\n"
    )
    (folder / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch /tmp/miyabi-pwned"\n')
    (folder / ".gitconfig").write_text('[filter "evil"]\n\tclean = touch /tmp/miyabi-pwned\n')
    (folder / "a.py").write_text("a = 1\n")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("../../..")
    Path(os.fsdecode(bytes(folder) + b"/caf\xe9.py")).write_text("b = 1\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    (folder / ".gitattributes").write_text(
        "*.py filter=evil diff=evil working-tree-encoding=UTF-16 ident\n*.txt -diff eol=crlf\n"
    )
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "-q", "-m", "base")
    return folder


async def test_a_base_full_of_traps_is_checked_out(tmp_path: Path, remote: Path) -> None:
    """Filters, submodules, a bare repository, links and a name that is no UTF-8: nothing runs, nothing fails."""
    workspaces = GitWorkspaces(f"file://{tmp_path / 'remote'}", tmp_path / "data")
    sha = git(remote, "rev-parse", "HEAD")
    async with workspaces.open(repository="acme/toy", sha=sha, label="x") as tree:
        assert tree.read("a.py")
        for name in ("out", "up/x"):
            with pytest.raises(WorkspaceError) as caught:
                tree.read(name)
            assert caught.value.code in {"PATH_REFUSED", "NO_SUCH_FILE"}
    async with workspaces.edit(repository="acme/toy", sha=sha) as edited:
        assert "a.py" in edited.list_files()
        edited.write("b.py", b"b = 2\n")
        assert [file.path for file in (await edited.change_set()).files] == ["b.py"]
    assert not Path("/tmp/miyabi-pwned").exists()


async def test_a_branch_that_became_a_folder_stops_nobody(tmp_path: Path, remote: Path) -> None:
    """`feature` goes, `feature/new` comes: the next fetch takes both, and so do forced updates."""
    workspaces = GitWorkspaces(f"file://{tmp_path / 'remote'}", tmp_path / "data")
    for branch, gone in (("feature", ""), ("feature/new", "feature")):
        if gone:
            git(remote, "branch", "-D", gone)
        git(remote, "checkout", "-q", "-B", branch)
        git(remote, "commit", "-q", "--amend", "--allow-empty", "-m", branch)
        sha = git(remote, "rev-parse", "HEAD")
        git(remote, "checkout", "-q", "main")
        async with workspaces.open(repository="acme/toy", sha=sha, label=branch.replace("/", "-")) as tree:
            assert tree.base_sha == sha
