"""GraphQL queries that read issues, pull requests and repositories; a test checks each against GitHub's schema.

Those of labels, of open pull requests and of what stands in the way have modules of their own.

Everything that differs from call to call is a variable, so the text of a query depends only on its shape and on how
many things it asks for: it is built, parsed and printed once.
"""

from __future__ import annotations

from functools import lru_cache

from miyabi_github_gateway.models import IssueField, Kind, Shape

#: GitHub's largest page, and the most ids that `nodes` takes.
PAGE = 100
#: Texts that are remembered: some shapes times the sizes that batches take.
TEXTS = 1024

_PAGE_INFO = "pageInfo { hasNextPage endCursor }"
_NUMBERED = "number repository { nameWithOwner }"
_HAPPENED = "createdAt actor { login }"
_EVENTS = (
    f"__typename ... on ClosedEvent {{ {_HAPPENED} }} ... on ReopenedEvent {{ {_HAPPENED} }} "
    f"... on LabeledEvent {{ {_HAPPENED} label {{ name }} }} ... on UnlabeledEvent {{ {_HAPPENED} label {{ name }} }} "
    f"... on CrossReferencedEvent {{ {_HAPPENED} source {{ "
    f"... on Issue {{ {_NUMBERED} }} ... on PullRequest {{ {_NUMBERED} }} }} }}"
)
#: What of an issue comes in pages, with what is wanted of each entry.
CONNECTIONS = {
    IssueField.LABELS: ("labels", "name"),
    IssueField.COMMENTS: ("comments", "id author { login } body createdAt"),
    IssueField.PLANNING: ("assignees", "login"),
    IssueField.RELATIONS: ("subIssues", _NUMBERED),
    IssueField.TIMELINE: ("timelineItems", _EVENTS),
}
#: What a connection is asked for beside its page.
_ARGUMENTS = {
    IssueField.TIMELINE: (
        ", itemTypes: [CLOSED_EVENT, REOPENED_EVENT, LABELED_EVENT, UNLABELED_EVENT, CROSS_REFERENCED_EVENT]"
    ),
}
_HEADING = "id number title state url author { login } createdAt updatedAt repository { nameWithOwner }"
_PULL_REQUEST = (
    "id number title body state url isDraft merged headRefName headRefOid baseRefName baseRefOid "
    "repository { nameWithOwner } "
    f"labels(first: {PAGE}) {{ nodes {{ name }} }}"
)
_REPOSITORY = "id nameWithOwner isPrivate url defaultBranchRef { name target { oid } }"
#: Name of the fragment and of GitHub's type for what has a number.
_TYPES = {Kind.ISSUE: "Issue", Kind.PULL_REQUEST: "PullRequest"}
#: How a repository is asked for a thing with a number.
_FIELDS = {Kind.ISSUE: "issue", Kind.PULL_REQUEST: "pullRequest"}


def connection(field: IssueField, *, after: str = "") -> str:
    """Return a page of a connection of an issue."""
    name, wanted = CONNECTIONS[field]
    cursor = f", after: {after}" if after else ""
    return f"{name}(first: {PAGE}{cursor}{_ARGUMENTS.get(field, '')}) {{ nodes {{ {wanted} }} {_PAGE_INFO} }}"


def issue_fields(fields: frozenset[IssueField]) -> str:
    """Return the fragment of an issue with what is wanted, and nothing else."""
    wanted = [_HEADING]
    wanted += ["body"] if IssueField.BODY in fields else []
    wanted += [connection(field) for field in CONNECTIONS if field in fields]
    wanted += ["milestone { title }"] if IssueField.PLANNING in fields else []
    return f"fragment Wanted on Issue {{ {' '.join(wanted)} }}"


def connections_of(fields: frozenset[IssueField]) -> int:
    """Return how many connections an issue is asked for: each costs a request, by GitHub's reckoning."""
    return len(fields & CONNECTIONS.keys())


def requests_of(shape: Shape, count: int) -> int:
    """Return the requests of a batch."""
    each = {Kind.ISSUE: connections_of(shape.fields), Kind.PULL_REQUEST: 1, Kind.REPOSITORY: 0}
    return count * each[shape.kind]


def requests_of_page(fields: frozenset[IssueField]) -> int:
    """Return the requests of a page of a list or a search: the page, and the connections of each issue on it."""
    return 1 + PAGE * connections_of(fields)


