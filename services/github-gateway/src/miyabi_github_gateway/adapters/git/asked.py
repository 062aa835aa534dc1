"""What a fetch asks for by name or by id, so that a mirror can bring what it does not keep by itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from miyabi_github_gateway.adapters.git.bodies import BodyError
from miyabi_github_gateway.adapters.git.pktline import MalformedPktLineError, lines

#: What of a request is looked at: a list of prefixes takes some 100 bytes, a thousand wants 50 KB.
LOOKED_AT_BYTES = 64 << 10
#: Heads of pull requests that one request may have brought; agents ask for one at a time.
MOST = 20
#: A pull request's head by its whole name; a prefix of many is not followed: a large repository has tens of thousands.
_PULL = re.compile(rb"ref-prefix (refs/pull/[1-9][0-9]{0,8}/head)")
_WANT = re.compile(rb"want ([0-9a-f]{40}(?:[0-9a-f]{24})?)")


@dataclass(frozen=True)
class Asked:
    """The beginning of a request, and what of it a mirror may lack.

    Args:
        head: What was read of the body.
        pulls: Full names of pull requests' heads that it asks the ids of.
        commits: Ids that it wants.
    """

    head: bytes = b""
    pulls: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()

    async def whole(self, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the body from its beginning."""
        yield self.head
        async for chunk in rest:
            yield chunk


def is_v2(request: web.Request) -> bool:
    """Tell whether the client speaks protocol version 2, which asks by names."""
    return "version=2" in request.headers.get("git-protocol", "").split(":")


async def asked_of(body: AsyncIterator[bytes]) -> Asked:
    """Read the beginning of a request (gitprotocol-v2); what cannot be read asks for nothing.

    Raises:
        BodyError: it names more pull requests than are brought at once.
    """
    head = b""
    async for chunk in body:
        head += chunk
        if len(head) >= LOOKED_AT_BYTES:
            break
    found: list[bytes] = []
    try:
        found = [line.data.rstrip(b"\n") for line in lines(head) if line.data is not None]
    except MalformedPktLineError:
        return Asked(head)
    pulls = [match[1].decode() for data in found if (match := _PULL.fullmatch(data))]
    wants = [match[1].decode() for data in found if (match := _WANT.fullmatch(data))]
    if b"command=ls-refs" in found:
        named = tuple(dict.fromkeys(pulls))
        if len(named) > MOST:
            raise BodyError(f"the gateway brings at most {MOST} heads of pull requests at once, not {len(named)}")
        return Asked(head, pulls=named)
    return Asked(head, commits=tuple(dict.fromkeys(wants)))
