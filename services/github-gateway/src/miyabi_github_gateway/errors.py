"""What GitHub's refusals become for callers of the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from miyabi_core.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)

#: Numbers that an error names; the others are counted.
MOST_LISTED = 20
#: Characters of a message that stand in an error's metadata, which travels in headers.
MOST_METADATA = 500
#: GitHub answers 404 where the credential may not know of a thing; what it takes is said with it.
_HINTS = {
    "repository": "if it exists, the credential lacks access to it: `metadata:read` of a fine-grained token or App "
    "that is installed there, or the scope `repo` of a classic token",
    "issue": "if it exists, the credential lacks `issues:read` (for writes `issues:write`)",
    "pull request": "if it exists, the credential lacks `pull_requests:read` (for writes `pull_requests:write`)",
}


class RepositoryNotFoundError(NotFoundError):
    """There is no such repository or branch, or the credential may not see it."""

    def __init__(self, repository: str, *, branch: str = "") -> None:
        what = f"{repository} has no branch {branch}" if branch else f"there is no repository {repository} to be seen"
        message = what if branch else f"{what}; {_HINTS['repository']}"
        metadata = {"repository": repository} | ({"branch": branch} if branch else {})
        super().__init__(message, reason="REPOSITORY_NOT_FOUND", metadata=metadata)


class IssueNotFoundError(NotFoundError):
    """There is no such issue or pull request."""

    def __init__(self, repository: str, numbers: Iterable[int]) -> None:
        missing = list(numbers)
        listed = ",".join(map(str, missing[:MOST_LISTED]))
        more = f" and {len(missing) - MOST_LISTED} more" if len(missing) > MOST_LISTED else ""
        metadata = {"repository": repository, "issues": listed} | ({"count": str(len(missing))} if more else {})
        message = f"{repository} has no issue {listed}{more}; {_HINTS['issue']}"
        super().__init__(message, reason="ISSUE_NOT_FOUND", metadata=metadata)


class PullRequestNotFoundError(NotFoundError):
    """There is no such pull request."""

    def __init__(self, repository: str, which: str) -> None:
        metadata = {"repository": repository, "pullRequest": which}
        message = f"{repository} has no pull request {which}; {_HINTS['pull request']}"
        super().__init__(message, reason="PULL_REQUEST_NOT_FOUND", metadata=metadata)


class GitHubForbiddenError(PermissionDeniedError):
    """GitHub refuses the credential for this operation; `missing` says which permission it lacks, where it is known."""

    def __init__(self, repository: str, message: str, *, missing: str = "", status: int = 0) -> None:
        #: GitHub's own status: 401 where it does not know the credential, 403 where it may not do this; 0: neither.
        self.status = status
        hint = f"; the credential lacks {missing}" if missing else ""
        metadata = {"repository": repository} | ({"missing": missing} if missing else {})
        super().__init__(f"GitHub refuses: {message}{hint}", reason="GITHUB_FORBIDDEN", metadata=metadata)


class GitHubRefusedError(FailedPreconditionError):
    """GitHub understood the write and does not accept it."""

    def __init__(self, message: str) -> None:
        short = message if len(message) <= MOST_METADATA else f"{message[:MOST_METADATA]}…"
        super().__init__(f"GitHub refuses: {message}", reason="GITHUB_REFUSED", metadata={"message": short})


class OtherPullRequestOpenError(FailedPreconditionError):
    """Another branch of ours has an open pull request for the issue, and only one is wanted."""

    def __init__(self, repository: str, issue: int, *, url: str, said: str) -> None:
        remedy = "Merge or close it, then try this one again, or accept a second one (PULL_REQUEST_OPEN)"
        super().__init__(
            f"{said} No second one was opened. {remedy}.",
            reason="OTHER_PULL_REQUEST_OPEN",
            metadata={"repository": repository, "issue": str(issue), "url": url},
        )


class GitHubUnavailableError(UnavailableError):
    """GitHub could not be reached or answered with a server error.

    `too_much` is true where a smaller query may succeed: GitHub's own timeout (502, 504) or a resource limit.
    """

    def __init__(
        self, what: str, *, status: int = 0, too_much: bool = False, retry_after: timedelta | None = None
    ) -> None:
        metadata = {"status": str(status)} if status else {}
        super().__init__(
            f"GitHub is not available: {what}",
            reason="GITHUB_UNAVAILABLE",
            metadata=metadata,
            retry_after=retry_after,
        )
        self.too_much = too_much or status in {502, 504}


class MayHaveActedError(GitHubUnavailableError):
    """A write that must not be done twice failed, and GitHub may have done it: look before it is tried again."""


class RateLimitedError(ResourceExhaustedError):
    """A limit of GitHub would be passed before the caller's deadline, or a cap of ours is reached.

    Args:
        resource: `core`, `graphql`, or the cap.
        retry_after: When to come back.
        limit: Which limit of it, for example `minute`, `content-hour`, `blocked`; empty where there is only one.
        repository: Where the limit is a repository's.
        beyond: What GitHub said, where it asked for a longer wait than is kept.
    """

    def __init__(
        self, resource: str, retry_after: timedelta, *, limit: str = "", repository: str = "", beyond: str = ""
    ) -> None:
        #: Longer than any caller waits: there is no use in a further try.
        self.is_beyond = bool(beyond)
        name = f"{resource} ({limit})" if limit else resource
        message = (
            f"{repository}'s limit {name} is reached" if repository else f"GitHub's {name} limit is used up for now"
        )
        if beyond:
            message += f"; GitHub asks to wait until or for {beyond!r}, and is asked again after an hour at the latest"
        metadata = {"resource": resource, "limit": limit, "repository": repository}
        super().__init__(
            message,
            reason="GITHUB_RATE_LIMITED",
            metadata={key: value for key, value in metadata.items() if value},
            retry_after=retry_after,
        )


class ReadTimedOutError(DeadlineExceededError):
    """The caller's time was over before GitHub had answered."""

    def __init__(self) -> None:
        super().__init__("GitHub had not answered in time", reason="GITHUB_UNAVAILABLE")


class MalformedAnswerError(InternalError):
    """GitHub answered with something that is not what it documents."""

    def __init__(self) -> None:
        super().__init__("GitHub's answer could not be understood", reason="GITHUB_MALFORMED_ANSWER")


class CredentialMissingError(UnavailableError):
    """A file that should hold a secret is not there, or is empty."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no secret can be read from {path}", reason="GITHUB_UNAVAILABLE", metadata={"path": path})


class AppNotInstalledError(NotFoundError):
    """The GitHub App is not installed at the repository's owner, or is suspended there."""

    def __init__(self, owner: str, *, suspended: bool = False) -> None:
        what = "suspended" if suspended else "not installed"
        super().__init__(
            f"the GitHub App is {what} at {owner or 'any account'}; install it there, or correct the name",
            reason="REPOSITORY_NOT_FOUND",
            metadata={"repository": f"{owner}/"},
        )


class RepositoryNotAllowedError(PermissionDeniedError):
    """The repository is not on the gateway's list."""

    def __init__(self, repository: str) -> None:
        super().__init__(
            f"{repository} is not among the repositories that this gateway serves",
            reason="REPOSITORY_NOT_ALLOWED",
            metadata={"repository": repository},
        )


class GrantSupersededError(PermissionDeniedError):
    """A newer lease of the same task has written: the holder of this one was replaced and does not know it yet."""

    def __init__(self, task: str) -> None:
        message = f"A newer lease of {task} has written; this one is over."
        super().__init__(message, reason="GRANT_SUPERSEDED", metadata={"task": task})