def _fragment(shape: Shape) -> str:
    """Return the fragment of a shape."""
    match shape.kind:
        case Kind.ISSUE:
            return issue_fields(shape.fields)
        case Kind.PULL_REQUEST:
            return f"fragment Wanted on PullRequest {{ {_PULL_REQUEST} }}"
        case _:
            return f"fragment Wanted on Repository {{ {_REPOSITORY} }}"


#: Operations by kind; they are what logs and the simulated GitHub call them.
OPERATIONS = {
    Kind.ISSUE: "BatchGetIssues",
    Kind.PULL_REQUEST: "GetPullRequest",
    Kind.REPOSITORY: "GetRepository",
}


@lru_cache(maxsize=TEXTS)
def batch_by_number(shape: Shape, sizes: tuple[int, ...], *, ids: bool) -> str:
    """Return one query for things with numbers.

    Args:
        shape: What is asked of each.
        sizes: How many of each repository; repository k is `$ok`/`$nk`, and thing j of all is alias `ij`, number `$ij`.
        ids: Whether things whose node ids are known (`$ids`) come along, as `known`.
    """
    variables, parts, place = [], [], 0
    if ids:
        variables.append("$ids: [ID!]!")
        parts.append("known: nodes(ids: $ids) { ...Wanted }")
    for index, size in enumerate(sizes):
        variables.append(f"$o{index}: String!, $n{index}: String!")
        places = range(place, place + size)
        place += size
        variables.append(", ".join(f"$i{j}: Int!" for j in places))
        aliases = " ".join(f"i{j}: {_FIELDS[shape.kind]}(number: $i{j}) {{ ...Wanted }}" for j in places)
        parts.append(f"r{index}: repository(owner: $o{index}, name: $n{index}) {{ {aliases} }}")
    return f"query {OPERATIONS[shape.kind]}({', '.join(variables)}) {{ {' '.join(parts)} }} {_fragment(shape)}"


@lru_cache(maxsize=TEXTS)
def batch_of_repositories(branches: tuple[bool, ...]) -> str:
    """Return one query for repositories; where true, number k comes with the head of branch `$bk`."""
    variables, parts = [], []
    for index, branch in enumerate(branches):
        variables.append(f"$o{index}: String!, $n{index}: String!" + (f", $b{index}: String!" if branch else ""))
        head = f" ref(qualifiedName: $b{index}) {{ name target {{ oid }} }}" if branch else ""
        parts.append(f"r{index}: repository(owner: $o{index}, name: $n{index}) {{ ...Wanted{head} }}")
    operation = OPERATIONS[Kind.REPOSITORY]
    return f"query {operation}({', '.join(variables)}) {{ {' '.join(parts)} }} {_fragment(Shape(Kind.REPOSITORY))}"


@lru_cache(maxsize=TEXTS)
def more_pages(connections: tuple[IssueField, ...]) -> str:
    """Return one query for further pages: page k of node `$dk` after `$ak`."""
    variables = ", ".join(f"$d{index}: ID!, $a{index}: String!" for index in range(len(connections)))
    parts = " ".join(
        f"p{index}: node(id: $d{index}) {{ ... on Issue {{ {connection(field, after=f'$a{index}')} }} }}"
        for index, field in enumerate(connections)
    )
    return f"query MorePages({variables}) {{ {parts} }}"


#: Whether a repository is to be seen at all; a search does not say.
FIND_REPOSITORY = (
    "query FindRepository($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { nameWithOwner } }"
)


@lru_cache(maxsize=TEXTS)
def list_issues(fields: frozenset[IssueField]) -> str:
    """Return the query that lists a repository's issues by number, oldest first."""
    return f"""
query ListIssues($owner: String!, $name: String!, $after: String, $labels: [String!], $states: [IssueState!]) {{
  repository(owner: $owner, name: $name) {{
    issues(first: {PAGE}, after: $after, labels: $labels, states: $states,
           orderBy: {{field: CREATED_AT, direction: ASC}}) {{
      nodes {{ ...Wanted }} {_PAGE_INFO}
    }}
  }}
}}
{issue_fields(fields)}
"""


@lru_cache(maxsize=TEXTS)
def search_issues(fields: frozenset[IssueField]) -> str:
    """Return the query that searches issues."""
    return f"""
query SearchIssues($text: String!, $after: String) {{
  search(query: $text, type: ISSUE, first: {PAGE}, after: $after) {{
    nodes {{ ... on Issue {{ ...Wanted }} }} {_PAGE_INFO}
  }}
}}
{issue_fields(fields)}
"""
