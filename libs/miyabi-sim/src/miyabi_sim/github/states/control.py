"""The control routes that put repositories and issues into states in which GitHub refuses things."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from miyabi_sim.github.errors import GitHubError
from miyabi_sim.github.gitrepo import GitFailedError
from miyabi_sim.github.routes.wire import number_in_path, read_json
from miyabi_sim.github.states.setting import States

_REPO = "/_sim/repos/{owner}/{repo}"


class ControlStates:
    """Handlers for scenarios that run beside the simulated GitHub; each takes JSON and answers what is there now."""

    def __init__(self, states: States) -> None:
        self._states = states

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes."""
        return [
            web.route("PUT", _REPO, self.repository, name="sim.repository"),
            web.route("PUT", f"{_REPO}/issues/{{number}}", self.issue, name="sim.issue"),
            web.route("POST", f"{_REPO}/issues/{{number}}/transfer", self.transfer, name="sim.transfer"),
            web.route("POST", f"{_REPO}/rulesets", self.rule, name="sim.rule"),
            web.route("POST", f"{_REPO}/forks", self.fork, name="sim.fork"),
            web.route("POST", f"{_REPO}/rewrite", self.rewrite, name="sim.rewrite"),
        ]

    async def repository(self, request: web.Request) -> web.Response:
        """Set fields of a repository, as `States.repository` takes them."""
        return web.json_response(self._states.repository(_name(request), **await read_json(request)).header())

    async def issue(self, request: web.Request) -> web.Response:
        """Set fields of an issue, as `States.issue` takes them."""
        item = self._states.issue(_name(request), number_in_path(request), **await read_json(request))
        return web.json_response({"number": item.number, "state": item.state, "locked": item.locked})

    async def transfer(self, request: web.Request) -> web.Response:
        """Move an issue to the repository `to`."""
        target = _text(await read_json(request), "to")
        issue = self._states.transfer(_name(request), number_in_path(request), to=target)
        return web.json_response({"repository": issue.repository, "number": issue.number})

    async def rule(self, request: web.Request) -> web.Response:
        """Add a ruleset of `rules` for the branches `include`."""
        body = await read_json(request)
        rules, include = body.get("rules"), body.get("include", ["~ALL"])
        if not isinstance(rules, list) or not isinstance(include, list):
            raise GitHubError(422, "rules and include must be lists")
        bypassed = body.get("bypassed") is True
        ruleset = self._states.rule(_name(request), *rules, include=tuple(include), bypassed=bypassed)
        return web.json_response({"id": ruleset.id})

    async def fork(self, request: web.Request) -> web.Response:
        """Fork the repository to the account `owner`."""
        owner = _text(await read_json(request), "owner")
        fork = await asyncio.to_thread(self._states.fork, _name(request), owner=owner)
        return web.json_response({"full_name": fork.full_name})

    async def rewrite(self, request: web.Request) -> web.Response:
        """Force the branch `branch` to a new history."""
        branch = _text(await read_json(request), "branch")
        try:
            commit = await asyncio.to_thread(self._states.rewrite, _name(request), branch)
        except GitFailedError as error:
            raise GitHubError(422, str(error)) from error
        return web.json_response({"commit": commit})


def _name(request: web.Request) -> str:
    return f"{request.match_info['owner']}/{request.match_info['repo']}"


def _text(body: dict[str, Any], name: str) -> str:
    """Return a text of the body.

    Raises:
        GitHubError: 422 it is missing, or none.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise GitHubError(422, f"{name} must be a text")
    return value
