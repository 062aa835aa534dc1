"""Writes what the simulators of the demo are started with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from miyabi_sim.demo.package_source import ensure_source

#: Where the demo's own data lies.
DATA = Path(__file__).with_name("data")
#: The repository's name on the simulated GitHub.
REPOSITORY = "django/django"


@dataclass(frozen=True)
class DemoFiles:
    """Files that the local stack is started with."""

    seed: Path
    scenarios: Path
    repository_config: Path
    issue_numbers: tuple[int, ...]
    repository: str = REPOSITORY


def prepare(cache_dir: Path) -> DemoFiles:
    """Fetch Django's source where it is missing, and write the seed of the simulated GitHub.

    Args:
        cache_dir: Kept between runs.

    Raises:
        OSError: the package index is out of reach and the cache is empty, or the disk is full.
    """
    source = ensure_source(cache_dir.resolve())
    issues = yaml.safe_load((DATA / "issues.yaml").read_text(encoding="utf-8"))
    owner, _, name = REPOSITORY.partition("/")
    seed = {
        "repositories": [
            {
                "owner": owner,
                "name": name,
                "default_branch": "main",
                "private": False,
                "source": str(source),
                "labels": [{"name": "bug", "color": "d73a4a", "description": "Something does not work"}],
            }
        ],
        "issues": [{"repository": REPOSITORY, "labels": [], **issue} for issue in issues],
    }
    target = cache_dir / "django-seed.json"
    target.write_text(json.dumps(seed), encoding="utf-8")
    numbers = tuple(issue["number"] for issue in issues)
    return DemoFiles(target, DATA / "scenarios", DATA / "repositories/django/django.yaml", numbers)
