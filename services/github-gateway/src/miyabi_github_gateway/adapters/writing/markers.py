"""The hidden line by which what was written is found again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def marked(marker: str, body: str) -> str:
    """Return *body* with its marker, an HTML comment that readers do not see."""
    return f"{_line(marker)}\n{body}"


def is_marked(raw: Mapping[str, Any], marker: str, *, author: str) -> bool:
    """Tell whether REST's comment or issue carries a marker and is by *author*; an empty one is everybody."""
    login = str((raw.get("user") or {}).get("login", ""))
    is_own = not author or login.casefold() == author.casefold()
    return is_own and str(raw.get("body") or "").startswith(_line(marker))


def _line(marker: str) -> str:
    """Return the hidden line."""
    return f"<!-- miyabi:{marker} -->"
