"""The gateway before a simulated GitHub, both real servers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miyabi_github_gateway.app import Gateway
from miyabi_sim.github import SimulatedGitHub

REPOSITORY = "acme/toy"


@dataclass
class Running:
    """The gateway, what is behind it, and a stub before it."""

    gateway: Gateway
    github: SimulatedGitHub
    stub: Any
    token: str

    @property
    def git(self) -> str:
        """Base of git over HTTP, as agents use it."""
        return f"http://127.0.0.1:{self.gateway.http_port}/git"

    def reads(self) -> list[str]:
        """Return the operations that GitHub saw."""
        return [entry.operation for entry in self.github.requests]


def seed(folder: Path) -> Path:
    """Write a seed with forty issues."""
    (folder / "source").mkdir(parents=True)
    (folder / "source/README.md").write_text("toy\n")
    repository = {
        "owner": "acme",
        "name": "toy",
        "default_branch": "main",
        "private": False,
        "source": "source",
        "labels": [],
    }
    issues = [
        {"repository": REPOSITORY, "number": n, "title": f"Issue {n}", "body": f"Body {n}", "labels": ["old"] if n == 1 else [], "author": "a"}
        for n in range(1, 41)
    ]  # fmt: skip
    target = folder / "seed.json"
    target.write_text(json.dumps({"repositories": [repository], "issues": issues}))
    return target
