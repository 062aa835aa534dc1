"""Makes identities with tokens for tests."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Any

import yaml


def new_token() -> str:
    """Return a token that nobody had before."""
    return secrets.token_urlsafe(32)


def entry(name: str, *roles: str, token: str = "", expires: str = "", **more: Any) -> dict[str, Any]:
    """Return an identity as the file has it."""
    tokens = [{"sha256": hashlib.sha256(token.encode()).hexdigest(), **({"expires": expires} if expires else {})}]
    return {"name": name, "roles": list(roles), **({"tokens": tokens} if token else {}), **more}


def write_identities(path: Path, *entries: dict[str, Any]) -> Path:
    """Write the file at once, as a rotation does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump({"identities": list(entries)}))
    fresh.replace(path)
    return path
