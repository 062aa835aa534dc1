"""The token of who makes a request, for the calls that are made on their behalf."""

from __future__ import annotations

from contextvars import ContextVar

_TOKEN: ContextVar[str] = ContextVar("miyabi_dashboard_caller_token", default="")


def bind_token(token: str) -> None:
    """Remember the token of the request that is answered; aiohttp answers each in a task of its own."""
    _TOKEN.set(token)


def caller_token() -> str:
    """Return the token of the request that is answered; empty where identity is off, and outside of a request."""
    return _TOKEN.get()
