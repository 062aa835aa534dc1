"""Puts repositories and issues into the states in which GitHub refuses things; tests and scenarios use it."""

from __future__ import annotations

import shutil
from dataclasses import fields
from typing import Any

from miyabi_sim.github import gitrepo
from miyabi_sim.github.errors import GitHubError, not_found
from miyabi_sim.github.kept.forge import IDS_PER_REPOSITORY
from miyabi_sim.github.kept.models import Issue, PullRequest, Repository, Ruleset
from miyabi_sim.github.kept.store import Store

#: What of a repository, and of an issue, can be set.
OF_REPOSITORY = frozenset({"archived", "disabled", "has_issues", "private", "viewer_permission", "default_branch"})
OF_ISSUE = frozenset({"locked", "state", "assignees", "labels", "milestone"})


class States:
    """Changes what a person would change on GitHub's pages; repositories are named `owner/name`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def repository(self, name: str, **changes: Any) -> Repository:
        """Set fields of a repository: archived, disabled, has_issues, private, viewer_permission, default_branch.

        Raises:
            GitHubError: 404 there is no such repository, 422 no such field.
        """
        repository = self._found(name)
        _set(repository, changes, OF_REPOSITORY)
        self._store.save_repository(repository)
        return repository

    def issue(self, name: str, number: int, **changes: Any) -> Issue:
        """Set fields of an issue or pull request: locked, state, assignees, labels, milestone.

        Raises:
            GitHubError: 404 there is no such issue, 422 no such field.
        """
        item = self._found(name).items.get(number)
        if item is None:
            raise not_found()
        _set(item, changes, OF_ISSUE)
        self._store.save_item(item)
        return item

    def transfer(self, name: str, number: int, *, to: str) -> Issue:
        """Move an issue to another repository, where it gets the next number.

        Raises:
            GitHubError: 404 there is no such issue or repository.
        """
        source, target = self._found(name), self._found(to)
        issue = source.issue(number)
        if issue is None:
            raise not_found()
        new = target.next_number()
        source.moved[str(number)] = f"{target.full_name}#{new}"
        self._store.remove_item(issue)
        self._store.save_repository(source)
        issue.repository, issue.number = target.full_name, new
        issue.id = target.id * IDS_PER_REPOSITORY + new
        self._store.save_item(issue)
        return issue

    def rule(
        self, name: str, *rules: str | dict[str, Any], include: tuple[str, ...] = ("~ALL",), bypassed: bool = False
    ) -> Ruleset:
        """Add an active ruleset of rules, each a type or a type with its parameters.

        Raises:
            GitHubError: 404 there is no such repository.
        """
        repository = self._found(name)
        number = repository.id * IDS_PER_REPOSITORY + len(repository.rulesets) + 1
        written = [{"type": rule} if isinstance(rule, str) else rule for rule in rules]
        title = " and ".join(str(rule["type"]) for rule in written)
        ruleset = Ruleset(id=number, name=title, include=list(include), rules=written, bypassed=bypassed)
        repository.rulesets.append(ruleset)
        self._store.save_repository(repository)
        return ruleset

    def fork(self, name: str, *, owner: str) -> Repository:
        """Fork a repository to another account, with all its commits.

        Raises:
            GitHubError: 404 there is no such repository, 422 the account has one of that name.
        """
        source = self._found(name)
        if self._store.find(owner, source.name) is not None:
            raise GitHubError(422, f"{owner}/{source.name} is there already")
        fork = Repository(
            id=self._store.next_repository_id(),
            owner=owner,
            name=source.name,
            default_branch=source.default_branch,
            private=source.private,
            created_at=source.created_at,
            has_issues=False,
            fork_of=source.full_name,
            viewer_permission="READ",
        )
        shutil.copytree(self._store.git_dir(source), self._store.git_dir(fork))
        self._store.save_repository(fork)
        return fork

    def rewrite(self, name: str, branch: str) -> str:
        """Force a branch to a new first commit with the same files, as a force push would; returns the commit.

        Raises:
            GitHubError: 404 there is no such repository.
            GitFailedError: there is no such branch.
        """
        git_dir = self._store.git_dir(self._found(name))
        tree = gitrepo.run_git(git_dir, "rev-parse", f"refs/heads/{branch}^{{tree}}")
        commit = gitrepo.run_git(git_dir, "commit-tree", tree, "-m", "Rewritten", env=gitrepo.SEED_IDENTITY)
        gitrepo.run_git(git_dir, "update-ref", f"refs/heads/{branch}", commit)
        return commit

    def _found(self, name: str) -> Repository:
        owner, _, rest = name.partition("/")
        return self._store.repository(owner, rest)


def _set(thing: Repository | Issue | PullRequest, changes: dict[str, Any], known: frozenset[str]) -> None:
    """Set fields; nothing is set where one of them cannot be.

    Raises:
        GitHubError: 422 there is no such field, or it is of another kind.
    """
    names = {entry.name for entry in fields(thing)} & known
    for name, value in changes.items():
        kind = str if name == "milestone" else type(getattr(thing, name, None))
        if name not in names or type(value) is not kind:
            raise GitHubError(422, f"{name} cannot be {value!r}")
    for name, value in changes.items():
        setattr(thing, name, value)
