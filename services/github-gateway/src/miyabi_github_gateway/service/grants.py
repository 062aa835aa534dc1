"""Lets writes through that a lease covers: whoever calls, a token alone writes nothing."""

from __future__ import annotations

from miyabi_core.access.identity import current_identity
from miyabi_core.grants import Grant, GrantChecker, Wanted
from miyabi_github_gateway.errors import GrantSupersededError
from miyabi_github_gateway.ports import Fences


class GrantedWrites:
    """Checks what a caller shows against what it wants to write.

    Args:
        checker: Knows the keys.
        fences: Remembers the newest lease of each task that has written.
    """

    def __init__(self, checker: GrantChecker, fences: Fences) -> None:
        self._checker = checker
        self._fences = fences

    async def check(self, text: str, wanted: Wanted) -> Grant:
        """Return the grant that covers a write of the caller of now.

        Args:
            text: The grant as it was shown; empty: none was.
            wanted: The write.

        Raises:
            PermissionDeniedError: `GRANT_MISSING`, `GRANT_INVALID`, `GRANT_EXPIRED`, `GRANT_TOO_NARROW`, or
                `GRANT_SUPERSEDED`.
            UnavailableError: the state store does not answer.
        """
        grant = self._checker.check(text, wanted, caller=current_identity())
        if not await self._fences.pass_through(grant.task, grant.fencing_token):
            raise GrantSupersededError(grant.task)
        return grant
