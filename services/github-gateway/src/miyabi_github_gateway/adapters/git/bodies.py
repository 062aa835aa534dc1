"""Bodies of git's requests, decompressed as they stream."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import web

#: Bytes that travel at a time; also the most that decompressing makes of one step.
CHUNK = 64 << 10
#: zlib's window size for a gzip header.
_GZIP = 31
#: Encodings that git uses (remote-curl.c): gzip for requests with many haves.
ENCODINGS = ("", "identity", "gzip", "x-gzip")


class BodyError(Exception):
    """A request's body is not what its headers say."""


async def decoded(request: web.Request) -> AsyncGenerator[bytes, None]:
    """Yield a request's body without its compression, in pieces of bounded size.

    Raises:
        BodyError: it is compressed otherwise than by gzip, or broken.
    """
    encoding = request.headers.get("content-encoding", "").lower()
    if encoding not in ENCODINGS:
        raise BodyError(f"the gateway does not read {encoding[:20]}")
    if "gzip" not in encoding:
        async for chunk in request.content.iter_chunked(CHUNK):
            yield chunk
        return
    unzip = zlib.decompressobj(_GZIP)
    try:
        async for chunk in request.content.iter_chunked(CHUNK):
            rest = chunk
            while rest:
                data = unzip.decompress(rest, CHUNK)
                rest = unzip.unconsumed_tail
                if data:
                    yield data
    except zlib.error as error:
        raise BodyError("the request is not gzip, though it says so") from error
    if not unzip.eof:
        raise BodyError("the request ends too early")


async def discard(body: AsyncIterator[bytes]) -> None:
    """Read a body to its end: git reads no answer before it has sent everything."""
    async for _ in body:
        pass
