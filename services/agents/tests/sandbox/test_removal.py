"""Removing what hostile code has left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from miyabi_agents.sandbox.removal import empty_folder, remove_tree


def nest(folder: Path, depth: int) -> None:
    """Make folders in folders, deeper than any path may be long."""
    here = os.open(folder, os.O_RDONLY)
    for level in range(depth):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        if level % 7 == 0:
            os.fchmod(here, 0)
        os.close(here)
        here = below
    os.close(here)


def test_depth_is_no_matter(tmp_path: Path) -> None:
    """Ten thousand folders in each other, some of them locked, go without recursion."""
    folder = tmp_path / "x"
    folder.mkdir()
    nest(folder, 10_000)
    remove_tree(folder)
    assert not folder.exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """What links point to stays."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("1")
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "kept")
    (folder / "file").symlink_to(tmp_path / "kept/file")
    remove_tree(folder)
    assert not folder.exists()
    assert (tmp_path / "kept/file").read_text() == "1"


def test_a_link_itself_is_removed(tmp_path: Path) -> None:
    """A link in place of the folder goes, and what it points to stays."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "link")
    assert [tmp_path / "kept"] == list(tmp_path.iterdir())


def test_names_of_all_kinds(tmp_path: Path) -> None:
    """Bytes that are no text, newlines, pipes and names like our own are removed."""
    folder = tmp_path / "x"
    folder.mkdir()
    for name in (b"\xff", b"a\nb", b".removed-1", b" "):
        below = folder / os.fsdecode(name)
        below.mkdir()
        os.mkfifo(below / "pipe")
    remove_tree(folder)
    assert not folder.exists()


def test_what_is_not_there(tmp_path: Path) -> None:
    """Nothing is raised for a folder that is gone."""
    remove_tree(tmp_path / "x")


def test_a_folder_is_emptied(tmp_path: Path) -> None:
    """It stays itself."""
    nest(tmp_path, 10)
    tmp_path.chmod(0o700)
    empty_folder(tmp_path)
    assert not list(tmp_path.iterdir())


async def test_what_a_command_nested_is_removed(any_box: Any) -> None:
    """Three thousand folders in its tree and in its report are no burden, whether or not they end it."""
    code = """
import os, sys
os.chdir(os.environ.get(sys.argv[1], '.'))
for _ in range(3000): os.mkdir('d'); os.chdir('d')
"""
    await any_box.python(code, "no such variable")
    result = await any_box.python(code, "MIYABI_REPORT")
    assert (result.report_cut, result.report) == (True, {})
    remove_tree(any_box.tree)
    box = any_box
    assert not box.tree.exists()
