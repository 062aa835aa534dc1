"""The credentials of a GitHub App: a token for each installation, fetched ahead of its end."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.credentials.app_api import AppApi, Held, Installation
from miyabi_github_gateway.adapters.sending.outgoing import TRIES
from miyabi_github_gateway.errors import AppNotInstalledError, GitHubUnavailableError, RateLimitedError
from miyabi_github_gateway.models import Credential

#: An installation token lasts an hour; the next is fetched so long before, that a long clone does not outlive it.
REFRESH_AHEAD_SECONDS = 600
#: A token with less than this left is not used even where GitHub gives no other.
LEAST_SECONDS = 60
#: Where GitHub gave no other token, the old one serves for so long before it is asked again: callers do not queue up.
ASK_AGAIN_SECONDS = 30
#: Where an App is installed is read again at most this often for an owner that was not found.
INSTALLATIONS_SECONDS = 60

_LOG = get_logger(__name__)


class AppCredentials:
    """Implements `ports.Credentials` with a GitHub App.

    Args:
        api: Asks GitHub as the App.
        clock: Seconds since the epoch; tests give their own.

    Source: docs.github.com, authenticating as a GitHub App installation.
    """

    def __init__(self, api: AppApi, *, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._clock = clock
        self._installations: dict[str, Installation] = {}
        self._listed_at = float("-inf")
        self._listing = asyncio.Lock()
        self._tokens: dict[int, Held] = {}
        self._fetching: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, owner: str) -> Credential:
        """Return the token of the installation at an owner; with an empty owner, of any installation.

        Raises:
            AppNotInstalledError: the App is not installed there, or is suspended.
            GitHubForbiddenError: GitHub does not accept the key.
            GitHubUnavailableError: no token was to be had.
            RateLimitedError: a token would not be had in time.
        """
        installation = await self._installation(owner)
        serving = self._serving(installation)
        if serving is not None:
            return serving
        async with self._fetching[installation.id]:
            serving = self._serving(installation)
            if serving is None:
                held = await self._renewed(installation)
                self._tokens[installation.id], serving = held, held.credential
        return serving

    def first_scope(self) -> str:
        """Return the scope of the budget that is there from the start: the App's own."""
        return self._api.scope

    def refused(self, credential: Credential) -> None:
        """Forget a token, and where it was for: the App may have been removed there and installed anew."""
        _LOG.warning("credential.refused", scope=credential.scope)
        for number, held in list(self._tokens.items()):
            if held.credential == credential:
                self._forget(number)

    async def account(self, owner: str) -> str:
        """Return the account that the App's writes carry: `slug[bot]`."""
        return (await self._installation(owner)).login

    async def permissions(self, repository: str) -> dict[str, str]:
        """Return what the App may do in a repository, as its installation says now."""
        return await self._api.permissions(repository)

    def _forget(self, number: int) -> None:
        """Forget an installation, which is looked for again."""
        self._tokens.pop(number, None)
        self._installations = {owner: one for owner, one in self._installations.items() if one.id != number}
        self._listed_at = float("-inf")

    async def _installation(self, owner: str) -> Installation:
        """Return where the App is installed."""
        found = self._known(owner)
        if found is None:
            async with self._listing:
                if self._known(owner) is None and self._clock() - self._listed_at >= INSTALLATIONS_SECONDS:
                    self._installations = await self._api.installations()
                    self._listed_at = self._clock()
                found = self._known(owner)
        if found is None:
            raise AppNotInstalledError(owner, suspended=owner.casefold() in self._installations)
        return found

    def _known(self, owner: str) -> Installation | None:
        """Look an owner up, suspended installations aside; an App with one installation needs no owner."""
        if not owner:
            return next((one for one in self._installations.values() if not one.suspended), None)
        found = self._installations.get(owner.casefold())
        return None if found is None or found.suspended else found

    def _serving(self, installation: Installation) -> Credential | None:
        """Return the token that serves now; None where one has to be asked for."""
        held, now = self._tokens.get(installation.id), self._clock()
        if held is None or held.expires_at - now < LEAST_SECONDS:
            return None
        is_due = held.expires_at - now <= REFRESH_AHEAD_SECONDS and now >= held.ask_again_at
        return None if is_due else held.credential

    async def _renewed(self, installation: Installation) -> Held:
        """Fetch a token; where GitHub gives none, the old one serves as long as it lasts."""
        old = self._tokens.get(installation.id)
        if old is not None and old.expires_at - self._clock() < LEAST_SECONDS:
            old = None
        try:
            found = await self._api.token(installation, tries=TRIES if old is None else 1)
        except (GitHubUnavailableError, RateLimitedError):
            if old is None:
                raise
            return replace(old, ask_again_at=self._clock() + ASK_AGAIN_SECONDS)
        except AppNotInstalledError:
            self._forget(installation.id)
            raise
        _LOG.info("credential.renewed", scope=found.credential.scope)
        return found
