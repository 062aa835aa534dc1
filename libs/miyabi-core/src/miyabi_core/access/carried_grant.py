"""The grant of the task that runs: bound once, carried by each of its calls."""

from __future__ import annotations

from contextvars import ContextVar

#: Metadata of a call and header of a push that hold the grant.
GRANT_HEADER = "miyabi-grant"

_CURRENT: ContextVar[str] = ContextVar("miyabi_grant", default="")


def bind_grant(text: str) -> None:
    """Let the calls of the task that runs, and of tasks that it starts from now on, carry a grant; empty: none.

    The caller gives each lease a task of its own, so nothing has to be taken back at the end.
    """
    _CURRENT.set(text)


def current_grant() -> str:
    """Return the grant of the task that runs; empty where there is none."""
    return _CURRENT.get()
