"""Lists and searches issues page by page, and finds the pull request of a branch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphql import ExecutionResult

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.adapters.graphql import queries
from miyabi_github_gateway.adapters.graphql.issue_assembly import IssueAssembly
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.graphql.values import kind_of, meaning
from miyabi_github_gateway.adapters.rest.reads import RestReads
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.errors import GitHubRefusedError, RepositoryNotFoundError
from miyabi_github_gateway.models import Issue, IssueField, IssuePage, IssueSearch, Kind, PullRequest, Read, Shape
from miyabi_github_gateway.service.search_text import search_text

#: GitHub hands out no more results of one search (docs.github.com, "About search").
MOST_RESULTS = 1000


class GitHubApiReader:
    """Implements `ports.GitHubReader` over GitHub's APIs."""

    def __init__(self, transport: GitHubTransport, rest: RestReads, assembly: IssueAssembly) -> None:
        self._transport = transport
        self._rest = rest
        self._assembly = assembly

    async def _query(
        self, text: str, variables: Mapping[str, Any], *, repository: str, requests: int
    ) -> ExecutionResult:
        """Send a query."""
        request = PreparedRequest(text, variables, requests=requests)
        return await self._transport.execute(request, owner=repository.partition("/")[0])

    async def search(self, repository: str, wanted: IssueSearch) -> AsyncIterator[IssuePage]:
        """List issues page by page; without free text the repository's own list is used, which has no cap of 1,000.

        What stands on a page beyond the limit is left out, which that page says.

        Raises:
            RepositoryNotFoundError: there is no such repository to be seen.
        """
        plain = not (wanted.text or wanted.milestone or wanted.assignee)
        pages = self._listed(repository, wanted) if plain else self._searched(repository, wanted)
        left = wanted.limit
        async for page, is_last in pages:
            more = len(page) > left or (len(page) == left and not is_last)
            if page or more:
                yield IssuePage(tuple(page[:left]), more=more)
            left -= len(page)
            if left <= 0:
                return

    async def _listed(self, repository: str, wanted: IssueSearch) -> AsyncIterator[tuple[list[Issue], bool]]:
        """List a repository's issues, oldest first, each page with whether it is the last.

        GitHub's list takes issues with any of several labels; those that carry all are chosen here.
        """
        owner, _, name = repository.partition("/")
        several = len(wanted.labels) > 1
        fields = wanted.fields | ({IssueField.LABELS} if several else set())
        states = {"open": ["OPEN"], "closed": ["CLOSED"]}.get(wanted.state, ["OPEN", "CLOSED"])
        variables = {"owner": owner, "name": name, "labels": list(wanted.labels[:1]) or None, "states": states}
        requests = queries.requests_of_page(fields)
        cursor: str | None = None
        more = True
        while more:
            result = await self._query(
                queries.list_issues(fields), variables | {"after": cursor}, repository=repository, requests=requests
            )
            found = _repository(result, repository)["issues"]
            _refuse_holes(result, repository)
            page = await self._built(repository, found["nodes"], fields)
            if several:
                page = [_without_labels(issue, wanted) for issue in page if _carries(issue, wanted.labels)]
            more, cursor = found["pageInfo"]["hasNextPage"], found["pageInfo"]["endCursor"]
            yield page, not more

    async def _searched(self, repository: str, wanted: IssueSearch) -> AsyncIterator[tuple[list[Issue], bool]]:
        """Search, oldest first; beyond what GitHub hands out of one search, from the moment where that ends.

        Each page comes with whether it is the last.

        Raises:
            GitHubRefusedError: more match than can be told apart by when they were opened.
            InvalidArgumentError: it asks beyond the repository.
        """
        text = search_text(repository, wanted)
        owner, _, name = repository.partition("/")
        found = await self._query(
            queries.FIND_REPOSITORY, {"owner": owner, "name": name}, repository=repository, requests=0
        )
        home = _repository(found, repository).get("nameWithOwner", repository)
        seen: set[int] = set()
        since = ""
        while True:
            count, last = 0, ""
            async for nodes, is_last in self._results(repository, text + since, wanted.fields):
                page = await self._built(repository, [node for node in nodes if _is_of(node, home)], wanted.fields)
                count += len(nodes)
                last = nodes[-1]["createdAt"] if nodes else last
                yield [issue for issue in page if issue.number not in seen], is_last and count < MOST_RESULTS
                seen |= {issue.number for issue in page}
            if count < MOST_RESULTS:
                return
            if since == f" created:>={last}":
                raise GitHubRefusedError(f"more than {MOST_RESULTS} issues of one second match: narrow the search")
            since = f" created:>={last}"

    async def _results(
        self, repository: str, text: str, fields: frozenset[IssueField]
    ) -> AsyncIterator[tuple[list[Mapping[str, Any]], bool]]:
        """Search once, page by page, each with whether it is the last."""
        requests = queries.requests_of_page(fields)
        cursor: str | None = None
        more = True
        while more:
            variables = {"text": text, "after": cursor}
            result = await self._query(
                queries.search_issues(fields), variables, repository=repository, requests=requests
            )
            if result.data is None:
                raise GitHubRefusedError(_messages(result))
            _refuse_holes(result, repository)
            page = result.data["search"]
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
            yield [node for node in page["nodes"] if node], not more

    async def _built(
        self, repository: str, nodes: Sequence[Mapping[str, Any] | None], fields: frozenset[IssueField]
    ) -> list[Issue]:
        """Build a page; a list with a hole would look like a whole one, so one that fails fails the page.

        Raises:
            MiyabiError: an issue could not be completed.
        """
        shape = Shape(Kind.ISSUE, fields)
        raws = {Read(repository, shape, node["number"]): node for node in nodes if node}
        built = await self._assembly.build(raws, fields)
        page = []
        for read in raws:
            value = built[read]
            if isinstance(value, MiyabiError):
                raise value
            assert isinstance(value, Issue)
            page.append(value)
        return page

    async def pull_request_of(self, repository: str, head_branch: str) -> PullRequest | None:
        """Read the open pull request of a head branch of the same repository, or None.

        It is always asked of GitHub, since it decides whether another one is opened; unchanged, it costs nothing.

        Raises:
            RepositoryNotFoundError: there is no such repository to be seen.
        """
        return await self._rest.pull_request_of(repository, head_branch)


