"""The GraphQL queries on a repository and its numbers before work begins; a test checks each against the schema.

Fields that an older GitHub Enterprise Server may lack are optional: what GitHub does not know is left out, and asked
no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

#: Texts that are remembered: the sizes that batches take, with and without what a GitHub lacks.
TEXTS = 256
#: Pull requests of an issue that are read; the others are counted by GitHub.
PULL_REQUESTS = 10
#: GitHub assigns at most ten people to an issue (docs.github.com, "Assigning issues and pull requests").
ASSIGNEES = 10
#: GitHub's largest page.
PAGE = 100

#: Fields of a repository that a GitHub may lack, with what is not known without them.
OF_REPOSITORY = {
    "isDisabled": "whether the repository is disabled",
    "isLocked": "whether the repository is locked while it moves",
    "hasIssuesEnabled": "whether the repository has issues switched on",
    "viewerPermission": "which role the credential's account has",
}
_PULL_REQUEST = "number url state headRefName isCrossRepository author { login }"
#: Where the field is lacking, mentions tell which pull requests will close an issue.
CLOSED_BY = "closedByPullRequestsReferences"
_CLOSED_BY = f"{CLOSED_BY}(first: {PULL_REQUESTS}) {{ totalCount nodes {{ {_PULL_REQUEST} }} }}"
_MENTIONS = (
    f"timelineItems(first: {PAGE}, itemTypes: [CROSS_REFERENCED_EVENT]) {{ pageInfo {{ hasNextPage }} nodes {{ "
    f"... on CrossReferencedEvent {{ willCloseTarget source {{ ... on PullRequest {{ {_PULL_REQUEST} }} }} }} }} }}"
)
#: Connections of an issue, by which GitHub reckons the cost.
CONNECTIONS = 2
#: How GitHub, and the library behind the simulated one, name a field that they do not know.
_UNKNOWN = re.compile(r"Field '(\w+)' doesn't exist on type|Cannot query field '(\w+)' on type")


def unknown_fields(message: str) -> set[str]:
    """Return the fields that a refusal says it does not know."""
    return {first or second for first, second in _UNKNOWN.findall(message)}


@lru_cache(maxsize=TEXTS)
def check_repository(*, branch: bool, without: frozenset[str]) -> str:
    """Return the query on a repository: `$owner`, `$name`, and with *branch* `$base`, the base branch's full name."""
    declared, base = (", $base: String!", "base: ref(qualifiedName: $base) { name } ") if branch else ("", "")
    optional = " ".join(name for name in OF_REPOSITORY if name not in without)
    return (
        f"query CheckRepository($owner: String!, $name: String!{declared}) {{ "
        "repository(owner: $owner, name: $name) { "
        f"nameWithOwner isPrivate isArchived {optional} defaultBranchRef {{ name }} "
        f'{base}shadow: ref(qualifiedName: "refs/heads/miyabi") {{ name }} }} }}'
    )


@lru_cache(maxsize=TEXTS)
def check_numbers(count: int, *, without: frozenset[str]) -> str:
    """Return one query on numbers of a repository: number j is alias `ij`, variable `$ij`."""
    linked = _MENTIONS if CLOSED_BY in without else _CLOSED_BY
    variables = "".join(f", $i{j}: Int!" for j in range(count))
    aliases = " ".join(f"i{j}: issueOrPullRequest(number: $i{j}) {{ ...Standing }}" for j in range(count))
    return (
        f"query CheckNumbers($owner: String!, $name: String!{variables}) {{ "
        f"r0: repository(owner: $owner, name: $name) {{ {aliases} }} }} "
        "fragment Standing on IssueOrPullRequest { __typename "
        "... on Issue { id number issueState: state locked repository { nameWithOwner } "
        f"assignees(first: {ASSIGNEES}) {{ nodes {{ login }} }} {linked} }} "
        "... on PullRequest { id number pullState: state locked repository { nameWithOwner } } }"
    )


def lacking(names: Iterable[str]) -> list[str]:
    """Return what is not known where a GitHub lacks fields of a repository, a sentence each."""
    return [f"This GitHub does not tell {OF_REPOSITORY[name]}." for name in OF_REPOSITORY if name in set(names)]
