"""A small repository of a stranger's, and an agent in miniature that verifies and reviews changes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import (
    GitHubGatewayServiceStub,
    add_GitHubGatewayServiceServicer_to_server,
)
from miyabi_agents.workspace.changes import change_set
from miyabi_core.channel import open_channel
from miyabi_core.testing import running_server
from services.agents.tests.conftest import NAME, Gateway, Workshop, make_repository

#: Tests that need nothing but the standard library, so that no environment has to be fetched.
TESTS = (
    "import unittest\n\nfrom toy.numbers import double, triple\n\n\nclass TestNumbers(unittest.TestCase):\n"
    "    def test_two(self):\n        self.assertEqual(double(2), 4)\n\n"
    "    def test_three(self):\n        self.assertEqual(triple(3), 9)\n"
)
BASE = {
    ".miyabi.yaml": "env: {only: true}\ntest: {format: unittest}\n",
    "pyproject.toml": "[project]\nname = 'toy'\nversion = '1'\n",
    "toy/__init__.py": "",
    "toy/numbers.py": "def double(value):\n    return value + 2\n\n\ndef triple(value):\n    return value * 3\n",
    "tests/__init__.py": "",
    "tests/test_numbers.py": TESTS,
}


def change(base_sha: str, files: Mapping[str, str | bytes | None]) -> ChangeSet:
    """Return a change; None removes a file."""
    return change_set(
        base_sha,
        [
            FileChange(path=path, content=text.encode() if isinstance(text, str) else text or b"", deleted=text is None)
            for path, text in files.items()
        ],
        b"",
    )


@asynccontextmanager
async def agent(folder: Path, files: Mapping[str, str] | None = None) -> AsyncIterator[Workshop]:
    """Give an agent in miniature, with the repository as base."""
    gateway = Gateway()
    base_sha = make_repository(folder / "remote", files or BASE)
    async with (
        running_server((add_GitHubGatewayServiceServicer_to_server, gateway, NAME)) as address,
        open_channel(address, service=NAME) as channel,
    ):
        yield Workshop(folder, base_sha, GitHubGatewayServiceStub(channel), gateway)
