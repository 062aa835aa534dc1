"""Makes bearer tokens, and what a server keeps of them."""

from __future__ import annotations

import hashlib
import secrets

#: Marks our tokens, so that secret scanners and our own log find them wherever they turn up.
PREFIX = "mybt_"
#: Random bytes of a token: 256 bits, which nobody tries out, so that a plain SHA-256 may be kept of it.
TOKEN_BYTES = 32


def new_token() -> str:
    """Return a token that nobody had before."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def token_digest(token: str) -> str:
    """Return what an identities file holds of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
