"""What the gateway's use cases need of GitHub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.models import (
    ALL_KINDS,
    Change,
    Credential,
    Entry,
    Issue,
    IssuePage,
    IssueSearch,
    Kind,
    Label,
    NewPullRequest,
    NewReview,
    PullRequest,
    Read,
    Shape,
    Value,
    WrittenPullRequest,
    WrittenReview,
)
from miyabi_github_gateway.target_facts import RepositoryFacts, Standing, Target

#: A thing, None where there is no such thing, or why this one could not be read.
Fetched = Value | MiyabiError | None


@dataclass(frozen=True)
class Brought:
    """What a query brought."""

    things: Mapping[Read, Fetched]
    seconds: float  #: that GitHub took for the query itself: no wait for a limit, no further pages
    size_bytes: int  #: of its answer


class BatchSource(Protocol):
    """Reads many things of one shape with one query."""

    async def read(self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], patient: bool) -> Brought:
        """Read; what is wrong with one thing stands in its own place.

        Args:
            shape: What is asked of each.
            wanted: Up to 100 things of that shape, each once, of any repositories of one owner.
            ids: Node ids that are known of some of them.
            patient: True: what failed on the way is repeated; False: the failure comes back at once.

        Raises:
            RateLimitedError: a limit would be passed before the caller's time.
            GitHubUnavailableError: GitHub did not answer; where it found the query too much, `too_much` is true.
            GitHubForbiddenError: the credential is not accepted.
            MalformedAnswerError: the answer is not what GitHub documents.
        """


class TargetSource(Protocol):
    """Reads, afresh, what tells whether work can begin in a repository."""

    async def repository(self, target: Target) -> RepositoryFacts:
        """Read the repository, the credential's rights, the rules of branches and our open pull requests.

        Raises:
            RepositoryNotFoundError: there is no such repository to be seen, or no such branch in it.
            MiyabiError: it could not be read.
        """

    async def account(self, repository: str) -> str:
        """Return our account's login; empty where GitHub does not tell."""

    async def moved(self, repository: str, numbers: Sequence[int]) -> tuple[dict[int, Standing], list[int]]:
        """Find where missing numbers were transferred to.

        Returns:
            Those that were transferred, and those that were not looked up.
        """


