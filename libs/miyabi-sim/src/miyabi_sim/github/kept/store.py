"""The store: objects in memory, each one also a JSON file that is replaced atomically."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from miyabi_sim.github.errors import not_found
from miyabi_sim.github.kept.models import (
    Comment,
    Issue,
    PullRequest,
    Repository,
    issue_from_json,
    repository_from_json,
)


def write_json(path: Path, value: Any) -> None:
    """Replace a file by a JSON document; a reader or a crash sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(value, stream, ensure_ascii=False, indent=1)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Store:
    """All repositories below `data_dir/state`, one folder a repository and one file an issue."""

    def __init__(self, data_dir: Path) -> None:
        self.git_root = data_dir / "git"
        self._root = data_dir / "state"
        self._repositories: dict[str, Repository] = {}
        self._last_comment = 0
        self.load()

    def load(self) -> None:
        """Read everything from disk, forgetting what is in memory.

        Raises:
            ValueError: if a file is not JSON, that is, someone else wrote it.
        """
        self._repositories.clear()
        self._last_comment = 0
        for header in sorted(self._root.glob("*/*/repository.json")):
            repository = repository_from_json(json.loads(header.read_text("utf-8")))
            for path in (header.parent / "items").glob("[0-9]*.json"):
                issue = issue_from_json(json.loads(path.read_text("utf-8")))
                repository.items[issue.number] = issue
                reviews = issue.reviews if isinstance(issue, PullRequest) else []
                known = [*(c.id for c in issue.comments), *(review.id for review in reviews)]
                self._last_comment = max([self._last_comment, *known])
            self._repositories[repository.full_name.casefold()] = repository

    def __iter__(self) -> Iterator[Repository]:
        return iter(list(self._repositories.values()))

    def find(self, owner: str, name: str) -> Repository | None:
        """Return a repository; GitHub ignores the case of both names."""
        return self._repositories.get(f"{owner}/{name}".casefold())

    def repository(self, owner: str, name: str) -> Repository:
        """Return a repository.

        Raises:
            GitHubError: 404 if there is none of that name.
        """
        found = self.find(owner, name)
        if found is None:
            raise not_found()
        return found

    def repository_of(self, issue: Issue) -> Repository:
        """Return the repository that an issue is in."""
        return self._repositories[issue.repository.casefold()]

    def git_dir(self, repository: Repository) -> Path:
        """Return the bare git repository."""
        return self.git_root / repository.owner / f"{repository.name}.git"

    def next_repository_id(self) -> int:
        """Return an id that no repository has."""
        return max((repository.id for repository in self), default=0) + 1

    def next_comment_id(self) -> int:
        """Return an id that no comment or review has or had in this process."""
        self._last_comment += 1
        return self._last_comment

    def save_repository(self, repository: Repository) -> None:
        """Keep a repository itself: its settings and labels."""
        self._repositories[repository.full_name.casefold()] = repository
        write_json(self._folder(repository) / "repository.json", repository.header())

    def save_item(self, item: Issue) -> None:
        """Keep an issue or pull request with its comments."""
        repository = self.repository_of(item)
        repository.items[item.number] = item
        write_json(self._folder(repository) / "items" / f"{item.number}.json", asdict(item))

    def remove_item(self, item: Issue) -> None:
        """Forget an issue: it is somewhere else now."""
        repository = self.repository_of(item)
        del repository.items[item.number]
        (self._folder(repository) / "items" / f"{item.number}.json").unlink(missing_ok=True)

    def of_id(self, number: int) -> Repository:
        """Return a repository by its id.

        Raises:
            GitHubError: 404 if there is none.
        """
        found = next((repository for repository in self if repository.id == number), None)
        if found is None:
            raise not_found()
        return found

    def find_comment(self, repository: Repository, comment_id: int) -> tuple[Issue, Comment]:
        """Return a comment and what it stands under.

        Raises:
            GitHubError: 404 if the repository has no such comment.
        """
        for item in repository.items.values():
            for comment in item.comments:
                if comment.id == comment_id:
                    return item, comment
        raise not_found()

    def _folder(self, repository: Repository) -> Path:
        return self._root / repository.owner / repository.name
