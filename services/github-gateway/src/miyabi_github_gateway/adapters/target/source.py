"""Reads a repository as it is before work begins: its state, the credential's rights, rules, our pull requests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.adapters.credentials.accounts import Accounts
from miyabi_github_gateway.adapters.graphql.reply import reply_of
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.graphql.values import meaning
from miyabi_github_gateway.adapters.rest.reads import RestReads
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.adapters.target.branch_rules import BranchRules
from miyabi_github_gateway.adapters.target.credential_rights import CredentialRights
from miyabi_github_gateway.adapters.target.target_queries import (
    OF_REPOSITORY,
    check_repository,
    lacking,
    unknown_fields,
)
from miyabi_github_gateway.adapters.writing.our_branches import OurBranches
from miyabi_github_gateway.errors import GitHubRefusedError, MalformedAnswerError, RepositoryNotFoundError
from miyabi_github_gateway.target_facts import OpenPullRequest, RepositoryFacts, Standing, Target

#: Missing numbers that are looked up one by one, since only REST tells of a transfer: a request each.
LOOKED_UP = 100
#: The end of an issue's address.
_ADDRESS = re.compile(r"/repos/([^/]+/[^/]+)$")


class GitHubTargetSource:
    """Implements `ports.TargetSource` over GitHub's APIs.

    Args:
        transport: Sends queries.
        rest: Reads what GraphQL does not tell.
        accounts: Know who we are.
        rights: Know what the credential may do.
    """

    def __init__(
        self, transport: GitHubTransport, rest: RestReads, *, accounts: Accounts, rights: CredentialRights
    ) -> None:
        self._transport = transport
        self._rest = rest
        self._accounts = accounts
        self._rights = rights
        self._rules = BranchRules(rest)
        self._branches = OurBranches(transport)
        self._without: frozenset[str] = frozenset()

    async def repository(self, target: Target) -> RepositoryFacts:
        """Read the repository; see the port."""
        raw = await self._raw(target)
        async with asyncio.TaskGroup() as tasks:
            rights = tasks.create_task(self._rights.of(target.repository, role=raw.get("viewerPermission") or ""))
            ours = tasks.create_task(self._ours(target.repository))
            rules = tasks.create_task(self._rules.of(target)) if target.writes_changes else None
        found, unknown = rules.result() if rules is not None else ((), ())
        return RepositoryFacts(
            name=raw["nameWithOwner"],
            private=raw["isPrivate"],
            archived=raw["isArchived"],
            closed_to_writes=raw.get("isDisabled") or raw.get("isLocked"),
            empty=raw["defaultBranchRef"] is None and raw.get("base") is None,
            issues_enabled=raw.get("hasIssuesEnabled"),
            shadowed=raw["shadow"] is not None,
            rights=rights.result(),
            rules=found,
            ours=ours.result(),
            not_known=(*lacking(self._without), *unknown),
        )

    async def _raw(self, target: Target) -> Mapping[str, Any]:
        """Ask for the repository; what this GitHub does not know is asked no more.

        Raises:
            RepositoryNotFoundError: there is none to be seen, or it has commits and not the branch.
            MalformedAnswerError: a documented field is missing.
        """
        owner, _, name = target.repository.partition("/")
        branch = target.base_branch
        variables = {"owner": owner, "name": name} | ({"base": f"refs/heads/{branch}"} if branch else {})
        while True:
            text = check_repository(branch=bool(branch), without=self._without)
            request = PreparedRequest(text, variables, requests=1)
            try:
                reply = reply_of(await self._transport.execute(request, owner=owner))
                break
            except GitHubRefusedError as error:
                lacks = unknown_fields(error.message) & OF_REPOSITORY.keys() - self._without
                if not lacks:
                    raise
                self._without |= lacks
        raw = reply.at("repository")
        if raw is None:
            said = reply.error("repository")
            raise (meaning(said, target.repository) if said else None) or RepositoryNotFoundError(target.repository)
        if not {"nameWithOwner", "isPrivate", "isArchived", "defaultBranchRef", "shadow"} <= raw.keys():
            raise MalformedAnswerError
        if target.base_branch and raw.get("base") is None and raw["defaultBranchRef"] is not None:
            raise RepositoryNotFoundError(target.repository, branch=target.base_branch)
        return dict(raw)

    async def _ours(self, repository: str) -> dict[int, OpenPullRequest]:
        """Read which issues have an open pull request of ours."""
        return {issue: pull async for _, issue, pull in self._branches.open(repository)}

    async def account(self, repository: str) -> str:
        """Return our account's login; see the port."""
        return await self._accounts.login(repository.partition("/")[0])

    async def moved(self, repository: str, numbers: Sequence[int]) -> tuple[dict[int, Standing], list[int]]:
        """Find where missing numbers were transferred to: GitHub redirects there over REST only; see the port."""
        chosen, left = numbers[:LOOKED_UP], numbers[LOOKED_UP:]
        async with asyncio.TaskGroup() as tasks:
            asked = {number: tasks.create_task(self._moved(repository, number)) for number in chosen}
        found = {number: task.result() for number, task in asked.items()}
        moved = {number: value for number, value in found.items() if isinstance(value, Standing)}
        failed = [number for number, value in found.items() if isinstance(value, MiyabiError)]
        return moved, [*failed, *left]

    async def _moved(self, repository: str, number: int) -> Standing | MiyabiError | None:
        """Follow one; None where it is nowhere, and 410 says that it was deleted."""
        try:
            raw = await self._rest.get(f"/repos/{repository}/issues/{number}", {})
        except GitHubRefusedError:
            return None
        except MiyabiError as error:
            return error
        home = _ADDRESS.search(str(raw.get("repository_url", ""))) if isinstance(raw, dict) else None
        if home is None or home[1].casefold() == repository.casefold():
            return None
        return Standing(
            number, "", is_pull_request=False, closed=False, locked=False, moved_to=f"{home[1]}#{raw['number']}"
        )
