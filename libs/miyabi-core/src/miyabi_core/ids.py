"""Makes and recognises ULIDs: 26 characters of Crockford's base 32 that sort by time (github.com/ulid/spec)."""

from __future__ import annotations

import re

from ulid import ULID

#: Crockford's base 32 has no I, L, O and U; the first character holds three bits only.
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def new_ulid() -> str:
    """Return a new ULID in upper case."""
    return str(ULID())


def made_at(ulid: str) -> float:
    """Return when a ULID was made, in seconds since 1970.

    Raises:
        ValueError: it is none.
    """
    return float(ULID.from_str(ulid).timestamp)


def is_ulid(text: str) -> bool:
    """Tell whether *text* is a ULID in upper case."""
    return _ULID.fullmatch(text) is not None


def time_of(ulid: str) -> float:
    """Return when a ULID was made, in seconds since 1970, to the millisecond.

    Raises:
        ValueError: it is none.
    """
    return ULID.from_str(ulid).timestamp
