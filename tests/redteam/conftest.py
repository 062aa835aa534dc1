"""Fixtures of the red team's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redteam_world import World, made_world

from miyabi_agents.sandbox.removal import remove_tree


@pytest.fixture
def world() -> Iterator[World]:
    """Make a world; its servers listen for the length of the test.

    It lies beside pytest's own folder, which pytest closes to other users whenever it starts.
    """
    with tempfile.TemporaryDirectory(prefix="miyabi-redteam-") as folder, made_world(Path(folder)) as world:
        yield world


@pytest.fixture(autouse=True)
def _nothing_deep_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove what a test left in its folder: pytest's own clean-up ends at folders a thousand deep."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is not None:
        remove_tree(folder)
