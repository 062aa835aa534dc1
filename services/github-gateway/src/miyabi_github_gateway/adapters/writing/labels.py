"""Sets the labels of an issue with one query and one mutation; sends no mutation where nothing differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import ExecutionResult

from miyabi_github_gateway.adapters.graphql import label_queries, values
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.errors import (
    GitHubRefusedError,
    GitHubUnavailableError,
    IssueNotFoundError,
    MalformedAnswerError,
    RepositoryNotFoundError,
)
from miyabi_github_gateway.models import Label
from miyabi_github_gateway.service.governor import Cost

#: Looks at most, where a label or the issue goes away between the look and the write.
LOOKS = 3


@dataclass(frozen=True)
class _Item:
    """An issue or pull request with its labels, and the labels of its repository that were asked for.

    Args:
        id: Its node id.
        labels: Node ids by name.
        known: Node ids of the repository's labels, by name without case.
    """

    id: str
    labels: Mapping[str, str]
    known: Mapping[str, str]


class LabelWriter:
    """Adds and removes the labels of an issue or pull request.

    Labels are added and removed by id, never replaced as a whole: what others set meanwhile stays.

    Args:
        http: Creates labels.
        transport: Sends the query and the mutation.
    """

    def __init__(self, http: GitHubHttp, transport: GitHubTransport) -> None:
        self._http = http
        self._transport = transport

    async def set(
        self, repository: str, number: int, *, add: Sequence[Label], remove: Sequence[str]
    ) -> tuple[list[str], bool]:
        """Add and remove labels; a label that is in both is added.

        Returns:
            The labels afterwards, sorted, and whether anything was changed.

        Raises:
            RepositoryNotFoundError: there is no such repository.
            IssueNotFoundError: there is no such issue, or the credential may not write to it.
            GitHubForbiddenError: the credential may not set labels.
            GitHubRefusedError: GitHub does not take a label.
            GitHubUnavailableError: labels went away again and again while they were set.
        """
        wanted = {label.name.casefold(): label for label in reversed(add)}
        unwanted = {name.casefold() for name in remove} - wanted.keys()
        changed = False
        for _ in range(LOOKS):
            item = await self._look(repository, number, list(wanted.values()))
            have = {name.casefold() for name in item.labels}
            missing = [label for folded, label in wanted.items() if folded not in have]
            surplus = [node for name, node in item.labels.items() if name.casefold() in unwanted]
            if not missing and not surplus:
                return sorted(item.labels), changed
            ids = [await self._id(repository, number, label, item.known) for label in missing]
            if None in ids:
                continue
            left, is_whole = await self._change(repository, item.id, add=ids, remove=surplus)
            changed = changed or left is not None
            if left is not None and is_whole:
                return sorted(left), changed
        raise GitHubUnavailableError("labels were removed while they were set; repeat")

    async def _look(self, repository: str, number: int, wanted: Sequence[Label]) -> _Item:
        """Read the labels of an issue, and the ids of those that are wanted."""
        owner, _, name = repository.partition("/")
        names = {f"l{index}": label.name for index, label in enumerate(wanted)}
        variables = {"owner": owner, "name": name, "number": number, **names}
        result = await self._sent(label_queries.find_labels(len(wanted)), variables, owner)
        found = (result.data or {}).get("repository")
        _raise_first(result, repository)
        if found is None:
            raise RepositoryNotFoundError(repository)
        if found["item"] is None:
            raise IssueNotFoundError(repository, [number])
        try:
            known = [found[alias] for alias in names if found[alias]]
            return _Item(
                found["item"]["id"],
                _labels_of(found["item"]),
                {label["name"].casefold(): label["id"] for label in known},
            )
        except (KeyError, TypeError) as error:
            raise MalformedAnswerError from error

    async def _id(self, repository: str, number: int, label: Label, known: Mapping[str, str]) -> str | None:
        """Return a label's id; one that the repository does not have is created. None: look again."""
        if label.name.casefold() in known:
            return known[label.name.casefold()]
        body = {"name": label.name, "color": label.color or "ededed", "description": label.description}
        try:
            answer = await self._http.rest("POST", f"/repos/{repository}/labels", cost=Cost.WRITE, json=body)
        except GitHubRefusedError as error:
            if "already_exists" in error.message:
                return None
            raise
        if answer.status_code == 404:
            raise IssueNotFoundError(repository, [number])
        return str(json_of(answer)["node_id"])

    async def _change(
        self, repository: str, target: str, *, add: Sequence[str | None], remove: Sequence[str]
    ) -> tuple[list[str] | None, bool]:
        """Send the mutation.

        Returns:
            The labels that are left, None where nothing was done, and whether every part was done.
        """
        parts = {name: list(ids) for name, ids in (("add", add), ("remove", remove)) if ids}
        text = label_queries.set_labels(add=bool(add), remove=bool(remove))
        result = await self._sent(text, {"target": target, **parts}, repository.partition("/")[0], cost=Cost.WRITE)
        _raise_first(result, repository)
        done = [part for name in parts if (part := (result.data or {}).get(name)) and part.get("labelable")]
        return (list(_labels_of(done[-1]["labelable"])) if done else None), len(done) == len(parts)

    async def _sent(
        self, text: str, variables: Mapping[str, Any], owner: str, *, cost: Cost = Cost.READ
    ) -> ExecutionResult:
        """Send a text."""
        request = PreparedRequest(text, variables, requests=label_queries.CONNECTIONS)
        return await self._transport.execute(request, owner=owner, cost=cost)


def _labels_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """Return node ids by name.

    Raises:
        MalformedAnswerError: a documented field is missing.
    """
    try:
        return {label["name"]: label["id"] for label in raw["labels"]["nodes"]}
    except (KeyError, TypeError) as error:
        raise MalformedAnswerError from error


def _raise_first(result: ExecutionResult, repository: str) -> None:
    """Raise the first error that is more than that something is not there."""
    for error in result.errors or ():
        problem = values.meaning(error, repository)
        if problem is not None:
            raise problem
