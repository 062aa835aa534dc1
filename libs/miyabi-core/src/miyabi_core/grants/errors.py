"""Why a write is refused for its grant."""

from __future__ import annotations

from miyabi_core.errors import PermissionDeniedError


class GrantMissingError(PermissionDeniedError):
    """The caller shows no grant: who it is does not matter, only a lease lets it write."""

    def __init__(self) -> None:
        super().__init__("Writing needs the grant of a lease; none was shown.", reason="GRANT_MISSING")


class GrantInvalidError(PermissionDeniedError):
    """What the caller shows was not signed by this system's coordinator, or was changed; which is not said."""

    def __init__(self) -> None:
        super().__init__("The grant was not made by this system's coordinator.", reason="GRANT_INVALID")


class GrantExpiredError(PermissionDeniedError):
    """The grant's time is over, or has not begun by this machine's clock."""

    def __init__(self, task: str) -> None:
        super().__init__("The grant's time is over.", reason="GRANT_EXPIRED", metadata={"task": task})


class GrantTooNarrowError(PermissionDeniedError):
    """The grant is good, for something else."""

    def __init__(self, task: str, what: str) -> None:
        message = f"The grant of {task} is for another {what}."
        super().__init__(message, reason="GRANT_TOO_NARROW", metadata={"task": task, "what": what})
