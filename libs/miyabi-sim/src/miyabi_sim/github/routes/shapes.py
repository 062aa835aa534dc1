"""How GitHub's REST API writes the things of the store."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from miyabi_sim.github.kept.models import Comment, Issue, Label, PullRequest, Repository, Review, label_node_id, node_id


class Shapes:
    """Writes objects as REST JSON, with addresses below the server's own URL.

    Args:
        url: The server's.
        find: Finds the repository of a fork; default: there are none.
    """

    def __init__(self, url: str, *, find: Callable[[str, str], Repository | None] = lambda _owner, _name: None) -> None:
        self.url = url
        self.find = find

    def user(self, login: str) -> dict[str, Any]:
        """Return an account; its number follows from its name."""
        return {
            "login": login,
            "id": zlib.crc32(login.encode()),
            "node_id": user_node_id(login),
            "url": f"{self.url}/users/{login}",
            "html_url": f"{self.url}/{login}",
            "type": "Bot" if login.endswith("[bot]") else "User",
            "site_admin": False,
        }

    def repository(self, repository: Repository) -> dict[str, Any]:
        """Return a repository."""
        api = self._api(repository)
        page = self.repository_url(repository)
        return {
            "id": repository.id,
            "node_id": repository_node_id(repository),
            "name": repository.name,
            "full_name": repository.full_name,
            "owner": self.user(repository.owner),
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "html_url": page,
            "url": api,
            "clone_url": f"{page}.git",
            "git_url": f"{page}.git",
            "default_branch": repository.default_branch,
            "has_issues": repository.has_issues,
            "archived": repository.archived,
            "disabled": repository.disabled,
            "fork": bool(repository.fork_of),
            "created_at": repository.created_at,
            "open_issues_count": sum(item.state == "open" for item in repository.items.values()),
        }

    def label(self, repository: Repository, label: Label) -> dict[str, Any]:
        """Return a label."""
        return {
            "id": label.id,
            "node_id": label_node_id(label),
            "url": f"{self._api(repository)}/labels/{label.name}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": label.description or None,
        }

    def issue(self, repository: Repository, issue: Issue) -> dict[str, Any]:
        """Return an issue; a pull request looks like one too, with a `pull_request` in it."""
        api = self._api(repository)
        page = self.item_url(issue)
        milestone = issue.milestone
        shape = self._common(repository, issue) | {
            "url": f"{api}/issues/{issue.number}",
            "repository_url": api,
            "labels_url": f"{api}/issues/{issue.number}/labels{{/name}}",
            "comments_url": f"{api}/issues/{issue.number}/comments",
            "comments": len(issue.comments),
            "milestone": None if milestone is None else {"title": milestone, "state": "open"},
            "state_reason": "completed" if issue.state == "closed" else None,
        }
        if isinstance(issue, PullRequest):
            shape["pull_request"] = {
                "url": f"{api}/pulls/{issue.number}",
                "html_url": page,
                "diff_url": f"{page}.diff",
                "patch_url": f"{page}.patch",
                "merged_at": issue.closed_at if issue.merged else None,
            }
        return shape

    def pull(self, repository: Repository, pull: PullRequest) -> dict[str, Any]:
        """Return a pull request as it is written where it stands alone."""
        return self.pull_simple(repository, pull) | {
            "merged": pull.merged,
            "mergeable": None,
            "maintainer_can_modify": pull.maintainer_can_modify,
        }

    def pull_simple(self, repository: Repository, pull: PullRequest) -> dict[str, Any]:
        """Return a pull request as lists, and the answer to a request for a review, write it."""
        api = self._api(repository)
        return self._common(repository, pull) | {
            "url": f"{api}/pulls/{pull.number}",
            "issue_url": f"{api}/issues/{pull.number}",
            "draft": pull.draft,
            "merged_at": pull.closed_at if pull.merged else None,
            "requested_reviewers": [self.user(login) for login in pull.requested_reviewers],
            "requested_teams": [],
            "head": self._head(repository, pull),
            "base": self._end(repository, pull.base_ref, sha=pull.base_sha),
        }

    def comment(self, repository: Repository, issue: Issue, *, comment: Comment) -> dict[str, Any]:
        """Return a comment."""
        api = self._api(repository)
        return {
            "id": comment.id,
            "node_id": comment_node_id(comment),
            "url": f"{api}/issues/comments/{comment.id}",
            "html_url": self.comment_url(issue, comment),
            "issue_url": f"{api}/issues/{issue.number}",
            "user": self.user(comment.author),
            "body": comment.body,
            "created_at": comment.created_at,
            "updated_at": comment.updated_at,
        }

    def review(self, repository: Repository, pull: PullRequest, *, review: Review) -> dict[str, Any]:
        """Return a review of a pull request."""
        api, page = (
            f"{self._api(repository)}/pulls/{pull.number}",
            f"{self.item_url(pull)}#pullrequestreview-{review.id}",
        )
        return {
            "id": review.id,
            "node_id": node_id("PRR", review.id),
            "user": self.user(review.author),
            "body": review.body,
            "state": review.state,
            "html_url": page,
            "pull_request_url": api,
            "_links": {"html": {"href": page}, "pull_request": {"href": api}},
            "submitted_at": review.submitted_at,
            "commit_id": review.commit_id,
            "author_association": "CONTRIBUTOR",
        }

    def repository_url(self, repository: Repository) -> str:
        """Return the page of a repository."""
        return f"{self.url}/{repository.full_name}"

    def item_url(self, item: Issue) -> str:
        """Return the page of an issue or pull request."""
        kind = "pull" if isinstance(item, PullRequest) else "issues"
        return f"{self.url}/{item.repository}/{kind}/{item.number}"

    def comment_url(self, item: Issue, comment: Comment) -> str:
        """Return the place of a comment on its page."""
        return f"{self.item_url(item)}#issuecomment-{comment.id}"

    def _api(self, repository: Repository) -> str:
        return f"{self.url}/repos/{repository.full_name}"

    def _common(self, repository: Repository, item: Issue) -> dict[str, Any]:
        return {
            "id": item.id,
            "node_id": item_node_id(item),
            "html_url": self.item_url(item),
            "number": item.number,
            "title": item.title,
            "body": item.body or None,
            "state": item.state,
            "locked": item.locked,
            "user": self.user(item.author),
            "labels": [self.label(repository, label) for label in repository.labels_of(item)],
            "assignees": [self.user(login) for login in item.assignees],
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "closed_at": item.closed_at,
            "author_association": "OWNER" if item.author == repository.owner else "CONTRIBUTOR",
        }

    def _head(self, repository: Repository, pull: PullRequest) -> dict[str, Any]:
        """Return the head; the repository of a fork that is gone is null."""
        if not pull.head_repository:
            return self._end(repository, pull.head_ref, sha=pull.head_sha)
        owner, _, name = pull.head_repository.partition("/")
        fork = self.find(owner, name)
        if fork is not None:
            return self._end(fork, pull.head_ref, sha=pull.head_sha)
        label = f"{owner}:{pull.head_ref}"
        return {"label": label, "ref": pull.head_ref, "sha": pull.head_sha, "user": self.user(owner), "repo": None}

    def _end(self, repository: Repository, ref: str, *, sha: str) -> dict[str, Any]:
        return {
            "label": f"{repository.owner}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.user(repository.owner),
            "repo": self.repository(repository),
        }


def repository_node_id(repository: Repository) -> str:
    """Return the node id of a repository."""
    return node_id("R", repository.id)


def item_node_id(item: Issue) -> str:
    """Return the node id of an issue or pull request."""
    return node_id("PR" if isinstance(item, PullRequest) else "I", item.id)


def comment_node_id(comment: Comment) -> str:
    """Return the node id of a comment."""
    return node_id("IC", comment.id)


def user_node_id(login: str) -> str:
    """Return the node id of an account."""
    return node_id("U", zlib.crc32(login.encode()))
