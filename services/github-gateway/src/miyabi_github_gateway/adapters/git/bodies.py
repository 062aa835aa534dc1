"""Bodies of git's requests, decompressed as they stream."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress

from aiohttp import web

from miyabi_core.text import shortened

#: Bytes that travel at a time; also the most that decompressing makes of one step.
CHUNK = 64 << 10
#: zlib's window size for a gzip header.
_GZIP = 31
#: Encodings that git uses (remote-curl.c): gzip for requests with many haves.
ENCODINGS = ("", "identity", "gzip", "x-gzip")
#: What a compressed body may become. Git compresses only what fits its `http.postBuffer` (1 MB): lists of commits.
MOST_UNZIPPED_BYTES = 16 << 20
#: What is read of a body that nobody needs any more: as large a pack as is worth an answer that git can show.
MOST_DISCARDED_BYTES = 256 << 20
#: The same in time.
DISCARD_SECONDS = 60.0


class BodyError(Exception):
    """A request's body is not what its headers say."""


async def decoded(request: web.Request) -> AsyncGenerator[bytes, None]:
    """Yield a request's body without its compression, in pieces of bounded size.

    Raises:
        BodyError: it is compressed otherwise than by gzip, broken, or becomes too large.
    """
    encoding = request.headers.get("content-encoding", "").lower()
    if encoding not in ENCODINGS:
        raise BodyError(f"the gateway does not read {shortened(encoding, 20)!r}")
    chunks = request.content.iter_chunked(CHUNK)
    if "gzip" not in encoding:
        async for chunk in chunks:
            yield chunk
        return
    unzip = Unzip()
    async for chunk in chunks:
        for data in unzip.feed(chunk):
            yield data
    unzip.end()


class Unzip:
    """Decompresses one gzip member as it arrives; what it makes of it is bounded, and so is each piece."""

    def __init__(self) -> None:
        self._unzip = zlib.decompressobj(_GZIP)
        self._made = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk becomes.

        Raises:
            BodyError: it is no gzip, goes on behind its end, or becomes too large.
        """
        rest = chunk
        while rest:
            try:
                data = self._unzip.decompress(rest, CHUNK)
            except zlib.error as error:
                raise BodyError("the request is not gzip, though it says so") from error
            rest = self._unzip.unconsumed_tail
            self._made += len(data)
            if self._unzip.unused_data or self._made > MOST_UNZIPPED_BYTES:
                raise BodyError("the request is larger than the gateway decompresses, or goes on behind its end")
            if data:
                yield data

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            BodyError: something is missing.
        """
        if not self._unzip.eof:
            raise BodyError("the request ends too early")


async def discard(request: web.Request) -> None:
    """Read a body to its end as it comes, without decompressing: git reads no answer before it has sent everything.

    What is larger, or slower, than anything that is worth an answer is not waited for; the connection ends then.
    """
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            async for chunk in request.content.iter_chunked(CHUNK):
                size += len(chunk)
                if size > MOST_DISCARDED_BYTES:
                    return
