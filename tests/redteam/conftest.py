"""Fixtures of the red team's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redteam_world import World, made_world


@pytest.fixture
def world() -> Iterator[World]:
    """Make a world; its servers listen for the length of the test.

    It lies beside pytest's own folder, which pytest closes to other users whenever it starts.
    """
    with tempfile.TemporaryDirectory(prefix="miyabi-redteam-") as folder, made_world(Path(folder)) as world:
        yield world
