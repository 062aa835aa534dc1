"""Reads durations as people write them: `20`, `20s`, `20 s`, `15 min`, `1h30m`, `30 days`, `PT20S`.

pydantic reads ISO 8601, and that is left to it. For words and units no library is used: the one that is kept at all
(pytimeparse2) takes `1:30` for minutes and a month for something that is no timedelta where another package is
installed, and knows no ISO 8601.
"""

from __future__ import annotations

import re
from datetime import timedelta

#: What is accepted, for an error's reader.
ACCEPTED = "a duration: 20 s, 15 min, 1h30m, 30 days, PT20S, or a number of seconds"
#: Units from long to short: in a sum each comes at most once, in this order. `M` alone is no unit: month or minute?
_UNITS = (
    ("weeks", "w|weeks?"),
    ("days", "d|days?"),
    ("hours", "h|hrs?|hours?"),
    ("minutes", "m|mins?|minutes?"),
    ("seconds", "s|secs?|seconds?"),
    ("milliseconds", "ms|millis|milliseconds?"),
)
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
#: A sign is read, so that who checks the bounds refuses it with them.
_SECONDS = re.compile(rf"[-+]?{_NUMBER}")
_SUM = re.compile(r"[\s,]*".join(rf"(?:(?P<{name}>{_NUMBER})\s*(?:{unit})(?![A-Za-z]))?" for name, unit in _UNITS))


def parse_duration(text: str) -> timedelta | None:
    """Return the duration of a number of seconds, or of a sum of numbers with units; None where the text is neither.

    Args:
        text: For example `20`, `1h30m`, `1 hour, 30 minutes` or `0.5 s`.

    Raises:
        ValueError: it is longer than a timedelta can be.
    """
    text = text.strip()
    if _SECONDS.fullmatch(text):
        parts = {"seconds": float(text)}
    else:
        found = _SUM.fullmatch(text)
        parts = {name: float(number) for name, number in found.groupdict().items() if number} if found else {}
    if not parts:
        return None
    try:
        return timedelta(**parts)
    except OverflowError as error:
        raise ValueError("longer than 999999999 days") from error
