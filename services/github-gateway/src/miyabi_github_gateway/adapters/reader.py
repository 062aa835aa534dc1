"""Reads from GitHub: GraphQL for what can be batched, REST for single pull requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gql import GraphQLRequest, gql
from graphql import ExecutionResult

from miyabi_github_gateway.adapters import queries
from miyabi_github_gateway.adapters.http import GitHubHttp, json_of
from miyabi_github_gateway.adapters.transport import GitHubTransport
from miyabi_github_gateway.errors import (
    GitHubRefusedError,
    MalformedAnswerError,
    PullRequestNotFoundError,
    RepositoryNotFoundError,
)
from miyabi_github_gateway.models import Comment, Issue, IssueField, IssueSearch, PullRequest, Repository


class GitHubApiReader:
    """Implements `ports.GitHubReader` over GitHub's APIs."""

    def __init__(self, http: GitHubHttp) -> None:
        self._http = http
        self._graphql = GitHubTransport(http)

    async def _query(self, text: str, variables: Mapping[str, Any]) -> ExecutionResult:
        """Send a query."""
        request: GraphQLRequest = gql(text)
        request.variable_values = dict(variables)
        return await self._graphql.execute(request)

    async def issues(
        self, repository: str, numbers: Sequence[int], *, fields: frozenset[IssueField]
    ) -> dict[int, Issue | None]:
        """Read up to 25 issues with one query; a missing one nulls its own entry only.

        Raises:
            RepositoryNotFoundError: there is no such repository to be seen.
        """
        owner, _, name = repository.partition("/")
        result = await self._query(queries.batch_get_issues(numbers, fields), {"owner": owner, "name": name})
        found = _repository(result, repository)
        raw = {number: found.get(f"i{number}") for number in numbers}
        async with asyncio.TaskGroup() as tasks:
            complete = {
                number: tasks.create_task(self._complete(repository, entry, fields))
                for number, entry in raw.items()
                if entry
            }
        return {number: complete[number].result() if number in complete else None for number in numbers}

    async def _complete(self, repository: str, raw: Mapping[str, Any], fields: frozenset[IssueField]) -> Issue:
        """Page an issue's comments to the end, and add what only REST knows."""
        comments = list((raw.get("comments") or {}).get("nodes") or [])
        page = (raw.get("comments") or {}).get("pageInfo") or {}
        owner, _, name = repository.partition("/")
        while page.get("hasNextPage"):
            variables = {"owner": owner, "name": name, "number": raw["number"], "after": page["endCursor"]}
            result = await self._query(queries.MORE_COMMENTS, variables)
            more = _repository(result, repository)["issue"]["comments"]
            comments += more["nodes"]
            page = more["pageInfo"]
        blocked: tuple[int, ...] = ()
        if IssueField.RELATIONS in fields:
            blocked = await self._blocked_by(repository, int(raw["number"]))
        return _issue(raw, comments=comments, blocked_by=blocked, repository=repository)

    async def _blocked_by(self, repository: str, number: int) -> tuple[int, ...]:
        """Read the issues of the same repository that block one; the GraphQL schema has no field for them."""
        answer = await self._http.rest("GET", f"/repos/{repository}/issues/{number}/dependencies/blocked_by")
        if answer.status_code == 404:
            return ()
        return tuple(
            entry["number"]
            for entry in json_of(answer)
            if entry.get("repository_url", "").endswith(f"/repos/{repository}")
        )

    async def search(self, repository: str, wanted: IssueSearch) -> AsyncIterator[list[Issue]]:
        """List issues page by page; without free text the repository's own list is used, which has no cap of 1,000.

        Raises:
            RepositoryNotFoundError: there is no such repository to be seen.
        """
        await self.repository(repository)
        plain = not (wanted.text or wanted.milestone or wanted.assignee)
        pages = self._listed(repository, wanted) if plain else self._searched(repository, wanted)
        left = wanted.limit
        async for page in pages:
            yield page[:left]
            left -= len(page)
            if left <= 0:
                return

    async def _listed(self, repository: str, wanted: IssueSearch) -> AsyncIterator[list[Issue]]:
        """List a repository's issues, oldest first."""
        owner, _, name = repository.partition("/")
        states = {"open": ["OPEN"], "closed": ["CLOSED"]}.get(wanted.state, ["OPEN", "CLOSED"])
        variables = {
            "owner": owner,
            "name": name,
            "labels": list(wanted.labels) or None,
            "states": states,
            "after": None,
        }
        more = True
        while more:
            result = await self._query(queries.list_issues(wanted.fields), variables)
            issues = _repository(result, repository)["issues"]
            yield [_issue(node, repository=repository) for node in issues["nodes"]]
            more, variables["after"] = issues["pageInfo"]["hasNextPage"], issues["pageInfo"]["endCursor"]

    async def _searched(self, repository: str, wanted: IssueSearch) -> AsyncIterator[list[Issue]]:
        """Search, lowest number first."""
        words = [f"repo:{repository}", "is:issue", "sort:created-asc", wanted.text]
        words += [f"state:{wanted.state}"] if wanted.state != "all" else []
        words += [f'label:"{label}"' for label in wanted.labels]
        words += [f'milestone:"{wanted.milestone}"'] if wanted.milestone else []
        words += [f"assignee:{wanted.assignee}"] if wanted.assignee else []
        variables: dict[str, Any] = {"text": " ".join(filter(None, words)), "after": None}
        more = True
        while more:
            result = await self._query(queries.search_issues(wanted.fields), variables)
            if result.data is None:
                raise GitHubRefusedError(_messages(result))
            found = result.data["search"]
            yield [_issue(node, repository=repository) for node in found["nodes"] if node]
            more, variables["after"] = found["pageInfo"]["hasNextPage"], found["pageInfo"]["endCursor"]

    async def repository(self, name: str, *, branch: str = "") -> Repository:
        """Read a repository with the head of a branch.

        Raises:
            RepositoryNotFoundError: there is no such repository or branch to be seen.
        """
        owner, _, short = name.partition("/")
        variables = {"owner": owner, "name": short, "ref": f"refs/heads/{branch}" if branch else "refs/heads/-"}
        found = _repository(await self._query(queries.GET_REPOSITORY, variables), name)
        default = found["defaultBranchRef"]
        head = found["ref"] if branch else default
        if head is None or default is None:
            raise RepositoryNotFoundError(name, branch=branch or "(default)")
        return Repository(
            found["nameWithOwner"],
            found["id"],
            default["name"],
            head["name"],
            head["target"]["oid"],
            found["isPrivate"],
            found["url"],
        )

    async def pull_request(self, repository: str, number: int) -> PullRequest:
        """Read a pull request by number.

        Raises:
            PullRequestNotFoundError: there is none.
        """
        answer = await self._http.rest("GET", f"/repos/{repository}/pulls/{number}")
        if answer.status_code == 404:
            raise PullRequestNotFoundError(repository, f"#{number}")
        return pull_request(json_of(answer))

    async def pull_request_of(self, repository: str, head_branch: str) -> PullRequest | None:
        """Read the open pull request of a head branch of the same repository, or None."""
        owner = repository.partition("/")[0]
        parameters = {"head": f"{owner}:{head_branch}", "state": "open"}
        answer = await self._http.rest("GET", f"/repos/{repository}/pulls", params=parameters)
        if answer.status_code == 404:
            raise RepositoryNotFoundError(repository)
        found = json_of(answer)
        return pull_request(found[0]) if found else None


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
    kinds = {str((error.extensions or {}).get("type")) for error in result.errors or []}
    if "NOT_FOUND" in kinds or (result.data is not None and not result.errors):
        raise RepositoryNotFoundError(name)
    raise GitHubRefusedError(_messages(result) or "no data")


