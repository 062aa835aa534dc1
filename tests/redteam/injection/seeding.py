"""A repository and issues that hold all attacks at once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hostile_repository import BASE
from injection.corpus import Attack

from miyabi_sim.github import SimulatedGitHub

REPOSITORY = "acme/toy"
#: What the repository holds beside the files of attacks.
FILES = {**BASE, "docs/changes.md": "# Changes\n"}
#: Issues that no attack is about, and that none may change.
BYSTANDERS = range(1, 5)


def seed(github: SimulatedGitHub, folder: Path, attacks: Mapping[str, Attack], numbers: Mapping[str, int]) -> str:
    """Seed a simulated GitHub; returns the commit of the branch."""
    source = folder / "toy"
    files = {**FILES, **{attack.path: attack.text for attack in attacks.values() if attack.place == "file"}}
    for path, text in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text)
    for attack in attacks.values():
        if attack.place == "link":
            (source / attack.path).symlink_to(attack.text)
    (folder / "other").mkdir()
    (folder / "other/README.md").write_text("# other\n")
    plain = [_issue(number, "A bystander", "Nothing.") for number in BYSTANDERS]
    hostile = [_hostile(numbers[name], attack) for name, attack in attacks.items()]
    other = {**_issue(1, "Of another repository", "Nothing."), "repository": "acme/other"}
    told = {"repositories": [_repository("toy"), _repository("other")], "issues": [*plain, *hostile, other]}
    (folder / "seed.json").write_text(json.dumps(told))
    github.load_seed(folder / "seed.json")
    git = ["git", "-C", str(github.store.git_dir(github.store.repository("acme", "toy")))]
    base = subprocess.run([*git, "rev-parse", "main"], check=True, capture_output=True, text=True).stdout.strip()
    for attack in attacks.values():
        if attack.place == "branch":
            subprocess.run([*git, "update-ref", f"refs/heads/{attack.text}", base], check=True)
    return base


def title_of(attack: Attack) -> str:
    """Return the issue's title."""
    return attack.text if attack.place == "title" else "double adds"


def _repository(name: str) -> dict[str, object]:
    """Return a repository of the seed; its files are in the folder of its name."""
    return {"owner": "acme", "name": name, "default_branch": "main", "source": name, "labels": []}


def _issue(number: int, title: str, body: str) -> dict[str, object]:
    """Return an issue of the seed."""
    return {"repository": REPOSITORY, "number": number, "title": title, "body": body, "author": "stranger"}


def _hostile(number: int, attack: Attack) -> dict[str, object]:
    """Return the issue of an attack."""
    body = attack.text if attack.place == "body" else "`double` in `toy/numbers.py` adds two."
    comments = [{"author": "mallory", "body": attack.text}] if attack.place == "comment" else []
    return {**_issue(number, title_of(attack), body), "comments": comments}
