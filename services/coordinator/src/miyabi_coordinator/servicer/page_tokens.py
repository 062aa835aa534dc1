"""Page tokens: opaque, of one version, and of the list that made them."""

from __future__ import annotations

import base64
import binascii
import math
import re

from miyabi_coordinator import errors
from miyabi_coordinator.ports.store import Position

#: Begins every token; another layout gets another one, so that a token of another version is refused, not misread.
_VERSION = "p2"
_STREAM_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_BATCH = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_NUMBER = re.compile(r"[0-9]{1,15}")
_AGENT = re.compile(r"[A-Za-z0-9._-]{1,128}")


def batches_token(position: Position) -> str:
    """Return the token of the batches behind a position."""
    return _make("batches", f"{position.created.hex()} {position.batch}")


def read_batches_token(token: str) -> Position | None:
    """Return the position that a token of ListBatches names; None where it is empty.

    Raises:
        InvalidArgumentError: ListBatches did not make it.
    """
    text = _read("batches", token)
    if text is None:
        return None
    moment, _, batch = text.partition(" ")
    try:
        created = float.fromhex(moment)
    except (ValueError, OverflowError) as error:
        raise errors.bad_cursor("page_token") from error
    if not math.isfinite(created) or not _BATCH.fullmatch(batch):
        raise errors.bad_cursor("page_token")
    return Position(created, batch)


def agents_token(agent: str) -> str:
    """Return the token of the agents behind an agent."""
    return _make("agents", agent)


def read_agents_token(token: str) -> str:
    """Return the agent that a token of ListAgents names; empty where the token is.

    Raises:
        InvalidArgumentError: ListAgents did not make it.
    """
    return _matching(_AGENT, _read("agents", token))


def audit_token(position: str) -> str:
    """Return the token of the audit entries before a position of its stream."""
    return _make("audit", position)


def read_audit_token(token: str) -> str:
    """Return the position that a token of ListAuditEntries names; empty where the token is.

    Raises:
        InvalidArgumentError: ListAuditEntries did not make it.
    """
    return _matching(_STREAM_POSITION, _read("audit", token))


def calls_token(number: int) -> str:
    """Return the token of the calls of a run behind a number."""
    return _make("calls", str(number))


def read_calls_token(token: str) -> int:
    """Return the number that a token of ListModelCalls names; 0 where it is empty.

    Raises:
        InvalidArgumentError: ListModelCalls did not make it.
    """
    return int(_matching(_NUMBER, _read("calls", token)) or 0)


def steps_token(position: str) -> str:
    """Return the token of the steps of limits before a position of their stream."""
    return _make("limit-steps", position)


def read_steps_token(token: str) -> str:
    """Return the position that a token of ListLimitSteps names; empty where the token is.

    Raises:
        InvalidArgumentError: ListLimitSteps did not make it.
    """
    return _matching(_STREAM_POSITION, _read("limit-steps", token))


def _make(of_list: str, position: str) -> str:
    return base64.urlsafe_b64encode(f"{_VERSION}:{of_list}:{position}".encode()).decode()


def _matching(form: re.Pattern[str], text: str | None) -> str:
    """Return a text that has a form; empty where there is none."""
    if text is not None and not form.fullmatch(text):
        raise errors.bad_cursor("page_token")
    return text or ""


def _read(of_list: str, token: str) -> str | None:
    """Return what a token of a list holds behind its version; None where there is no token."""
    if not token:
        return None
    try:
        text = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise errors.bad_cursor("page_token") from error
    version, _, rest = text.partition(":")
    name, _, position = rest.partition(":")
    if (version, name) != (_VERSION, of_list) or not position:
        raise errors.bad_cursor("page_token")
    return position