class SharedCache(Protocol):
    """What replicas share. It may lose anything at any time; no method raises: a cache that is away holds nothing."""

    async def get_many(self, repository: str, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what is there, of one repository (`owner/name`)."""

    async def claim(self, repository: str, keys: Sequence[str], *, force: Collection[str] = ()) -> dict[str, str]:
        """Take the right to read each key from GitHub; returns a token for each that no other replica holds.

        Args:
            repository: That the keys are of.
            keys: What is missing.
            force: Of these, the ones that are taken from whoever holds them.
        """

    async def put_many(
        self, repository: str, entries: Mapping[str, Entry], *, tokens: Mapping[str, str]
    ) -> frozenset[str]:
        """Keep entries whose token still holds, and give the tokens back; returns what was kept.

        A token holds until it expires, another replica takes it by force, or the key is dropped: so what was read
        before a change is never kept after it.
        """

    async def release(self, tokens: Mapping[str, str]) -> None:
        """Give tokens back without a value."""

    async def wait(self, repository: str, keys: Sequence[str]) -> tuple[dict[str, Entry], frozenset[str]]:
        """Wait a moment for what other replicas read.

        Returns:
            What is there now, and the keys that nobody reads any more.
        """

    async def drop(self, repository: str, keys: Sequence[str], change: Change) -> None:
        """Forget keys, everything of the repository where the change names no number, and tell every replica."""

    async def used(self, repository: str, shape: Shape) -> None:
        """Remember that a repository is in use, for the next warm-up."""

    async def recent(self, limit: int) -> list[tuple[str, Shape]]:
        """Return what was in use lately, the latest first."""


class GitHubReader(Protocol):
    """Reads. Every method may raise the errors of `miyabi_github_gateway.errors`."""

    def search(self, repository: str, wanted: IssueSearch) -> AsyncIterator[IssuePage]:
        """List issues page by page; the last page says whether there are more than were asked for."""

    async def pull_request_of(self, repository: str, head_branch: str) -> PullRequest | None:
        """Read the open pull request of a head branch, or None."""


class GitHubWriter(Protocol):
    """Writes; each is idempotent."""

    async def set_labels(
        self, repository: str, number: int, *, add: Sequence[Label], remove: Sequence[str]
    ) -> tuple[list[str], bool]:
        """Add and remove labels; returns the labels and whether anything changed."""

    async def upsert_comment(self, repository: str, number: int, *, marker: str, body: str) -> tuple[str, bool]:
        """Write the comment of a marker; returns its page and whether it is new."""

    async def post_review(self, repository: str, number: int, wanted: NewReview) -> WrittenReview:
        """Write the review of a marker, or edit its body."""

    async def create_pull_request(self, repository: str, wanted: NewPullRequest) -> WrittenPullRequest:
        """Open or update the pull request of a head branch."""

    async def create_issue(
        self, repository: str, *, title: str, body: str, labels: Sequence[Label], marker: str
    ) -> tuple[Issue, bool]:
        """Open the issue of a marker; returns it and whether it is new."""


class Invalidator(Protocol):
    """Forgets what is cached, on every replica."""

    async def invalidate(self, repository: str, *, number: int = 0, kinds: frozenset[Kind] = ALL_KINDS) -> None:
        """Forget what is cached of an issue or pull request; a read that is under way is answered, and not kept.

        Never raises: a cache that cannot be reached holds nothing for long.

        Args:
            repository: `owner/name`; case does not matter.
            number: Issue or pull request; 0: everything of the repository.
            kinds: What has changed; of a number, the repository's own entries are forgotten with it where they may
                follow from it (pull requests by head branch).
        """


class Credentials(Protocol):
    """Knows with which credential GitHub is asked."""

    async def of(self, owner: str) -> Credential:
        """Return the credential for the repositories of an owner; it is valid for some minutes at least.

        Args:
            owner: Account of the repository; empty: whatever is not of one account.

        Raises:
            RepositoryNotFoundError: the App is not installed at that owner.
            GitHubUnavailableError: GitHub did not give a credential.
            GitHubForbiddenError: GitHub does not accept the App's key.
            RateLimitedError: a credential would not be had in time.
        """

    def refused(self, credential: Credential) -> None:
        """Take note that GitHub answered 401: the next `of` gets another one where there is one."""

    async def account(self, owner: str) -> str:
        """Return the account that writes at an owner carry, as an App knows it; empty where only GitHub can tell.

        Raises:
            RepositoryNotFoundError: the App is not installed at that owner.
        """

    async def permissions(self, repository: str) -> Mapping[str, str] | None:
        """Return what an App may do in a repository, by permission, for example `contents`: `write`, asked afresh.

        None: it is a token, whose rights only GitHub's answers tell.

        Raises:
            RepositoryNotFoundError: the App is not installed there.
            MiyabiError: GitHub did not answer.
        """

    def first_scope(self) -> str:
        """Return the scope of a credential that is there from the start; nothing is asked for it.

        Raises:
            CredentialMissingError: its file cannot be read.
        """


class Permissions(Protocol):
    """Knows who may do what in a repository."""

    async def may_write(self, repository: str, login: str) -> bool:
        """Tell whether an account has write access or more; asked of GitHub each time.

        Raises:
            GitHubUnavailableError: GitHub did not answer.
            RateLimitedError: the wait would be too long.
        """


class BatchStarter(Protocol):
    """Hands batches to the coordinator."""

    async def start(self, repository: str, number: int, *, request_id: str) -> str:
        """Start a batch for one issue and return its name; the same *request_id* starts no second one.

        Raises:
            MiyabiError: the coordinator refused it, or did not answer.
        """


class Deliveries(Protocol):
    """Remembers, on all replicas, which webhooks were taken and what they started."""

    async def claim(self, names: Sequence[str]) -> bool:
        """Claim a delivery by its names for a while; False where one of them is claimed or kept.

        Raises:
            UnavailableError: the state store does not answer.
        """

    async def keep(self, names: Sequence[str]) -> None:
        """Turn a claim, which ends by itself soon, into a memory: the delivery was acted on."""

    async def release(self, names: Sequence[str]) -> None:
        """Forget a claim: the delivery could not be acted on, and may come again."""

    async def allowed(self, repository: str, *, per_hour: int) -> bool:
        """Count a batch of a repository, or of `*`, all of them; False where the hour has had enough.

        Raises:
            UnavailableError: the state store does not answer.
        """


class Locks(Protocol):
    """Lets one replica at a time do something."""

    def hold(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold the lock of a name for the length of the block; waits for its holder.

        Raises:
            UnavailableError: the holder did not let go in time.
        """


class Fences(Protocol):
    """Remembers, on all replicas, the newest lease of each task that has written."""

    async def pass_through(self, task: str, fencing_token: int) -> bool:
        """Tell whether no newer lease of the task has passed, and remember this one.

        Raises:
            UnavailableError: the state store does not answer.
        """
