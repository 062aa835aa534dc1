"""Makes small real repositories for the tests of `inspect` and `try`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

#: A project that pytest tests, with one test that fails and one that cannot be loaded.
SMALL = {
    "pyproject.toml": (
        '[project]\nname = "small"\nversion = "1"\nrequires-python = ">=3.9"\n[dependency-groups]\ndev = ["pytest"]\n'
    ),
    "small.py": "def add(a, b):\n    return abs(a + b)\n",
    "tests/test_small.py": (
        "import pytest\nimport small\n\n\ndef test_add():\n    assert small.add(1, 2) == 3\n\n\n"
        '@pytest.mark.parametrize("n", [1, 2])\ndef test_red(n):\n    assert n == 1\n'
    ),
}
#: Two tests of the standard library's, which need no package.
PLAIN = {
    "tests/__init__.py": "",
    "tests/test_one.py": (
        "import unittest\n\n\nclass OneTests(unittest.TestCase):\n    def test_good(self):\n        pass\n\n"
        "    def test_bad(self):\n        self.assertEqual(1, 2)\n"
    ),
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, with nothing of this machine's configuration."""
    who = {f"GIT_{role}_{key}": "t@t" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **who}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def make_checkout(folder: Path, files: Mapping[str, str]) -> Path:
    """Make a repository with one commit of some files."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=trunk")
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "First")
    return folder
