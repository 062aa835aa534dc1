"""What keeper and agent say to each other: the policy as a marshalled value, then a line a message, over one socket.

JSON would bring regular expressions with it: 10 ms for every command.
"""

from __future__ import annotations

import marshal
import socket
from contextlib import suppress
from typing import Any

#: Longest policy; a command with thousands of targets fits.
MAX_POLICY_BYTES = 16 << 20
#: Its length comes first, in so many bytes, the most significant first.
LENGTH_BYTES = 4


def say(control: socket.socket, **message: object) -> None:
    """Tell the agent something; where it is gone, nobody listens."""
    lines = (f"{name} {_said(value)}\n" for name, value in message.items())
    with suppress(OSError):
        control.sendall("".join(lines).encode(errors="replace"))


def _said(value: object) -> str:
    """Return a value as one line."""
    if isinstance(value, BaseException):
        value = f"{type(value).__name__}: {value}"
    return " ".join(str(value).split())[:1000]


def pack_policy(policy: dict[str, Any]) -> bytes:
    """Return what `read_policy` reads; texts, numbers, lists, tuples and dictionaries only."""
    packed = marshal.dumps(policy)
    return len(packed).to_bytes(LENGTH_BYTES, "big") + packed


def read_policy(control: socket.socket) -> dict[str, Any]:
    """Read the policy; only our own agent has the other end.

    Raises:
        ValueError: the other end closed first, or it is too long.
    """
    length = int.from_bytes(_read(control, LENGTH_BYTES), "big")
    if length > MAX_POLICY_BYTES:
        raise ValueError("the policy is too long")
    policy: dict[str, Any] = marshal.loads(_read(control, length))  # noqa: S302 - our own agent wrote it
    return policy


def _read(control: socket.socket, length: int) -> bytes:
    """Read so many bytes."""
    text = bytearray()
    while len(text) < length:
        chunk = control.recv(length - len(text))
        if not chunk:
            raise ValueError("no policy came")
        text += chunk
    return bytes(text)
