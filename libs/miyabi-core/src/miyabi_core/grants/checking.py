"""Compares what a caller wants to write with what its grant says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from miyabi_core.access.identity import Identity
from miyabi_core.grants.errors import GrantExpiredError, GrantMissingError, GrantTooNarrowError
from miyabi_core.grants.grant import Grant, Wanted
from miyabi_core.grants.keys import GrantKeys
from miyabi_core.grants.tokens import read

#: How far the clocks of coordinator and gateway may differ: machines that keep time at all are within seconds.
SKEW = timedelta(seconds=30)


def _now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class GrantChecker:
    """Says whether a write is covered.

    Args:
        keys: Of this system.
        clock: Returns the time, aware.
    """

    def __init__(self, keys: GrantKeys, *, clock: Callable[[], datetime] = _now) -> None:
        self._keys = keys
        self._clock = clock

    def check(self, text: str, wanted: Wanted, *, caller: Identity) -> Grant:
        """Return the grant that covers a write.

        Args:
            text: The grant as it was shown; empty: none was.
            wanted: The write.
            caller: Who asks: somebody else's grant is of no use to it.

        Raises:
            GrantMissingError: none was shown.
            GrantInvalidError: it was not signed with a key of this system.
            GrantExpiredError: its time is over, or has not begun.
            GrantTooNarrowError: it is for another agent, repository, kind of write, issue or branch.
        """
        if not text:
            raise GrantMissingError
        grant = read(text, self._keys.all())
        now = self._clock()
        if not grant.not_before - SKEW <= now < grant.expires + SKEW:
            raise GrantExpiredError(grant.task)
        for what, covered in (
            ("agent", caller.may_attach_as(grant.agent)),
            # GitHub's names of repositories have no case.
            ("repository", grant.repository.casefold() == wanted.repository.casefold()),
            ("kind of write", wanted.write in grant.writes),
            ("issue", wanted.issue is None or grant.issue == wanted.issue),
            ("branch", wanted.branch is None or grant.branch == wanted.branch),
            ("base branch", wanted.base_branch is None or grant.base_branch == wanted.base_branch),
        ):
            if not covered:
                raise GrantTooNarrowError(grant.task, what)
        return grant