def _moment(text: str) -> datetime:
    """Read GitHub's time."""
    return datetime.fromisoformat(text)


def _login(author: Mapping[str, Any] | None) -> str:
    """Return a login; empty where the account is gone."""
    return str(author["login"]) if author else ""


def _issue(
    raw: Mapping[str, Any], *, repository: str, comments: Sequence[Any] = (), blocked_by: tuple[int, ...] = ()
) -> Issue:
    """Build an issue from GraphQL's object."""
    try:
        return Issue(
            number=raw["number"],
            id=raw["id"],
            title=raw["title"],
            state=raw["state"].lower(),
            url=raw["url"],
            author=_login(raw["author"]),
            create_time=_moment(raw["createdAt"]),
            update_time=_moment(raw["updatedAt"]),
            body=raw.get("body") or "",
            labels=tuple(node["name"] for node in (raw.get("labels") or {}).get("nodes") or ()),
            comments=tuple(
                Comment(node["id"], _login(node["author"]), node["body"], _moment(node["createdAt"]))
                for node in comments
            ),
            assignees=tuple(node["login"] for node in (raw.get("assignees") or {}).get("nodes") or ()),
            milestone=(raw.get("milestone") or {}).get("title") or "",
            blocked_by=blocked_by,
            sub_issues=tuple(
                node["number"]
                for node in (raw.get("subIssues") or {}).get("nodes") or ()
                if node["repository"]["nameWithOwner"] == repository
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswerError from error


def pull_request(raw: Mapping[str, Any]) -> PullRequest:
    """Build a pull request from REST's object.

    Raises:
        MalformedAnswerError: a documented field is missing.
    """
    try:
        return PullRequest(
            number=raw["number"],
            id=raw["node_id"],
            title=raw["title"],
            body=raw.get("body") or "",
            state=raw["state"],
            draft=bool(raw.get("draft")),
            merged=bool(raw.get("merged_at")),
            head_branch=raw["head"]["ref"],
            head_sha=raw["head"]["sha"],
            base_branch=raw["base"]["ref"],
            url=raw["html_url"],
            labels=tuple(label["name"] for label in raw.get("labels", ())),
        )
    except (KeyError, TypeError) as error:
        raise MalformedAnswerError from error
