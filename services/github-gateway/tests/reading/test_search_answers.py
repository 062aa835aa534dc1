"""A search hands out its repository's issues, whatever GitHub answers."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from running_gateway import REPOSITORY, gateway_before
from scripted_github import scripted

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb

MOMENT = "2026-01-01T00:00:00Z"


async def test_what_github_finds_elsewhere_is_dropped(redis_url: str) -> None:
    """GitHub reads a search in a way of its own and answers with another repository's issue: nobody sees it."""

    def issue(number: int, home: str) -> dict[str, Any]:
        return {
            "id": f"I_{number}", "number": number, "title": home, "state": "OPEN", "url": "u", "author": None,
            "createdAt": MOMENT, "updatedAt": MOMENT, "repository": {"nameWithOwner": home},
        }  # fmt: skip

    nodes = [issue(1, "Acme/Renamed"), issue(2, "evil/private"), issue(3, "acme/toy-private"), issue(4, "acme/renamed")]

    async def serve(request: web.Request) -> web.Response:
        if "FindRepository" in json.loads(await request.read())["query"]:
            return web.json_response({"data": {"repository": {"nameWithOwner": "acme/renamed"}}})
        page = {"nodes": nodes, "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return web.json_response({"data": {"search": page}})

    async with scripted(serve) as github:
        subject: Any = github
        async with gateway_before(subject, "t", redis_url) as gateway:
            request = pb.SearchIssuesRequest(repository=REPOSITORY, text="crash")
            found = [issue.number async for answer in gateway.stub.SearchIssues(request) for issue in answer.issues]
    assert found == [1, 4]
