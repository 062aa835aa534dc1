"""Reads which rules hold for branches of ours, and which of them the credential may bypass."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.adapters.rest.reads import PAGE, RestReads
from miyabi_github_gateway.errors import GitHubForbiddenError, GitHubRefusedError
from miyabi_github_gateway.service.target.rules import forbidding, sample_branch
from miyabi_github_gateway.target_facts import BranchRule, Target

#: What GitHub calls it where whoever asks may break a ruleset's rules with a push.
_BYPASSING = frozenset({"always", "exempt"})
#: Said where rules are not to be had.
NOT_TOLD = "This GitHub does not tell which rules hold for branches below miyabi/."
#: Rules of the older kind.
CLASSIC = (
    "Whether a classic branch protection covers branches below miyabi/ is not known: GitHub shows those to "
    "administrators only."
)


class BranchRules:
    """Asks by the name that a branch of ours will have: GitHub tells the rules of branches that are not there yet.

    Source: docs.github.com, REST API endpoints for rules, "Get rules for a branch".
    """

    def __init__(self, rest: RestReads) -> None:
        self._rest = rest

    async def of(self, target: Target) -> tuple[tuple[BranchRule, ...], tuple[str, ...]]:
        """Return the rules that cannot be bypassed, and what could not be found out.

        Raises:
            MiyabiError: GitHub did not answer.
        """
        branch = quote(sample_branch(min(target.numbers, default=1)), safe="")
        rules: list[tuple[BranchRule, int]] = []
        page = 1
        while True:
            path = f"/repos/{target.repository}/rules/branches/{branch}"
            try:
                entries = await self._rest.get(path, {"per_page": PAGE, "page": page})
            except (GitHubForbiddenError, GitHubRefusedError):
                entries = None
            if not isinstance(entries, list):
                return (), (NOT_TOLD, CLASSIC)
            rules += [(_rule(entry), int(entry.get("ruleset_id") or 0)) for entry in entries]
            if len(entries) < PAGE:
                break
            page += 1
        return await self._binding(target.repository, rules), (CLASSIC,)

    async def _binding(self, repository: str, rules: list[tuple[BranchRule, int]]) -> tuple[BranchRule, ...]:
        """Leave out the rules of rulesets that the credential may bypass; only those that forbid are asked about."""
        certain = set(forbidding(rule for rule, _ in rules))
        sets = {number for rule, number in rules if rule in certain and number}
        async with asyncio.TaskGroup() as tasks:
            asked = {number: tasks.create_task(self._may_bypass(repository, number)) for number in sets}
        bypassed = {number for number, task in asked.items() if task.result()}
        return tuple(dict.fromkeys(rule for rule, number in rules if number not in bypassed))

    async def _may_bypass(self, repository: str, number: int) -> bool:
        """Tell whether the credential may bypass a ruleset; where GitHub does not tell, it may not."""
        try:
            found = await self._rest.get(f"/repos/{repository}/rulesets/{number}", {})
        except MiyabiError:
            return False
        return isinstance(found, dict) and found.get("current_user_can_bypass") in _BYPASSING


def _rule(entry: Mapping[str, Any]) -> BranchRule:
    """Build a rule."""
    parameters = entry.get("parameters") or {}
    where = f"{entry.get('ruleset_id', '')} of {entry.get('ruleset_source', '')}".strip()
    return BranchRule(
        kind=str(entry.get("type", "")),
        ruleset=where,
        pattern=str(parameters.get("pattern", "")),
        operator=str(parameters.get("operator", "")),
        negate=bool(parameters.get("negate", False)),
    )
