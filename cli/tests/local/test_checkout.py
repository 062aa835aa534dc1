"""Checkouts of this machine: which commit is looked at, what is left out, and that nothing of them is run."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkouts import SMALL, git, make_checkout, write

from miyabi_cli.errors import CliError
from miyabi_cli.trial.checkout import borrow, copy, find


async def test_the_newest_commit_is_found_from_any_folder_of_it(tmp_path: Path) -> None:
    """Branch, commit and root are those of the whole checkout; what is not committed is named."""
    folder = make_checkout(tmp_path / "small", SMALL)
    write(folder, {"small.py": "1\n", "new\nfile": "x"})
    found = await find(folder / "tests")
    assert (found.path, found.branch, found.sha) == (folder, "trunk", git(folder, "rev-parse", "HEAD"))
    assert sorted(found.uncommitted) == ["new\nfile", "small.py"]


async def test_two_checkouts_of_one_name_are_two_repositories(tmp_path: Path) -> None:
    """What was built for one is never given to the other."""
    names = [(await find(make_checkout(tmp_path / parent / "small", SMALL))).repository for parent in ("a", "b")]
    assert [name.rpartition("/")[2] for name in names] == ["small", "small"]
    assert len(set(names)) == 2


@pytest.mark.parametrize("kind", ["nothing", "file", "plain", "empty"])
async def test_what_is_no_commit_is_refused_in_one_sentence(tmp_path: Path, kind: str) -> None:
    """A folder that is not there, a file, a folder without git, a repository without a commit."""
    path = tmp_path / kind
    if kind == "file":
        path.write_text("x")
    elif kind != "nothing":
        path.mkdir()
    if kind == "empty":
        git(path, "init", "--quiet")
    with pytest.raises(CliError) as caught:
        await find(path)
    assert (caught.value.exit_code, "\n" in str(caught.value)) == (2, False)


async def test_programs_that_the_repository_names_are_not_run(tmp_path: Path) -> None:
    """A filter, a monitor of files and a hook that an unpacked folder's own `.git` names stay words."""
    folder = make_checkout(tmp_path / "small", {**SMALL, ".gitattributes": "*.py filter=evil\n"})
    ran = tmp_path / "ran"
    for key in ("filter.evil.clean", "filter.evil.process", "core.fsmonitor", "core.sshCommand"):
        git(folder, "config", key, f"touch {ran}")
    git(folder, "config", "filter.evil.required", "true")
    write(folder, {"small.py": "2\n"})
    found = await find(folder)
    await borrow(found, tmp_path / "mirror.git")
    await copy(found, tmp_path / "copy.git")
    assert (found.uncommitted, ran.exists()) == (("small.py",), False)


async def test_a_borrowed_repository_reads_the_checkouts_objects(tmp_path: Path) -> None:
    """Nothing is copied to look; a further worktree is as good as the first."""
    folder = make_checkout(tmp_path / "small", SMALL)
    git(folder, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    found = await find(tmp_path / "other")
    await borrow(found, tmp_path / "mirror.git")
    assert git(tmp_path / "mirror.git", "show", "other:small.py") == SMALL["small.py"].strip()
    assert list((tmp_path / "mirror.git/objects/pack").iterdir()) == []


async def test_a_copy_has_the_history_and_needs_the_checkout_no_more(tmp_path: Path) -> None:
    """The branch of a trial can be fetched into the checkout: it starts from the same commit."""
    folder = make_checkout(tmp_path / "small", SMALL)
    sha = await copy(await find(folder), tmp_path / "copy.git")
    folder.rename(tmp_path / "away")
    assert git(tmp_path / "copy.git", "rev-parse", "trunk") == sha
    assert git(tmp_path / "copy.git", "fsck", "--strict") == ""


async def test_a_shallow_clone_becomes_one_commit(tmp_path: Path) -> None:
    """Its history is not there to be copied; the files are."""
    folder = make_checkout(tmp_path / "small", SMALL)
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{folder}", "shallow")
    found = await find(tmp_path / "shallow")
    sha = await copy(found, tmp_path / "copy.git")
    assert found.shallow
    assert git(tmp_path / "copy.git", "rev-list", "--count", "trunk") == "1"
    assert git(tmp_path / "copy.git", "rev-parse", f"{sha}^{{tree}}") == git(folder, "rev-parse", "HEAD^{tree}")
