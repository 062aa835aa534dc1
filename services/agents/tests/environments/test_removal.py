"""How folders of strangers are removed and measured."""

from __future__ import annotations

import os
from pathlib import Path

from miyabi_agents.environments.removal import measure, remove_tree


def test_everything_goes_and_nothing_else(tmp_path: Path) -> None:
    """Folders thousands deep, locked ones, links and odd names go; what links point at stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    folder = tmp_path / "folder"
    (folder / "locked/in").mkdir(parents=True)
    (folder / "locked/in/file").touch()
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "fifo")
    (folder / "locked").chmod(0)
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert measure(folder, most=10_000) >= 0
    assert remove_tree(folder)
    assert not folder.exists()
    assert (outside / "kept").read_text() == "kept"


def test_what_is_no_folder(tmp_path: Path) -> None:
    """A file and a link are removed themselves; what is not there is gone already."""
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "file").touch()
    assert [remove_tree(tmp_path / name) for name in ("link", "file", "nothing")] == [True, True, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target"]


def test_measuring_is_bounded(tmp_path: Path) -> None:
    """Sizes on disk are summed; after so many entries it ends."""
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"x" * 4096)
    assert measure(tmp_path, most=1000) >= 50 * 4096
    assert measure(tmp_path, most=10) <= measure(tmp_path, most=1000)
