"""GitHub Apps: the JWTs that they sign, where they are installed, and the tokens that installations get."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web

from miyabi_sim.github.errors import GitHubError, not_found
from miyabi_sim.github.kept.models import timestamp
from miyabi_sim.github.kept.store import Store
from miyabi_sim.github.routes.shapes import Shapes
from miyabi_sim.github.routes.wire import number_in_path, page_response

#: GitHub refuses a JWT that is valid for longer.
LONGEST_JWT_SECONDS = 600

#: What the installation may do.
PERMISSIONS = {
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "workflows": "write",
}


@dataclass(slots=True)
class SimulatedApp:
    """An App as GitHub knows it.

    Args:
        id: Its number; the issuer of its JWTs.
        slug: Its name in addresses; what it writes is by `slug[bot]`.
        public_key: PEM; JWTs must be signed with the private key that belongs to it.
        installations: Account → number of the installation there.
        permissions: What the installations may do.
        token_seconds: How long an installation token is valid; GitHub's is an hour.
    """

    id: int
    slug: str
    public_key: str
    installations: dict[str, int]
    token_seconds: int = 3600
    permissions: dict[str, str] = field(default_factory=lambda: dict(PERMISSIONS))
    suspended: set[int] = field(default_factory=set)


class Apps:
    """The one App that may be registered, and the tokens that it was given.

    Args:
        app: None: there is none, and no JWT is accepted.
        store: Knows which repositories there are.
        shapes: Writes accounts.
        clock: Seconds since 1970.
    """

    def __init__(
        self, app: SimulatedApp | None, store: Store, shapes: Shapes, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.app = app
        self._store = store
        self._shapes = shapes
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the routes; they are asked with a JWT, not with a token."""
        return [
            web.route("GET", "/app/installations", self.list, name="apps.list_installations"),
            web.route(
                "GET", "/repos/{owner}/{repo}/installation", self.of_repository, name="apps.get_repo_installation"
            ),
            web.route(
                "POST", "/app/installations/{number}/access_tokens", self.create_token, name="apps.create_access_token"
            ),
        ]

    def account_of(self, token: str) -> str | None:
        """Return the account whose installation a token is of; None where it is none of ours.

        Raises:
            GitHubError: 401 if it has expired.
        """
        found = self._tokens.get(token)
        if found is None:
            return None
        account, expires = found
        if self._clock() >= expires:
            raise GitHubError(401, "Bad credentials")
        return account

    def revoke_tokens(self) -> None:
        """Forget every token, as GitHub does when an installation's permissions change."""
        self._tokens.clear()

    @property
    def login(self) -> str:
        """Return who the App's writes are by."""
        return "" if self.app is None else f"{self.app.slug}[bot]"

    def check_jwt(self, token: str | None) -> None:
        """Verify a JWT as GitHub does.

        Raises:
            GitHubError: 401 if it is none, not signed with the App's key, from another App, expired, or valid too long.
        """
        if token is None or self.app is None:
            raise GitHubError(401, "A JSON web token could not be decoded")
        try:
            options: Any = {"require": ["exp", "iat", "iss"], "verify_exp": False, "verify_iat": False}
            claims = jwt.decode(token, self.app.public_key, algorithms=["RS256"], options=options)
        except jwt.PyJWTError as error:
            raise GitHubError(401, "A JSON web token could not be decoded") from error
        now = self._clock()
        if str(claims["iss"]) != str(self.app.id):
            raise GitHubError(401, "Integration not found")
        if not claims["iat"] <= now < claims["exp"] or claims["exp"] > now + LONGEST_JWT_SECONDS:
            raise GitHubError(401, "'Expiration time' claim ('exp') is too far in the future or has passed")

    async def list(self, request: web.Request) -> web.Response:
        """Answer where the App is installed."""
        assert self.app is not None
        return page_response(request, sorted(self.app.installations), self._installation)

    async def of_repository(self, request: web.Request) -> web.Response:
        """Answer the installation that a repository belongs to."""
        assert self.app is not None
        repository = self._store.repository(request.match_info["owner"], request.match_info["repo"])
        if repository.owner not in self.app.installations:
            raise not_found()
        return web.json_response(self._installation(repository.owner))

    async def create_token(self, request: web.Request) -> web.Response:
        """Give a token to an installation."""
        assert self.app is not None
        number = number_in_path(request)
        account = next((name for name, one in self.app.installations.items() if one == number), None)
        if account is None:
            raise not_found()
        if number in self.app.suspended:
            raise GitHubError(403, "This installation has been suspended")
        expires = self._clock() + self.app.token_seconds
        token = f"ghs_{secrets.token_hex(18)}"
        self._tokens[token] = (account, expires)
        body = {
            "token": token,
            "expires_at": timestamp(expires),
            "permissions": self.app.permissions,
            "repository_selection": "all",
        }
        return web.json_response(body, status=201)

    def _installation(self, account: str) -> Mapping[str, Any]:
        """Return an installation."""
        assert self.app is not None
        number = self.app.installations[account]
        api = f"{self._shapes.url}/app/installations/{number}"
        owner = self._shapes.user(account)
        is_suspended = number in self.app.suspended
        return {
            "id": number,
            "account": owner,
            "repository_selection": "all",
            "access_tokens_url": f"{api}/access_tokens",
            "repositories_url": f"{self._shapes.url}/installation/repositories",
            "html_url": f"{self._shapes.url}/settings/installations/{number}",
            "app_id": self.app.id,
            "app_slug": self.app.slug,
            "target_id": owner["id"],
            "target_type": "Organization",
            "permissions": self.app.permissions,
            "events": ["issues", "issue_comment"],
            "created_at": timestamp(0),
            "updated_at": timestamp(0),
            "single_file_name": None,
            "suspended_by": owner if is_suspended else None,
            "suspended_at": timestamp(self._clock()) if is_suspended else None,
        }
