"""Which part of a target's limit each agent gets: by what it could use, none with work gets nothing."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping

from msgspec.structs import replace

from miyabi_coordinator.models.pacing import Member


def shares(limit: int, demands: Mapping[str, int]) -> dict[str, int]:
    """Return each agent's fair part of *limit*, in proportion to demand (D'Hondt's method), at most what it could use.

    Whoever has work gets one at least: only where more agents have work than the limit has calls is the sum larger than
    the limit. What nobody could use now is spread evenly, so that what begins next need not ask first.
    """
    found = {agent: int(demand > 0) for agent, demand in sorted(demands.items())}
    left = limit - sum(found.values())
    queue = [(-demand / 2, agent) for agent, demand in sorted(demands.items()) if demand > 1]
    heapq.heapify(queue)
    while left > 0 and queue:
        _, agent = heapq.heappop(queue)
        found[agent] += 1
        left -= 1
        if found[agent] < demands[agent]:
            heapq.heappush(queue, (-demands[agent] / (found[agent] + 1), agent))
    if left <= 0 or not found:
        return found
    each, more = divmod(left, len(found))
    idle_first = sorted(found, key=lambda agent: (found[agent], agent))
    return {agent: found[agent] + each + int(position < more) for position, agent in enumerate(idle_first)}


def settle(limit: int, members: Mapping[str, Member], *, reachable: Collection[str]) -> dict[str, Member]:
    """Return the members with their new shares; nobody is given what another may still be using.

    Args:
        limit: Of all agents together.
        members: With the shares that they have.
        reachable: Those who can be told now; the others keep their shares until they report.
    """
    ideal = shares(limit, {agent: member.demand for agent, member in members.items()})
    settled = {
        agent: _lowered(member, ideal[agent]) if agent in reachable else member for agent, member in members.items()
    }
    taken = sum(max(member.share, member.in_flight) for member in settled.values())
    for agent in sorted(set(settled) & set(reachable)):
        member = settled[agent]
        mine = max(member.share, member.in_flight)
        share = max(min(ideal[agent], limit - (taken - mine)), int(member.demand > 0), member.share)
        settled[agent] = replace(member, share=share)
        taken += max(share, member.in_flight) - mine
    return settled


def _lowered(member: Member, ideal: int) -> Member:
    """Return a member whose share is not too large; until it reports, it may still be using a larger one."""
    if member.share <= ideal:
        return member
    return replace(member, share=ideal, in_flight=max(member.in_flight, member.share))
