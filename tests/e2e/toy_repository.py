"""A small repository with bugs, and a model that knows how to mend them, as files that the local stack starts with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from miyabi_sim.demo import synthetic

#: The repository's name on the simulated GitHub.
REPOSITORY = synthetic.REPOSITORY
#: How many issues it has; the tests name the first three.
ISSUES = 3


@dataclass(frozen=True)
class Toy:
    """Files that the local stack is started with."""

    seed: Path
    scenarios: Path


def make_toy(folder: Path, *, issues: int = ISSUES) -> Toy:
    """Write the repository, so many issues and the model's scenarios below *folder*."""
    repository, listed = synthetic.write(folder, issues=issues)
    seed = folder / "seed.json"
    seed.write_text(json.dumps({"repositories": [repository], "issues": listed}))
    return Toy(seed, folder / "scenarios")
