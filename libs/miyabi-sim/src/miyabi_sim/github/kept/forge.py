"""Everything that can be done to the simulated GitHub, each with its checks, its record and its webhook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from miyabi_sim.github import gitrepo
from miyabi_sim.github.errors import GitHubError, validation_failed
from miyabi_sim.github.kept import timeline
from miyabi_sim.github.kept.models import (
    DEFAULT_COLOR,
    Comment,
    Issue,
    Label,
    PullRequest,
    Repository,
    timestamp,
)
from miyabi_sim.github.kept.store import Store
from miyabi_sim.github.routes.shapes import Shapes
from miyabi_sim.github.webhooks import Webhooks

#: GitHub's longest body of an issue, a comment or a pull request.
MAX_BODY = 65_536

#: Labels that an issue or pull request may have (github.com/actions/labeler/issues/115).
MAX_LABELS = 100

#: GitHub's longest title.
MAX_TITLE = 256

#: Room for the numbers of one repository among the ids of all.
IDS_PER_REPOSITORY = 1_000_000


class Forge:
    """The actions behind REST and git; every one is stored before it returns."""

    def __init__(self, store: Store, shapes: Shapes, *, webhooks: Webhooks, clock: Callable[[], float]) -> None:
        self.store = store
        self.shapes = shapes
        self.webhooks = webhooks
        self._clock = clock
        self._pull_locks: dict[str, asyncio.Lock] = {}
        self._heads: dict[str, dict[str, str]] = {}

    def now(self) -> str:
        """Return the present moment as GitHub writes it."""
        return timestamp(self._clock())

    def pull_lock(self, repository: Repository) -> asyncio.Lock:
        """Return the lock under which pull requests of a repository are compared with its branches."""
        return self._pull_locks.setdefault(repository.full_name, asyncio.Lock())

    def create_label(self, repository: Repository, name: str, *, color: str, description: str) -> Label:
        """Add a label to a repository.

        Raises:
            GitHubError: 422 if the name is taken, empty or longer than GitHub allows.
        """
        if repository.label(name) is not None:
            raise validation_failed("Label", "already_exists", field="name")
        if not 1 <= len(name) <= 50:
            raise validation_failed("Label", "invalid", field="name")
        label = Label(
            id=repository.id * IDS_PER_REPOSITORY + len(repository.labels) + 1,
            name=name,
            color=color or DEFAULT_COLOR,
            description=description,
        )
        repository.labels.append(label)
        self.store.save_repository(repository)
        return label

    def create_issue(
        self, repository: Repository, title: str, *, body: str, labels: Iterable[str], assignees: list[str], author: str
    ) -> Issue:
        """Open an issue.

        Raises:
            GitHubError: 422 if a text is longer than GitHub allows, the title is missing, or there are too many
                labels; 410 if issues are switched off.
        """
        check_texts("Issue", title, body=body)
        if not repository.has_issues:
            raise GitHubError(410, "Issues are disabled for this repo")
        wanted = list(labels)
        if len(wanted) > MAX_LABELS:
            raise too_many_labels()
        number = repository.next_number()
        now = self.now()
        issue = Issue(
            repository=repository.full_name,
            id=repository.id * IDS_PER_REPOSITORY + number,
            number=number,
            title=title,
            body=body,
            author=author,
            created_at=now,
            updated_at=now,
            assignees=assignees,
            labels=self._known_labels(repository, wanted),
        )
        self.store.save_item(issue)
        self._mentioned(repository, issue, body, actor=author)
        self._emit(repository, issue, action="opened")
        return issue

    def set_labels(self, repository: Repository, item: Issue, *, names: Iterable[str], replace: bool) -> None:
        """Add labels to an item, or replace all that it has; unknown ones are created, as GitHub does.

        Raises:
            GitHubError: 422 if the item would have more than GitHub allows.
        """
        wanted = self._known_labels(repository, names)
        before = list(item.labels)
        after = list(dict.fromkeys(wanted if replace else [*before, *wanted]))
        if len(after) > MAX_LABELS:
            raise too_many_labels()
        item.labels = after
        self._labels_changed(repository, item, before=before)

    def remove_label(self, repository: Repository, item: Issue, *, name: str) -> None:
        """Take one label off an item.

        Raises:
            GitHubError: 404 if the item does not carry it.
        """
        if name.casefold() not in {label.casefold() for label in item.labels}:
            raise GitHubError(404, "Label does not exist")
        self.remove_labels(repository, item, names=[name])

    def remove_labels(self, repository: Repository, item: Issue, *, names: Iterable[str]) -> None:
        """Take labels off an item; those that it does not carry change nothing."""
        gone = {name.casefold() for name in names}
        before = list(item.labels)
        item.labels = [label for label in before if label.casefold() not in gone]
        self._labels_changed(repository, item, before=before)

    def add_comment(self, repository: Repository, item: Issue, *, body: str, author: str) -> Comment:
        """Comment on an item.

        Raises:
            GitHubError: 422 if the text is empty or longer than GitHub allows; 403 if the conversation is locked.
        """
        _refuse_locked(item)
        check_texts("IssueComment", "-", body=body, required=True)
        now = self.now()
        comment = Comment(id=self.store.next_comment_id(), author=author, body=body, created_at=now, updated_at=now)
        item.comments.append(comment)
        self._touch(item)
        self._mentioned(repository, item, body, actor=author)
        self._emit_comment(repository, item, comment=comment, action="created")
        return comment

    def edit_comment(self, repository: Repository, item: Issue, *, comment: Comment, body: str) -> None:
        """Replace the text of a comment.

        Raises:
            GitHubError: 422 if the text is empty or longer than GitHub allows; 403 if the conversation is locked.
        """
        _refuse_locked(item)
        check_texts("IssueComment", "-", body=body, required=True)
        comment.body = body
        comment.updated_at = self.now()
        self._touch(item)
        self._emit_comment(repository, item, comment=comment, action="edited")

    def update_item(self, repository: Repository, item: Issue, *, changes: dict[str, Any], action: str) -> None:
        """Set fields of an issue or pull request, remember when it was closed, and tell the webhook."""
        before = item.state
        for name, value in changes.items():
            setattr(item, name, value)
        if "state" in changes:
            item.closed_at = self.now() if item.state == "closed" else None
        if item.state != before:
            kind = "ClosedEvent" if item.state == "closed" else "ReopenedEvent"
            timeline.record(item, kind, actor=repository.owner, moment=self.now())
        self._touch(item)
        self._emit(repository, item, action=action)

    def add_pull(self, repository: Repository, pull: PullRequest) -> None:
        """Keep a pull request that was just opened."""
        self.store.save_item(pull)
        self._mentioned(repository, pull, pull.body, actor=pull.author)
        self._emit(repository, pull, action="opened")

    async def follow_branches(self, repository: Repository) -> None:
        """Compare the branches with those last seen: move open pull requests along, tell the webhook of pushes.

        The caller holds the pull lock of the repository.
        """
        after = await gitrepo.heads(self.store.git_dir(repository))
        before = self._heads.get(repository.full_name)
        self._heads[repository.full_name] = after
        if before is None:
            return
        for branch in sorted(before.keys() | after.keys()):
            old, new = before.get(branch), after.get(branch)
            if old != new:
                self._told_of_push(repository, branch, old=old, new=new)
                await self._pulls_follow(repository, branch, new=new)

    def _told_of_push(self, repository: Repository, branch: str, *, old: str | None, new: str | None) -> None:
        nothing = "0" * len(old or new or "")
        self.webhooks.emit(
            "push",
            {
                "ref": f"refs/heads/{branch}",
                "before": old or nothing,
                "after": new or nothing,
                "created": old is None,
                "deleted": new is None,
                "repository": self.shapes.repository(repository),
                "sender": self.shapes.user(repository.owner),
            },
        )

    async def _pulls_follow(self, repository: Repository, branch: str, *, new: str | None) -> None:
        """Let the open pull requests from and to a branch follow it; those of a fork are in the repository it is of."""
        owner, _, name = repository.fork_of.partition("/")
        parent = self.store.find(owner, name) if repository.fork_of else None
        for home in filter(None, (repository, parent)):
            for pull in home.pulls():
                if pull.state != "open":
                    continue
                source = pull.head_repository or pull.repository
                if pull.head_ref == branch and source.casefold() == repository.full_name.casefold():
                    await self._head_moved(home, repository, pull, new)
                elif pull.base_ref == branch and home is repository:
                    await self._base_moved(home, pull, new)

    async def _head_moved(self, home: Repository, source: Repository, pull: PullRequest, new: str | None) -> None:
        if new is None:
            self.update_item(home, pull, changes={"state": "closed"}, action="closed")
            return
        await self.keep_head(home, pull.number, new, source=source)
        self.update_item(home, pull, changes={"head_sha": new}, action="synchronize")

    async def _base_moved(self, home: Repository, pull: PullRequest, new: str | None) -> None:
        """Close a pull request whose base is gone; one whose head the base has now is merged."""
        if new is None:
            self.update_item(home, pull, changes={"state": "closed"}, action="closed")
        elif await gitrepo.contains(self.store.git_dir(home), new, pull.head_sha):
            self.update_item(home, pull, changes={"state": "closed", "merged": True}, action="closed")

    async def keep_head(self, home: Repository, number: int, commit: str, *, source: Repository) -> None:
        """Let `refs/pull/N/head` of a repository name a commit of another one, or of its own."""
        await gitrepo.keep_pull(self.store.git_dir(home), number, commit, source=self.store.git_dir(source))

    def _known_labels(self, repository: Repository, names: Iterable[str]) -> list[str]:
        known = []
        for name in names:
            label = repository.label(name) or self.create_label(repository, name, color="", description="")
            known.append(label.name)
        return list(dict.fromkeys(known))

    def _labels_changed(self, repository: Repository, item: Issue, *, before: list[str]) -> None:
        if item.labels == before:
            return
        timeline.record_labels(item, before=before, actor=repository.owner, moment=self.now())
        self._touch(item)
        for action, names in (
            ("labeled", [name for name in item.labels if name not in before]),
            ("unlabeled", [name for name in before if name not in item.labels]),
        ):
            for label in filter(None, map(repository.label, names)):
                self._emit(repository, item, action=action, label=self.shapes.label(repository, label))

    def _mentioned(self, repository: Repository, source: Issue, text: str, *, actor: str) -> None:
        for item in timeline.record_mentions(repository, source, text, actor=actor, moment=self.now()):
            self.store.save_item(item)

    def _touch(self, item: Issue) -> None:
        item.updated_at = self.now()
        self.store.save_item(item)

    def _emit(self, repository: Repository, item: Issue, *, action: str, **more: dict[str, Any]) -> None:
        payload: dict[str, Any] = {"action": action, "number": item.number} | more
        if isinstance(item, PullRequest):
            payload["pull_request"] = self.shapes.pull(repository, item)
        else:
            payload["issue"] = self.shapes.issue(repository, item)
        payload["repository"] = self.shapes.repository(repository)
        payload["sender"] = self.shapes.user(item.author)
        self.webhooks.emit("pull_request" if isinstance(item, PullRequest) else "issues", payload)

    def _emit_comment(self, repository: Repository, item: Issue, *, comment: Comment, action: str) -> None:
        payload = {
            "action": action,
            "issue": self.shapes.issue(repository, item),
            "comment": self.shapes.comment(repository, item, comment=comment),
            "repository": self.shapes.repository(repository),
            "sender": self.shapes.user(comment.author),
        }
        self.webhooks.emit("issue_comment", payload)


def too_many_labels() -> GitHubError:
    """Return GitHub's refusal of more labels than an item may have: an entry that is a text."""
    return GitHubError(422, "Validation Failed", errors=[f"Issues cannot have more than {MAX_LABELS} labels"])


def _refuse_locked(item: Issue) -> None:
    """Refuse to write to a locked conversation.

    GitHub lets people with write access go on; Apps, as most bots are, are refused whatever they may else do
    (github.com/renovatebot/renovate/issues/6215), so that the one account is refused here, too.
    """
    if item.locked:
        raise GitHubError(403, "Unable to create comment because issue is locked.")


def check_texts(resource: str, title: str, *, body: str, required: bool = False) -> None:
    """Check a title and a body against GitHub's lengths.

    Raises:
        GitHubError: 422 naming the field that is missing or too long.
    """
    if not title:
        raise validation_failed(resource, "missing_field", field="title")
    if len(title) > MAX_TITLE:
        message = f"title is too long (maximum is {MAX_TITLE} characters)"
        raise validation_failed(resource, "custom", field="title", message=message)
    if required and not body.strip():
        raise validation_failed(resource, "missing_field", field="body")
    if len(body) > MAX_BODY:
        message = f"body is too long (maximum is {MAX_BODY} characters)"
        raise validation_failed(resource, "custom", field="body", message=message)
