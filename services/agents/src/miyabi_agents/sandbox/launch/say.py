"""What keeper and agent say to each other: a JSON line a message, over one socket."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

#: Longest policy; a command with thousands of targets fits.
MAX_POLICY_BYTES = 4 << 20


def say(control: socket.socket, **message: object) -> None:
    """Tell the agent something; where it is gone, nobody listens."""
    with suppress(OSError):
        control.sendall(json.dumps(message).encode() + b"\n")


def read_policy(control: socket.socket) -> dict[str, Any]:
    """Read the policy's line.

    Raises:
        ValueError: it is none, or the other end closed first.
    """
    text = bytearray()
    while not text.endswith(b"\n"):
        chunk = control.recv(1 << 16)
        if not chunk or len(text) > MAX_POLICY_BYTES:
            raise ValueError("no policy came")
        text += chunk
    policy: dict[str, Any] = json.loads(text)
    return policy
