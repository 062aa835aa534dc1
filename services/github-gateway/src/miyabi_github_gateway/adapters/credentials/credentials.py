"""The credential of everyone: one token, which is replaced by whoever writes its file."""

from __future__ import annotations

import hashlib

from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.credentials.secret_files import RotatingSecret
from miyabi_github_gateway.models import Credential

_LOG = get_logger(__name__)


def fingerprint(token: str) -> str:
    """Return a name for a token that does not tell it: part of a digest; tokens are random, so it cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


class TokenCredentials:
    """Implements `ports.Credentials` with one token for every owner.

    Args:
        secret: The token; an empty one means that GitHub is asked without.
    """

    def __init__(self, secret: RotatingSecret) -> None:
        self._secret = secret

    async def of(self, owner: str) -> Credential:
        """Return the token as it is now.

        Raises:
            CredentialMissingError: its file cannot be read.
        """
        del owner
        return self._now()

    def _now(self) -> Credential:
        """Read the token."""
        token = self._secret.read()
        return Credential(token, f"token:{fingerprint(token)}" if token else "anonymous")

    def first_scope(self) -> str:
        """Return the scope of the budget that is there from the start.

        Raises:
            CredentialMissingError: its file cannot be read.
        """
        return self._now().scope

    def refused(self, credential: Credential) -> None:
        """Note it in the log: a token is replaced by whoever wrote its file."""
        _LOG.warning("credential.refused", scope=credential.scope)

    async def account(self, owner: str) -> str:
        """Return nothing: only GitHub can tell whose token it is."""
        del owner
        return ""

    async def permissions(self, repository: str) -> None:
        """Return nothing: a token's rights only GitHub's answers tell."""
        del repository
