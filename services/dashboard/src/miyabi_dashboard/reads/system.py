"""Reads of the system over HTTP: who asks, agents, limits, caches, what was measured."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from aiohttp import web

from miyabi.coordinator.v1 import batch_pb2, limits_pb2
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_core.access.identity import current_identity
from miyabi_dashboard.gateway import GatewayClient
from miyabi_dashboard.policy import READ
from miyabi_dashboard.serving.parameters import PAGE_TOKEN, array_of, object_of, page_size
from miyabi_dashboard.serving.query import Query
from miyabi_dashboard.serving.routes import Route
from miyabi_dashboard.upstream import CALL_SECONDS, Upstream, as_dict

#: Steps of limits that follow what their targets bear, newest first.
MOST_STEPS = 200
_KNOWN_OR_NOT = {"type": ["boolean", "null"]}


class SystemReads:
    """Serves reads of the system.

    Args:
        upstream: Knows agents.
        gateway: Knows limits and caches.
        simulated: By name, `github` and `model`, whether it is; None: nobody said.
        knows_callers: False: identity is off.
    """

    def __init__(
        self, upstream: Upstream, gateway: GatewayClient, *, simulated: dict[str, bool | None], knows_callers: bool
    ) -> None:
        self._upstream = upstream
        self._gateway = gateway
        self._simulated = simulated
        self._knows_callers = knows_callers

    def routes(self) -> list[Route]:
        """Return the routes."""
        me = object_of(
            identity={"type": "string"}, roles=array_of({"type": "string"}), version={"type": "string"},
            identityOff={"type": "boolean"}, simulated=object_of(github=_KNOWN_OR_NOT, model=_KNOWN_OR_NOT),
        )  # fmt: skip
        agents = object_of(agents=array_of(batch_pb2.Agent), nextPageToken={"type": "string"})
        limits = object_of(
            limits=array_of(gateway_pb.RateLimit), steps=array_of(limits_pb2.LimitStep), stepsCut={"type": "boolean"}
        )
        caches = gateway_pb.GetCacheCountersResponse
        return [
            Route("GET", "/api/me", self._me, "Who asks, and what may be done.", me, READ),
            Route(
                "GET", "/api/agents", self._agents, "Attached agents.", agents, READ, (page_size(1000, 100), PAGE_TOKEN)
            ),
            Route("GET", "/api/limits", self._limits, "GitHub's limits, and how limits follow targets.", limits, READ),
            Route("GET", "/api/caches", self._caches, "What the gateway's caches counted.", caches, READ),
        ]  # fmt: skip

    async def _me(self, request: web.Request, query: Query) -> Any:
        """Answer who asks."""
        del request, query
        identity = current_identity()
        return {
            "identity": identity.name, "roles": sorted(role.value for role in identity.roles),
            "version": version("miyabi-dashboard"), "identityOff": not self._knows_callers,
            "simulated": self._simulated,
        }  # fmt: skip

    async def _agents(self, request: web.Request, query: Query) -> Any:
        """Answer a page of agents."""
        del request
        wanted = pb.ListAgentsRequest(page_size=query["pageSize"], page_token=query.get("pageToken", ""))
        answer = await self._upstream.stub.ListAgents(wanted, timeout=CALL_SECONDS)
        return {"agents": [as_dict(agent) for agent in answer.agents], "nextPageToken": answer.next_page_token}

    async def _limits(self, request: web.Request, query: Query) -> Any:
        """Answer limits."""
        del request, query
        limits = await self._gateway.stub.GetRateLimits(gateway_pb.GetRateLimitsRequest(), timeout=CALL_SECONDS)
        wanted = pb.ListLimitStepsRequest(page_size=MOST_STEPS)
        steps = await self._upstream.stub.ListLimitSteps(wanted, timeout=CALL_SECONDS)
        return {
            "limits": [as_dict(limit) for limit in limits.limits], "steps": [as_dict(step) for step in steps.steps],
            "stepsCut": bool(steps.next_page_token),
        }  # fmt: skip

    async def _caches(self, request: web.Request, query: Query) -> Any:
        """Answer what caches counted."""
        del request, query
        wanted = gateway_pb.GetCacheCountersRequest()
        return as_dict(await self._gateway.stub.GetCacheCounters(wanted, timeout=CALL_SECONDS))