def _is_of(node: Mapping[str, Any], home: str) -> bool:
    """Return whether an issue is the repository's own: whatever a search finds elsewhere was not asked for."""
    return bool(node["repository"]["nameWithOwner"].casefold() == home.casefold())


def _carries(issue: Issue, labels: Sequence[str]) -> bool:
    """Return whether an issue carries all labels; GitHub ignores their case."""
    carried = {label.casefold() for label in issue.labels}
    return all(label.casefold() in carried for label in labels)


def _without_labels(issue: Issue, wanted: IssueSearch) -> Issue:
    """Return an issue without labels where nobody asked for them."""
    return issue if IssueField.LABELS in wanted.fields else replace(issue, labels=())


def _refuse_holes(result: ExecutionResult, repository: str) -> None:
    """Refuse a page of which GitHub says that something is missing.

    Raises:
        MiyabiError: why.
    """
    for error in result.errors or []:
        raise meaning(error, repository) or GitHubRefusedError(error.message)


def _messages(result: ExecutionResult) -> str:
    """Return what GraphQL said."""
    return "; ".join(error.message for error in result.errors or [])


def _repository(result: ExecutionResult, name: str) -> dict[str, Any]:
    """Return the repository of an answer.

    Raises:
        RepositoryNotFoundError: there is none to be seen.
        GitHubRefusedError: GraphQL refused the query.
    """
    found = (result.data or {}).get("repository")
    if found is not None:
        repository: dict[str, Any] = found
        return repository
    if result.data is not None and (not result.errors or "NOT_FOUND" in map(kind_of, result.errors)):
        raise RepositoryNotFoundError(name)
    raise GitHubRefusedError(_messages(result) or "no data")
