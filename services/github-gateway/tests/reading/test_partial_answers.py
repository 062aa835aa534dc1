"""GitHub mixes data and errors: each error harms the thing at its path, and nothing that is incomplete looks whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from aiohttp import web
from running_gateway import REPOSITORY, gateway_before
from scripted_github import scripted

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.status import from_rpc_error

#: Answers a query by its text and variables.
Answer = Callable[[str, dict[str, Any]], dict[str, Any]]
MOMENT = "2026-01-01T00:00:00Z"


def issue(number: int, **more: Any) -> dict[str, Any]:
    """Return an issue as GraphQL writes it."""
    return {
        "id": f"I_{number}", "number": number, "title": f"Issue {number}", "state": "OPEN", "url": "u",
        "author": {"login": "a"}, "createdAt": MOMENT, "updatedAt": MOMENT, "repository": {"nameWithOwner": REPOSITORY},
        **more,
    }  # fmt: skip


def comments(*names: str, more: bool = False) -> dict[str, Any]:
    """Return a page of comments; a name that is empty is a hole."""
    nodes = [{"id": name, "author": None, "body": name, "createdAt": MOMENT} if name else None for name in names]
    return {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": "c" if more else None}}


def error(kind: str, *path: str | int, message: str = "Something") -> dict[str, Any]:
    """Return an error as GitHub writes it."""
    return {"type": kind, "path": list(path), "message": message}


async def read(answer: Answer, redis_url: str, *numbers: int) -> dict[int, pb.IssueEntry]:
    """Read issues with their comments before a GitHub that answers as it is told."""

    async def serve(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        return web.json_response(answer(asked["query"], asked["variables"]))

    async with scripted(serve) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            request = pb.BatchGetIssuesRequest(repository=REPOSITORY, numbers=numbers, fields=[pb.ISSUE_FIELD_COMMENTS])
            return {
                entry.number: entry async for found in gateway.stub.BatchGetIssues(request) for entry in found.entries
            }


async def test_each_error_harms_the_issue_at_its_path(redis_url: str) -> None:
    """Of four aliases one is there, one is missing, one is forbidden, and one lacks a comment: only the first is whole."""

    def answer(_query: str, variables: dict[str, Any]) -> dict[str, Any]:
        assert [variables[f"i{place}"] for place in range(4)] == [1, 2, 3, 4]
        whole, holed = issue(1, comments=comments("x")), issue(4, comments=comments("x", ""))
        return {
            "data": {"r0": {"i0": whole, "i1": None, "i2": None, "i3": holed}},
            "errors": [
                error("NOT_FOUND", "r0", "i1"),
                error("FORBIDDEN", "r0", "i2", message="Resource not accessible"),
                error("SERVICE_UNAVAILABLE", "r0", "i3", "comments", "nodes", 1, message="A comment is missing"),
            ],
        }

    entries = await read(answer, redis_url, 1, 2, 3, 4)
    assert [number for number, entry in entries.items() if entry.HasField("issue")] == [1]
    assert [number for number, entry in entries.items() if entry.missing] == [2]
    assert ("not accessible" in entries[3].error, "A comment is missing" in entries[4].error) == (True, True)


async def test_issue_without_all_its_comments_is_an_error_and_not_half_an_issue(redis_url: str) -> None:
    """Where GitHub leaves a comment out, on the first page or on a further one, the issue says so; others are whole."""

    def answer(query: str, _variables: dict[str, Any]) -> dict[str, Any]:
        if "MorePages" in query:
            return {
                "data": {"p0": {"comments": comments("", "y")}},
                "errors": [error("SERVICE_UNAVAILABLE", "p0", "comments", "nodes", 0, message="second page")],
            }
        found = [issue(1, comments=comments("x")), issue(2, comments=comments("x", "")),
                 issue(3, comments=comments("x", more=True)), None]  # fmt: skip
        return {
            "data": {"r0": {f"i{place}": entry for place, entry in enumerate(found)}},
            "errors": [
                error("SERVICE_UNAVAILABLE", "r0", "i1", "comments", "nodes", 1, message="first page"),
                error("NOT_FOUND", "r0", "i3"),
            ],
        }

    entries = await read(answer, redis_url, 1, 2, 3, 4)
    assert [comment.body for comment in entries[1].issue.comments] == ["x"]
    assert ("first page" in entries[2].error, "second page" in entries[3].error) == (True, True)
    assert entries[4].missing
    assert [number for number, entry in entries.items() if entry.HasField("issue")] == [1]


async def test_issue_that_takes_too_long_is_asked_for_again_alone(redis_url: str) -> None:
    """GraphQL gives up on one alias of three: the two others come from the first answer, the third from a smaller one."""
    asked: list[int] = []

    def answer(_query: str, variables: dict[str, Any]) -> dict[str, Any]:
        numbers = [value for name, value in sorted(variables.items()) if name.startswith("i")]
        asked.append(len(numbers))
        found: dict[str, Any] = {f"i{p}": issue(n, comments=comments("x")) for p, n in enumerate(numbers)}
        if len(numbers) == 1:
            return {"data": {"r0": found}}
        late = error("RESOURCE_LIMITS_EXCEEDED", "r0", "i2", message="Resource limits for this query exceeded.")
        return {"data": {"r0": found | {"i2": None}}, "errors": [late]}

    entries = await read(answer, redis_url, 1, 2, 3)
    assert [entry.error for entry in entries.values() if entry.error] == []
    assert asked == [3, 1]


@pytest.mark.parametrize("text", ["", "words"], ids=["listed", "searched"])
async def test_list_with_a_hole_is_an_error(redis_url: str, text: str) -> None:
    """A page of which GitHub could not read one issue is refused, since nobody would see that it is missing."""
    page = {"nodes": [issue(1), None], "pageInfo": {"hasNextPage": False, "endCursor": None}}

    async def serve(request: web.Request) -> web.Response:
        query = json.loads(await request.read())["query"]
        if "FindRepository" in query:
            return web.json_response({"data": {"repository": {"id": "R_1"}}})
        path = ("search", "nodes", 1) if text else ("repository", "issues", "nodes", 1)
        data = {"search": page} if text else {"repository": {"issues": page}}
        return web.json_response({"data": data, "errors": [error("SERVICE_UNAVAILABLE", *path, message="a hole")]})

    async with scripted(serve) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [found async for found in gateway.stub.SearchIssues(pb.SearchIssuesRequest(repository=REPOSITORY, text=text))]  # fmt: skip
    assert "a hole" in from_rpc_error(caught.value).message
