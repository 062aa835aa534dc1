"""Asks GitHub as a GitHub App itself: where it is installed, and for its installations' tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import jwt

from miyabi_github_gateway.adapters.credentials.secret_files import RotatingSecret
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.outgoing import TRIES, Request
from miyabi_github_gateway.adapters.sending.sending import Sender
from miyabi_github_gateway.errors import AppNotInstalledError, GitHubForbiddenError, MalformedAnswerError
from miyabi_github_gateway.models import Credential
from miyabi_github_gateway.service.calling import current
from miyabi_github_gateway.service.governor import Ask, Cost

#: GitHub takes a JWT of at most ten minutes; a minute of it is left for clocks that differ.
JWT_SECONDS = 540
#: GitHub advises to date a JWT back, against clocks that differ (docs: generating a JWT for a GitHub App).
JWT_BACKDATE_SECONDS = 60
#: GitHub's largest page.
PAGE = 100


@dataclass(frozen=True)
class Installation:
    """Where an App is installed."""

    id: int
    owner: str  #: the account, in lower case
    login: str  #: the account that the App's writes carry
    suspended: bool


@dataclass(frozen=True)
class Held:
    """An installation's token, with the moments since the epoch at which it ends and before which none is asked for."""

    credential: Credential
    expires_at: float
    ask_again_at: float = 0.0


@dataclass(frozen=True)
class _Itself:
    """A `outgoing.Principal`: the App, by one JWT that outlasts a request with its repeats."""

    jwt: Credential

    async def credential(self) -> Credential:
        """Return the JWT."""
        return self.jwt

    def refused(self, credential: Credential) -> None:
        """Do nothing: another JWT of the same key is refused too."""


class AppApi:
    """Asks as the App.

    The App's own requests have a budget of their own: GitHub publishes no hourly number for them and sends no headers
    about one, so that the documented numbers of any credential are kept.

    Args:
        app_id: The App's id or client id: the JWT's issuer.
        key: Its private key, PEM.
        api_url: Base of the REST API.
        sender: Sends.
        clock: Seconds since the epoch; tests give their own.

    Source: docs.github.com, authenticating as a GitHub App.
    """

    def __init__(
        self,
        app_id: str,
        key: RotatingSecret,
        *,
        api_url: str,
        sender: Sender,
        clock: Callable[[], float] = time.time,
    ) -> None:
        #: Of the App's own budget.
        self.scope = f"app:{app_id}"
        self._app_id = app_id
        self._key = key
        self._api_url = api_url.rstrip("/")
        self._sender = sender
        self._clock = clock

    async def installations(self) -> dict[str, Installation]:
        """Read where the App is installed, by owner, all pages.

        Raises:
            GitHubForbiddenError: GitHub does not accept the key.
            GitHubUnavailableError: GitHub did not answer.
            RateLimitedError: the wait would be too long.
            MalformedAnswerError: the answer is not what GitHub documents.
        """
        found: dict[str, Installation] = {}
        page = 1
        while True:
            parameters = {"per_page": PAGE, "page": page}
            answer = await self._ask("GET", "/app/installations", Cost.READ, {"params": parameters})
            entries = json_of(self._accepted(answer))
            for installation in _installations(entries):
                found[installation.owner] = installation
            if len(entries) < PAGE:
                return found
            page += 1

    async def permissions(self, repository: str) -> dict[str, str]:
        """Read what the App's installation may do in a repository, by permission.

        Raises:
            AppNotInstalledError: the App is not installed there, or is suspended.
            GitHubForbiddenError: GitHub does not accept the key.
            GitHubUnavailableError: GitHub did not answer.
            RateLimitedError: the wait would be too long.
            MalformedAnswerError: the answer is not what GitHub documents.
        """
        answer = await self._ask("GET", f"/repos/{repository}/installation", Cost.READ)
        owner = repository.partition("/")[0]
        if answer.status_code == 404:
            raise AppNotInstalledError(owner)
        body = json_of(self._accepted(answer))
        try:
            if body.get("suspended_at"):
                raise AppNotInstalledError(owner, suspended=True)
            return {str(name): str(level) for name, level in body["permissions"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise MalformedAnswerError from error

    async def token(self, installation: Installation, *, tries: int = TRIES) -> Held:
        """Get a token for an installation.

        Args:
            installation: Where.
            tries: How often it is asked for at most.

        Raises:
            AppNotInstalledError: the App is not installed there any more, or is suspended.
            GitHubForbiddenError: GitHub does not accept the key.
            GitHubUnavailableError: GitHub did not answer.
            RateLimitedError: the wait would be too long.
            MalformedAnswerError: the answer is not what GitHub documents.
        """
        path = f"/app/installations/{installation.id}/access_tokens"
        answer = await self._ask("POST", path, Cost.WRITE, tries=tries)
        if answer.status_code in {403, 404}:
            raise AppNotInstalledError(installation.owner, suspended=answer.status_code == 403)
        body = json_of(self._accepted(answer))
        try:
            expires_at = datetime.fromisoformat(body["expires_at"]).timestamp()
            return Held(Credential(str(body["token"]), f"installation:{installation.id}"), expires_at)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedAnswerError from error

    async def _ask(
        self, method: str, path: str, cost: Cost, options: dict[str, Any] | None = None, *, tries: int = TRIES
    ) -> httpx.Response:
        """Send; a token too many does no harm, so that everything may be repeated."""
        ask = Ask("core", cost, current().lane)
        request = Request(method, f"{self._api_url}{path}", path, ask, options or {}, tries)
        return await self._sender.send(request, _Itself(Credential(self._jwt(), self.scope)))

    def _accepted(self, answer: httpx.Response) -> httpx.Response:
        """Return an answer that is a success."""
        if not answer.is_success:
            message = f"the App is not accepted (HTTP {answer.status_code})"
            raise GitHubForbiddenError("", message, status=answer.status_code)
        return answer

    def _jwt(self) -> str:
        """Return a JWT for the App (RS256), signed with the key as it is now."""
        now = int(self._clock())
        claims = {"iat": now - JWT_BACKDATE_SECONDS, "exp": now + JWT_SECONDS, "iss": self._app_id}
        try:
            return jwt.encode(claims, self._key.read(), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            # Without its cause: the library's words may quote the key.
            raise GitHubForbiddenError("", "the App's private key cannot be used") from None


def _installations(entries: Any) -> list[Installation]:
    """Read a page of installations."""
    try:
        return [
            Installation(
                int(entry["id"]),
                str(entry["account"]["login"]).casefold(),
                f"{entry['app_slug']}[bot]",
                bool(entry.get("suspended_at")),
            )
            for entry in entries
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswerError from error
