"""Seeds: a JSON file that says which repositories and issues the simulated GitHub starts with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from miyabi_sim.github import gitrepo
from miyabi_sim.github.kept.forge import IDS_PER_REPOSITORY
from miyabi_sim.github.kept.models import DEFAULT_COLOR, Comment, Issue, Label, Repository
from miyabi_sim.github.kept.store import Store

#: When seeded things were made where the seed does not say.
SEED_TIME = "2026-01-01T00:00:00Z"

#: Names that GitHub gives accounts and repositories; they are also folders of ours.
OWNER_NAME, REPOSITORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}"), re.compile(r"[A-Za-z0-9._-]{1,100}")

#: Who wrote seeded things where the seed does not say.
SEED_AUTHOR = "octo-seed"


class SeedError(ValueError):
    """A seed that cannot be used; the message says what is wrong with it."""


def load_seed(store: Store, path: Path) -> None:
    """Bring the seed's repositories and issues into the store; what is already there stays as it is.

    Raises:
        SeedError: if the file is no seed, names a missing folder, or an issue of a repository that is nowhere.
        GitFailedError: if git refuses a repository's name, branch or files.
    """
    try:
        seed = json.loads(path.read_text("utf-8"))
        for raw in seed.get("repositories", []):
            _seed_repository(store, raw, folder=path.resolve().parent)
        for raw in seed.get("issues", []):
            _seed_issue(store, raw)
    except (OSError, KeyError, AttributeError, TypeError, json.JSONDecodeError) as error:
        raise SeedError(f"{path} is no seed: {error!r}") from error


def _seed_repository(store: Store, raw: dict[str, Any], *, folder: Path) -> None:
    if (
        not OWNER_NAME.fullmatch(raw["owner"])
        or not REPOSITORY_NAME.fullmatch(raw["name"])
        or raw["name"] in (".", "..")
    ):
        raise SeedError(f"{raw['owner']}/{raw['name']} is no name of a repository")
    repository = store.find(raw["owner"], raw["name"])
    if repository is None:
        repository = Repository(
            id=store.next_repository_id(),
            owner=raw["owner"],
            name=raw["name"],
            default_branch=raw.get("default_branch", "main"),
            private=raw.get("private", False),
            created_at=raw.get("created_at", SEED_TIME),
            collaborators=dict(raw.get("collaborators", {})),
            archived=raw.get("archived", False),
            has_issues=raw.get("has_issues", True),
            viewer_permission=raw.get("viewer_permission", "WRITE"),
        )
        repository.labels = [_label(repository, entry) for entry in raw.get("labels", [])]
        _number_labels(repository)
    git_dir = store.git_dir(repository)
    if not git_dir.exists():
        source = (folder / raw["source"]).resolve() if raw.get("source") else None
        if source is not None and not source.is_dir():
            raise SeedError(f"{repository.full_name}: {raw['source']} is no folder")
        gitrepo.create_bare(git_dir, branch=repository.default_branch, source=source)
    # Last, so that a crash before this point is repaired by seeding again.
    if store.find(repository.owner, repository.name) is None:
        store.save_repository(repository)


def _label(repository: Repository, raw: str | dict[str, Any]) -> Label:
    entry = {"name": raw} if isinstance(raw, str) else raw
    return Label(
        id=repository.id * IDS_PER_REPOSITORY,
        name=entry["name"],
        color=entry.get("color", DEFAULT_COLOR),
        description=entry.get("description", ""),
    )


def _number_labels(repository: Repository) -> None:
    for position, label in enumerate(repository.labels, start=1):
        label.id = repository.id * IDS_PER_REPOSITORY + position


def _seed_issue(store: Store, raw: dict[str, Any]) -> None:
    owner, _, name = raw["repository"].partition("/")
    repository = store.find(owner, name)
    if repository is None:
        raise SeedError(f"issue {raw['number']} is in {raw['repository']}, which is not seeded")
    number = raw["number"]
    if number in repository.items:
        return
    created = raw.get("created_at", SEED_TIME)
    state = raw.get("state", "open").lower()
    missing = [label for label in raw.get("labels", []) if repository.label(label) is None]
    if missing:
        repository.labels += [_label(repository, label) for label in missing]
        _number_labels(repository)
        store.save_repository(repository)
    issue = Issue(
        repository=repository.full_name,
        id=repository.id * IDS_PER_REPOSITORY + number,
        number=number,
        title=raw["title"],
        body=raw.get("body", ""),
        author=raw.get("author", SEED_AUTHOR),
        created_at=created,
        updated_at=raw.get("updated_at", created),
        state=state,
        closed_at=created if state == "closed" else None,
        locked=raw.get("locked", False),
        labels=list(raw.get("labels", [])),
        assignees=list(raw.get("assignees", [])),
        milestone=raw.get("milestone"),
        sub_issues=list(raw.get("sub_issues", [])),
        blocked_by=list(raw.get("blocked_by", [])),
        comments=[_comment(store, entry, created=created) for entry in raw.get("comments", [])],
    )
    store.save_item(issue)


def _comment(store: Store, raw: dict[str, Any], *, created: str) -> Comment:
    moment = raw.get("created_at", created)
    return Comment(
        id=store.next_comment_id(),
        author=raw.get("author", SEED_AUTHOR),
        body=raw["body"],
        created_at=moment,
        updated_at=moment,
    )
