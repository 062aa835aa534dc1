"""The one door of every HTTP server of ours: a request is for us, and no page of another site sent it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prometheus_client import Counter

from miyabi_core.edge.hosts import Authority, BadHostError, ServedHosts, parse_authority, parse_origin
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_core.text import shortened

#: Methods that change nothing here.
SAFE_METHODS = frozenset({"GET", "HEAD"})
#: What a browser says of requests by our own page, and of those that a person typed (Fetch Metadata).
OWN_SITES = frozenset({"same-origin", "none"})
#: Refusals name a header's value up to here.
_SHOWN = 100

REFUSED = Counter(
    "miyabi_http_refused_total",
    "Requests that were refused at the door, by reason: target, host_form, host, origin, site, program.",
    ["reason"],
    registry=REGISTRY,
)
_LOG = get_logger(__name__)


class Headers(Protocol):
    """Headers by names in any case, each with all its values, as multidict has them."""

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """Return every value of a header; *default* where there is none."""
        ...


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let in.

    Args:
        status: Of HTTP: 400 it cannot be understood, 421 it is for another server (RFC 9110 section 15.5.20), 403 a
            page of another site sent it.
        reason: Label of the metric.
        message: One sentence for a person.
    """

    status: int
    reason: str
    message: str


class HttpDoor:
    """Decides by the head of a request alone; neither identity nor its absence changes what it says.

    Args:
        hosts: What the server serves as.
        programs: Beginnings of paths that no page has any business with, also none of ours: git, webhooks. What
            carries a browser's marks is refused there; `/`: everywhere.

    Source: RFC 9110 (Host, 421), the Fetch standard (Origin), W3C Fetch Metadata.
    """

    def __init__(self, hosts: ServedHosts, *, programs: Iterable[str] = ()) -> None:
        self._hosts = hosts
        self._programs = tuple(programs)

    def judge(self, method: str, target: str, headers: Headers) -> Refusal | None:
        """Return why a request is refused; None where it is let in.

        Args:
            method: Of HTTP.
            target: As it stands in the request's first line.
            headers: Of the request.
        """
        if not target.startswith("/"):
            return Refusal(400, "target", "the request's target must be a path")
        host = self._host(headers.getall("host", ()))
        if isinstance(host, Refusal):
            return host
        origins, sites = headers.getall("origin", ()), headers.getall("sec-fetch-site", ())
        if (origins or sites) and target.startswith(self._programs):
            return Refusal(403, "program", "this is for programs; browsers are not served here")
        if origins and not _is_own(origins, host):
            return Refusal(403, "origin", "pages of other origins are not served")
        if sites and not _may_fetch(method, sites, headers):
            return Refusal(403, "site", "pages of other sites are not served")
        return None

    def _host(self, values: Sequence[str]) -> Authority | Refusal:
        """Return what server a request is for, where that is us."""
        if len(values) != 1:
            return Refusal(400, "host_form", "a request has one Host header")
        try:
            host = parse_authority(values[0].strip(" \t"))
        except BadHostError:
            return Refusal(400, "host_form", "the Host header names no host")
        if host not in self._hosts:
            shown = shortened(host.host, _SHOWN)
            message = (
                f"this server does not serve as {shown}; a name that is meant to be its own belongs in …_HTTP_HOSTS"
            )
            return Refusal(421, "host", message)
        return host

    def middleware(self) -> Any:
        """Return the door as a middleware of aiohttp, to stand before all others."""
        # aiohttp is not a requirement of services that serve gRPC only.
        from aiohttp import web  # noqa: PLC0415

        @web.middleware
        async def guard(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            refusal = self.judge(request.method, request.raw_path, request.headers)
            if refusal is None:
                return await handler(request)
            note(refusal)
            response = web.Response(status=refusal.status, text=f"{refusal.message}\n")
            # What the body would be is not waited for.
            response.force_close()
            return response

        return guard

    def wsgi(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """Return a WSGI application behind the door."""

        def guarded(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Any:
            target = str(environ.get("REQUEST_URI") or environ.get("PATH_INFO") or "/")
            refusal = self.judge(str(environ["REQUEST_METHOD"]), target, WsgiHeaders(environ))
            if refusal is None:
                return application(environ, start_response)
            note(refusal)
            start_response(f"{refusal.status} Refused", [("content-type", "text/plain; charset=utf-8")])
            return [f"{refusal.message}\n".encode()]

        return guarded


@dataclass(frozen=True)
class WsgiHeaders:
    """Headers as WSGI has them (PEP 3333): one that was sent twice is one value with a comma, which no host has."""

    environ: Mapping[str, Any]

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """Return a header's value as the only one."""
        value = self.environ.get(f"HTTP_{key.upper().replace('-', '_')}")
        return default if value is None else (str(value),)


def note(refusal: Refusal) -> None:
    """Count a refusal, and log it."""
    REFUSED.labels(refusal.reason).inc()
    _LOG.info("http.turned_away", reason=refusal.reason, status=refusal.status)


def _is_own(origins: Sequence[str], host: Authority) -> bool:
    """Tell whether a request comes from a page of the very server that it is for; ports count."""
    if len(origins) != 1:
        return False
    try:
        scheme, origin = parse_origin(origins[0])
    except BadHostError:
        return False
    # Where TLS ends before us, the page's scheme is the one that the browser sees.
    return (origin.host, origin.port_by(scheme)) == (host.host, host.port_by(scheme))


def _may_fetch(method: str, sites: Sequence[str], headers: Headers) -> bool:
    """Tell whether a browser's request is our own page's, or a link that a person followed."""
    if len(sites) == 1 and sites[0] in OWN_SITES:
        return True
    modes, targets = headers.getall("sec-fetch-mode", ()), headers.getall("sec-fetch-dest", ())
    return method in SAFE_METHODS and [*modes] == ["navigate"] and [*targets] == ["document"]
