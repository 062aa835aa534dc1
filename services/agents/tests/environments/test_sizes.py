"""How folders of strangers are measured."""

from __future__ import annotations

import os
from pathlib import Path

from miyabi_agents.environments.sizes import measure
from miyabi_agents.sandbox.removal import remove_tree


def test_measuring_is_bounded(tmp_path: Path) -> None:
    """Sizes on disk are summed; after so many entries it ends."""
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"x" * 4096)
    assert measure(tmp_path, most=1000) >= 50 * 4096
    assert measure(tmp_path, most=10) <= measure(tmp_path, most=1000)


def test_deep_folders_and_links_are_no_trouble(tmp_path: Path) -> None:
    """A path that is too long to be opened counts as nothing, and a link is not followed."""
    (tmp_path / "link").symlink_to("/usr")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert measure(tmp_path, most=10_000) < 100 << 20
    remove_tree(tmp_path)
