"""A request to GitHub on its way: whom it is sent as, how it may be repeated, and where an answer turns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from miyabi_github_gateway.errors import GitHubRefusedError
from miyabi_github_gateway.models import Credential
from miyabi_github_gateway.service.governor import Ask

#: How often a request that failed on the way or at GitHub is sent at most.
TRIES = 4
#: GitHub redirects a renamed repository once; a chain is a mistake.
MOST_REDIRECTS = 3


class Principal(Protocol):
    """Whom a request is sent as."""

    async def credential(self) -> Credential:
        """Return what proves it now; its scope names the budget that pays.

        Raises:
            MiyabiError: there is none to be had.
        """

    def refused(self, credential: Credential) -> None:
        """Take note that GitHub answered 401: the next `credential` is another one where there is one."""


@dataclass
class Request:
    """A request with how it may be repeated.

    Args:
        method: HTTP method.
        url: Whole address.
        what: For logs.
        ask: What it asks of the budget.
        options: Passed to httpx: `json`, `params`, `headers`.
        tries: How often it is sent at most where it fails on the way or at GitHub.
        may_repeat: Whether doing it twice is the same as doing it once.
    """

    method: str
    url: str
    what: str
    ask: Ask
    options: dict[str, Any] = field(default_factory=dict)
    tries: int = TRIES
    may_repeat: bool = True
    deadline: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)
    limited: int = field(default=0, init=False)
    redirects: int = field(default=0, init=False)
    is_replaced: bool = field(default=False, init=False)

    @property
    def is_graphql(self) -> bool:
        """Return whether it is a query."""
        return self.ask.resource == "graphql"


def redirected(request: Request, answer: httpx.Response) -> bool:
    """Turn a request to where its answer leads; False where that is nowhere.

    Raises:
        GitHubRefusedError: it leads to another scheme, host or port, or from one address to the next.
    """
    if not answer.has_redirect_location:
        return False
    here = httpx.URL(request.url)
    try:
        target = here.join(answer.headers["location"])
    except httpx.InvalidURL as error:
        raise GitHubRefusedError("it leads to an address that is none") from error
    if _origin(target) != _origin(here):
        raise GitHubRefusedError("it leads to another host, where no credential is sent")
    request.redirects += 1
    if request.redirects > MOST_REDIRECTS:
        raise GitHubRefusedError("it leads from one address to the next")
    if answer.status_code == 303:
        request.method, request.options = "GET", {}
    request.url = str(target)
    request.options.pop("params", None)  # they are part of the address that was answered
    return True


def _origin(url: httpx.URL) -> tuple[str, str, int | None, bytes]:
    """Return what must not change: scheme, host and port, and that the address brings no credential of its own."""
    return url.scheme, url.host, url.port, url.userinfo
