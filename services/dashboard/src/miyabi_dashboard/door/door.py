"""Who may read the page and report events, where callers are known: tokens for programs, a cookie for people."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

from aiohttp import web

from miyabi_core.access.http_identity import COOKIE, authorise_http, token_shown
from miyabi_core.access.identities import Identities
from miyabi_core.access.identity import LOCAL, Role, bind_identity
from miyabi_core.errors import MiyabiError, PermissionDeniedError, UnauthenticatedError
from miyabi_core.logging import get_logger
from miyabi_dashboard.door.caller import bind_token
from miyabi_dashboard.policy import INTAKE, OPEN_PATHS, OPEN_PREFIXES, READ

#: The form works without a script; the page's own policy allows no form at all.
_FORM_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_FORM = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Miyabi: log in</title>
<link rel="stylesheet" href="/login.css"></head>
<body><main>
<h1>Miyabi</h1>
<form method="post" action="/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
<p role="alert">{problem}</p>
</form>
</main></body></html>
"""
_STYLE = """:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
main { max-width: 24rem; margin: 15vh auto; padding: 0 1rem; }
label, input, button { display: block; width: 100%; box-sizing: border-box; margin-top: .5rem; font: inherit; }
input, button { padding: .5rem; }
"""
#: How browsers send a form without files.
_FORM_TYPE = "application/x-www-form-urlencoded"
#: The form has one field.
_MOST_FIELDS = 10
#: Tokens expire; a connection that lasts is looked at so often though the identities are the same.
_LOOK_AGAIN_SECONDS = 1.0
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG = get_logger(__name__)


@dataclass
class Admission:
    """What is kept of the last look at the caller of a long-lived connection.

    Args:
        generation: Of the identities.
        looked: When, by the monotonic clock.
    """

    generation: int = -1
    looked: float = 0.0


class Door:
    """Stands before every route.

    Args:
        identities: None: identity is off, everyone is let in.
    """

    def __init__(self, identities: Identities | None) -> None:
        self._identities = identities
        #: Roles by method and path as the router writes it, where they are others than READ and INTAKE.
        self.roles: Mapping[tuple[str, str], tuple[Role, ...]] = {}

    @property
    def knows_callers(self) -> bool:
        """False: identity is off."""
        return self._identities is not None

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the way in."""
        return [
            web.get("/login", self._form),
            web.get("/login.css", self._style),
            web.post("/login", self._log_in),
            web.post("/logout", self._log_out),
        ]

    @web.middleware
    async def guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Let a request in, send a person to the form, or refuse."""
        if request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIXES):
            bind_identity(LOCAL)
            return await handler(request)
        try:
            self.check(request)
        except UnauthenticatedError as error:
            if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
                return web.Response(status=303, headers={"location": "/login"})
            return _refusal(request, error, status=401)
        except PermissionDeniedError as error:
            return _refusal(request, error, status=403)
        return await handler(request)

    def check(self, request: web.Request) -> None:
        """Recognise the caller; a long-lived connection asks again with each message that it sends.

        Raises:
            UnauthenticatedError: nobody that we know.
            PermissionDeniedError: it lacks the role.
        """
        authorise_http(request.headers, *self._roles_of(request), identities=self._identities)
        bind_token(token_shown(request.headers) if self._identities is not None else "")

    def _roles_of(self, request: web.Request) -> tuple[Role, ...]:
        """Return the roles of which a request needs one."""
        method = "GET" if request.method == "HEAD" else request.method
        resource = request.match_info.route.resource
        if resource is not None and (roles := self.roles.get((method, resource.canonical))):
            return roles
        return READ if method == "GET" or request.path == "/logout" else INTAKE

    def still_admits(self, request: web.Request, admission: Admission) -> None:
        """Look again at a caller, where the identities changed or a second has passed.

        Raises:
            UnauthenticatedError: nobody that we know, or not any more.
            PermissionDeniedError: it lacks the role.
        """
        if self._identities is None:
            return
        self._identities.refresh()
        now = time.monotonic()
        if admission.generation != self._identities.generation or now - admission.looked > _LOOK_AGAIN_SECONDS:
            self.check(request)
            admission.generation, admission.looked = self._identities.generation, now

    async def _form(self, _request: web.Request) -> web.Response:
        """Show the form."""
        return _form(200, "")

    async def _style(self, _request: web.Request) -> web.Response:
        """Return the form's style."""
        return web.Response(text=_STYLE, content_type="text/css")

    async def _log_in(self, request: web.Request) -> web.Response:
        """Keep the token in a cookie that no script reads and no other site sends."""
        token = _token_of(await request.read()) if request.content_type == _FORM_TYPE else ""
        try:
            authorise_http({"authorization": f"Bearer {token}"}, *READ, identities=self._identities)
        except UnauthenticatedError as error:
            return _form(401, error.message)
        except PermissionDeniedError as error:
            return _form(403, error.message)
        response = web.Response(status=303, headers={"location": "/"})
        response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=_is_encrypted(request))
        return response

    async def _log_out(self, _request: web.Request) -> web.Response:
        """Forget the token."""
        response = web.Response(status=303, headers={"location": "/login"})
        response.del_cookie(COOKIE)
        return response


def _token_of(body: bytes) -> str:
    """Return the token of a form, which is UTF-8 whatever else it says to be; empty where there is none."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return ""
    return fields.get("token", [""])[0].strip()


def _is_encrypted(request: web.Request) -> bool:
    """Tell whether the browser came by HTTPS, here or at the proxy before us; a false header only harms its sender."""
    return request.secure or request.headers.get("x-forwarded-proto", "") == "https"


def _form(status: int, problem: str) -> web.Response:
    """Return the form."""
    # Without a referrer at all browsers send the form with `Origin: null`, which nobody can tell from a stranger's.
    headers = {
        "content-security-policy": _FORM_POLICY, "cache-control": "no-store", "referrer-policy": "same-origin",
    }  # fmt: skip
    text = _FORM.format(problem=escape(problem))
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def _refusal(request: web.Request, error: MiyabiError, *, status: int) -> web.Response:
    """Refuse a program."""
    _LOG.info("http.refused", reason=error.reason, path=request.path)
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    body = {"success": False, "error": error.message, "reason": error.reason}
    return web.json_response(body, status=status, headers=headers)
