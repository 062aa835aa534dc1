"""Git over HTTP at GitHub: injects the credential, streams both ways, sends it to no other host."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import aiohttp

from miyabi_core.logging import get_logger
from miyabi_core.text import shortened
from miyabi_github_gateway.adapters.git import metrics, pktline
from miyabi_github_gateway.errors import GitHubForbiddenError, GitHubUnavailableError, RepositoryNotFoundError
from miyabi_github_gateway.models import Credential
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.service.allow_list import AllowList

#: A clone of a large repository may take long, but not be silent for long.
SILENCE_SECONDS = 120
#: GitHub answers a connection within milliseconds.
CONNECT_SECONDS = 10
#: Renamed repositories are followed this far.
MOST_RENAMES = 3
#: Renamed repositories that are remembered.
_REMEMBERED = 1000
#: A list of refs that is longer is not read: 100,000 branches take some 8 MB.
MOST_REFS_BYTES = 64 << 20
#: What is read of an answer that says why.
_REASON_BYTES = 2000
_UPLOAD_PACK = "application/x-git-upload-pack"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TARGET = re.compile(r"/([A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}?)(?:\.git)?/(?:info/refs|git-upload-pack)")

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Refs:
    """Branches and tags of a repository, and the branch that HEAD names."""

    ids: Mapping[str, str] = field(default_factory=dict)
    head: str = ""


class _RenamedError(Exception):
    """GitHub knows the repository by another name now."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class GitUpstream:
    """Sends git's requests to GitHub.

    Args:
        git_url: Base of git over HTTP at GitHub.
        credentials: Sent as the password of `x-access-token`, to this base only; never passed back.
        allow_list: A renamed repository must be on it too.
    """

    def __init__(self, *, git_url: str, credentials: Credentials, allow_list: AllowList) -> None:
        self._git_url = git_url.rstrip("/")
        self._credentials = credentials
        self._allow_list = allow_list
        self._renamed: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the connection pool."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        # No cookies: one credential's session must not serve another.
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),
            skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type"),
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def credential(self, repository: str) -> Credential:
        """Return what GitHub is asked with for a repository."""
        return await self._credentials.of(repository.partition("/")[0])

    @asynccontextmanager
    async def request(
        self,
        method: str,
        repository: str,
        rest: str,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes] | bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and hold its answer for the length of the block; a renamed repository is followed.

        Args:
            method: GET or POST.
            repository: `owner/name`.
            rest: What follows `.git/`.
            headers: Passed on as they are, with the credential added.
            body: A stream is sent once only: it is not followed to another name.

        Raises:
            GitHubUnavailableError: no answer, or one that leads to another host.
            RepositoryNotAllowedError: its new name is not on the list.
        """
        is_stream = isinstance(body, AsyncIterator)
        for _ in range(MOST_RENAMES + 1):
            name = self._renamed.get(repository.casefold(), repository)
            try:
                async with self._sent(method, name, rest, headers=headers, body=body) as answer:
                    if answer.status == 401 and not is_stream and await self._has_another(name, answer):
                        continue
                    yield answer
                    return
            except _RenamedError as renamed:
                self._allow_list.check(renamed.name)
                _LOG.info("repository.renamed", repository=repository, name=renamed.name)
                if len(self._renamed) >= _REMEMBERED:
                    self._renamed.clear()
                self._renamed[repository.casefold()] = renamed.name
                if is_stream:
                    raise GitHubUnavailableError("the repository was renamed; repeat") from renamed
        raise GitHubUnavailableError("it leads from one name to the next")

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        name: str,
        rest: str,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes] | bytes | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request."""
        assert self._session is not None, "not started"
        credential = await self.credential(name)
        own = dict(headers)
        if credential.token:
            own["authorization"] = _authorization(credential)
        url = f"{self._git_url}/{name}.git/{rest}"
        metrics.UPSTREAM_REQUESTS.labels(
            rest.partition("?")[0].removeprefix("git-").replace("-", "_").replace("/", "_")
        ).inc()
        try:
            async with self._session.request(method, url, headers=own, data=body, allow_redirects=False) as answer:
                if answer.status == 401:
                    self._credentials.refused(credential)
                if answer.status in _REDIRECTS:
                    raise self._redirect(url, answer.headers.get("location", ""))
                yield answer
        except (aiohttp.ClientError, TimeoutError) as error:
            _LOG.warning("git.unavailable", error_type=type(error).__name__, repository=name)
            raise GitHubUnavailableError(type(error).__name__) from error

    async def _has_another(self, name: str, answer: aiohttp.ClientResponse) -> bool:
        """Tell whether there is another credential than the one that was refused."""
        now = await self.credential(name)
        return _authorization(now) != answer.request_info.headers.get("authorization", "")

    def _redirect(self, url: str, location: str) -> Exception:
        """Return what a redirect means: another name at the same host, or nothing that is followed."""
        target = urlsplit(urljoin(url, location))
        base = urlsplit(self._git_url)
        found = _TARGET.fullmatch(target.path.removeprefix(base.path)) if target.path.startswith(base.path) else None
        if (target.scheme, target.netloc) != (base.scheme, base.netloc) or found is None:
            return GitHubUnavailableError("it leads to another place, which is not followed")
        return _RenamedError(found.group(1))

    async def refs(self, repository: str) -> Refs:
        """Ask for the branches and tags of a repository: one request of protocol version 2.

        Raises:
            RepositoryNotFoundError: it is not there, or the credential may not see it.
            GitHubUnavailableError: no answer that could be used.
        """
        arguments = ("symrefs", "ref-prefix HEAD", "ref-prefix refs/heads/", "ref-prefix refs/tags/")
        body = pktline.request("ls-refs", capabilities=("agent=miyabi-github-gateway",), arguments=arguments)
        headers = {
            "content-type": f"{_UPLOAD_PACK}-request",
            "accept": f"{_UPLOAD_PACK}-result",
            "git-protocol": "version=2",
            "user-agent": "git/2.39 (miyabi-github-gateway)",
        }
        async with self.request("POST", repository, "git-upload-pack", headers=headers, body=body) as answer:
            await self.check(answer, repository)
            data = b""
            async for chunk in answer.content.iter_any():
                data += chunk
                if len(data) > MOST_REFS_BYTES:
                    raise GitHubUnavailableError("its list of branches is too long")
        metrics.UPSTREAM_BYTES.inc(len(data))
        return _refs(data)

    async def check(self, answer: aiohttp.ClientResponse, repository: str) -> None:
        """Refuse an answer that is not 200.

        Raises:
            RepositoryNotFoundError: 401 or 404, which is GitHub's answer for lack of rights too.
            GitHubForbiddenError: 403.
            GitHubUnavailableError: anything else.
        """
        if answer.status == 200:
            return
        if answer.status in {401, 404}:
            raise RepositoryNotFoundError(repository)
        if answer.status == 403:
            said = (await answer.content.read(_REASON_BYTES)).decode("utf-8", "replace").strip()
            raise GitHubForbiddenError(repository, shortened(" ".join(said.split()), 200) or "HTTP 403")
        raise GitHubUnavailableError(f"HTTP {answer.status}", status=answer.status)


def _authorization(credential: Credential) -> str:
    """Return the header's value; git's own scheme has an account and a password."""
    return "Basic " + base64.b64encode(f"x-access-token:{credential.token}".encode()).decode()


def _refs(data: bytes) -> Refs:
    """Read the answer to `ls-refs` (gitprotocol-v2)."""
    ids: dict[str, str] = {}
    head = ""
    try:
        for line in pktline.lines(data):
            if line.data is None:
                return Refs(ids, head)
            if line.data.startswith(b"ERR "):
                raise GitHubUnavailableError(line.data[4:200].decode("utf-8", "replace"))
            oid, name, *more = line.data.decode("utf-8", "replace").rstrip("\n").split(" ")
            if name == "HEAD":
                targets = [text.removeprefix("symref-target:") for text in more if text.startswith("symref-target:")]
                head = targets[0] if targets else ""
            else:
                ids[name] = oid
    except ValueError as error:
        raise GitHubUnavailableError("its list of branches cannot be read") from error
    raise GitHubUnavailableError("its list of branches ended too early")
