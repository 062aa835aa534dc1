"""Reads bodies of strangers, so that none of them makes another wait: memory is bounded, not how many are read."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

#: GitHub's own limit on a payload.
MAX_BYTES = 25 << 20
#: Of all bodies that are being read: five of the largest at once, or a thousand of the usual ones.
BUDGET_BYTES = 128 << 20
#: What a body takes before a byte of it is there: the buffer of its connection.
READER_BYTES = 128 << 10
#: From headers to the first byte of the body: GitHub sends them together.
FIRST_TIME = timedelta(seconds=2)
#: From headers to the last byte: GitHub itself gives up after that.
READ_TIME = timedelta(seconds=10)
#: One holder of IPv6 addresses has at least so many bits of them.
_IPV6_HOLDER = 64


class BodyRefusedError(Exception):
    """A body is not read to its end; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Body:
    """What was read.

    Args:
        data: The bytes as they came.
        signature: HMAC SHA-256 of them with the secret, hexadecimal.
        digest: SHA-256 of them, hexadecimal.
    """

    data: bytearray
    signature: str
    digest: str


@dataclass(eq=False)
class _Reader:
    """A body that is being read."""

    peer: str
    began: float
    timer: asyncio.Timeout
    held: int = 0
    data: bytearray = field(default_factory=bytearray)
    is_crowded_out: bool = False


class Bodies:
    """The bodies that are being read.

    Where they would hold more than the budget, the peer that holds most loses its largest body, the oldest of them: who
    has sent little, as nearly every delivery does, is read on whatever others do. Nobody waits for a place.

    Args:
        budget_bytes: Of all of them.
        first_time: From headers to the first byte.
        read_time: From headers to the last byte.
    """

    def __init__(
        self,
        *,
        budget_bytes: int = BUDGET_BYTES,
        first_time: timedelta = FIRST_TIME,
        read_time: timedelta = READ_TIME,
    ) -> None:
        self._budget = budget_bytes
        self._first_seconds = first_time.total_seconds()
        self._read_seconds = read_time.total_seconds()
        self._readers: set[_Reader] = set()
        self._held: Counter[str] = Counter()

    async def read(self, request: web.Request, secret: str) -> Body:
        """Read a body; its signature is computed as it arrives, not in one go at the end.

        Raises:
            BodyRefusedError: it is too large (413), too slow (408), or others need its place more (503).
        """
        if (request.content_length or 0) > MAX_BYTES:
            raise _too_large()
        began = asyncio.get_running_loop().time()
        reader = None
        try:
            async with asyncio.timeout_at(began + self._first_seconds) as timer:
                reader = _Reader(peer_of(request.remote), began, timer)
                return await self._read(request, reader, secret)
        except TimeoutError as error:
            if reader is not None and reader.is_crowded_out:
                raise _crowded_out() from error
            raise BodyRefusedError(408, "the payload took too long") from error
        finally:
            if reader is not None:
                self._forget(reader)

    async def _read(self, request: web.Request, reader: _Reader, secret: str) -> Body:
        """Read until the end."""
        self._readers.add(reader)
        self._grow(reader, READER_BYTES)
        signature, digest = hmac.new(secret.encode(), digestmod=hashlib.sha256), hashlib.sha256()
        while chunk := await request.content.readany():
            if reader.is_crowded_out:
                raise _crowded_out()
            if not reader.data:
                reader.timer.reschedule(reader.began + self._read_seconds)
            if len(reader.data) + len(chunk) > MAX_BYTES:
                raise _too_large()
            self._grow(reader, len(chunk))
            reader.data += chunk
            signature.update(chunk)
            digest.update(chunk)
        return Body(reader.data, signature.hexdigest(), digest.hexdigest())

    def _grow(self, reader: _Reader, size: int) -> None:
        """Count what a reader holds, and make room where that is too much.

        Raises:
            BodyRefusedError: it is the one that has to go.
        """
        reader.held += size
        self._held[reader.peer] += size
        while self._held.total() > self._budget:
            victim = self._most_demanding()
            self._forget(victim)
            if victim is reader:
                raise _crowded_out()
            victim.is_crowded_out = True
            victim.data.clear()
            victim.timer.reschedule(0)

    def _most_demanding(self) -> _Reader:
        """Return the largest body of the peer that holds most; the oldest of those."""
        peer = self._held.most_common(1)[0][0]
        return max((one for one in self._readers if one.peer == peer), key=lambda one: (one.held, -one.began))

    def _forget(self, reader: _Reader) -> None:
        """Give back what a reader holds; twice does nothing."""
        if reader not in self._readers:
            return
        self._readers.discard(reader)
        self._held[reader.peer] -= reader.held
        if not self._held[reader.peer]:
            del self._held[reader.peer]


def peer_of(address: str | None) -> str:
    """Return who is at an address: of IPv6 the network, since one holder has all of its addresses."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, _IPV6_HOLDER), strict=False))
    return str(found)


def _too_large() -> BodyRefusedError:
    """GitHub sends nothing of that size."""
    return BodyRefusedError(413, f"a payload has at most {MAX_BYTES} bytes")


def _crowded_out() -> BodyRefusedError:
    """Others need its place more."""
    return BodyRefusedError(503, "too much is being sent; deliver it again")
