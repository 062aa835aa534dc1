"""Reads many things with one query, pages what is long to its end, and puts each error in its own place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_github_gateway.adapters.graphql import queries, values
from miyabi_github_gateway.adapters.graphql.issue_assembly import IssueAssembly, build_each
from miyabi_github_gateway.adapters.graphql.reply import Reply, problem_at, reply_of
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.errors import RepositoryNotFoundError
from miyabi_github_gateway.models import Kind, Read, Shape
from miyabi_github_gateway.ports import Brought, Fetched


class GitHubBatchSource:
    """Implements `ports.BatchSource` over GraphQL, and REST for what GraphQL does not have."""

    def __init__(self, transport: GitHubTransport, assembly: IssueAssembly) -> None:
        self._transport = transport
        self._assembly = assembly

    async def read(self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], patient: bool) -> Brought:
        """Read; see the port."""
        if shape.kind is Kind.REPOSITORY:
            return await self._repositories(wanted, patient=patient)
        known = {read: ids[read] for read in wanted if read in ids}
        named = _by_repository([read for read in wanted if read not in known])
        text = queries.batch_by_number(shape, tuple(map(len, named.values())), ids=bool(known))
        variables: dict[str, Any] = {"ids": list(known.values())} if known else {}
        paths: dict[Read, tuple[str | int, ...]] = {read: ("known", j) for j, read in enumerate(known)}
        for index, (repository, reads) in enumerate(named.items()):
            variables |= _owner_and_name(index, repository)
            for read in reads:
                place = len(paths) - len(known)
                variables[f"i{place}"] = read.number
                paths[read] = (f"r{index}", f"i{place}")
        reply = await self._send(text, variables, wanted, patient=patient)
        found = await self._built(shape, reply, paths)
        moved = [read for read in known if found[read] is None or not _is_at_home(reply.at(*paths[read]), read)]
        if moved:
            # Deleted, transferred, or out of sight: only its number can tell.
            found |= (await self.read(shape, moved, ids={}, patient=patient)).things
        return Brought(found, reply.seconds, reply.size_bytes)

    async def _send(self, text: str, variables: Mapping[str, Any], wanted: Sequence[Read], *, patient: bool) -> Reply:
        """Send the query that asks for what is wanted.

        Raises:
            GitHubUnavailableError: GitHub found it too much.
            GitHubRefusedError: GitHub does not take it.
        """
        requests = queries.requests_of(wanted[0].shape, len(wanted))
        request = PreparedRequest(text, variables, requests=requests)
        result = await self._transport.execute(request, owner=wanted[0].owner, patient=patient)
        return reply_of(result)

    async def _built(
        self, shape: Shape, reply: Reply, paths: Mapping[Read, tuple[str | int, ...]]
    ) -> dict[Read, Fetched]:
        """Turn an answer into values; long connections are paged to their end first."""
        found: dict[Read, Fetched] = {read: problem_at(reply, path, read) for read, path in paths.items()}
        raws = {
            read: raw
            for read, path in paths.items()
            if (raw := reply.at(*path)) is not None and reply.error(*path) is None
        }
        if shape.kind is Kind.PULL_REQUEST:
            return found | await build_each(raws, lambda _read, raw: values.pull_request(raw))
        return found | await self._assembly.build(raws, shape.fields)

    async def _repositories(self, wanted: Sequence[Read], *, patient: bool) -> Brought:
        """Read repositories, each with the head of a branch."""
        variables: dict[str, Any] = {}
        for index, read in enumerate(wanted):
            variables |= _owner_and_name(index, read.repository)
            variables |= {f"b{index}": f"refs/heads/{read.name}"} if read.name else {}
        text = queries.batch_of_repositories(tuple(bool(read.name) for read in wanted))
        reply = await self._send(text, variables, wanted, patient=patient)
        found: dict[Read, Fetched] = {}
        raws: dict[Read, Any] = {}
        for index, read in enumerate(wanted):
            path = (f"r{index}",)
            raw, problem = reply.at(*path), problem_at(reply, path, read)
            if problem is None and raw is None:
                problem = RepositoryNotFoundError(read.repository)
            if problem is None:
                raws[read] = raw
            else:
                found[read] = problem
        built = await build_each(raws, lambda read, raw: values.repository(raw, name=read.repository, branch=read.name))
        return Brought(found | built, reply.seconds, reply.size_bytes)


def _by_repository(reads: Sequence[Read]) -> dict[str, list[Read]]:
    """Group, the largest group first, so that few texts are made."""
    groups: dict[str, list[Read]] = {}
    for read in reads:
        groups.setdefault(read.repository.casefold(), []).append(read)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return {group[0].repository: group for group in ordered}


def _owner_and_name(index: int, repository: str) -> dict[str, str]:
    """Return the variables of a repository."""
    owner, _, name = repository.partition("/")
    return {f"o{index}": owner, f"n{index}": name}


def _is_at_home(raw: Any, read: Read) -> bool:
    """Return whether a node is the thing that was asked for: issues move between repositories."""
    try:
        home = raw["repository"]["nameWithOwner"].casefold()
        return bool(home == read.repository.casefold() and raw["number"] == read.number)
    except (KeyError, TypeError, AttributeError):
        return False
