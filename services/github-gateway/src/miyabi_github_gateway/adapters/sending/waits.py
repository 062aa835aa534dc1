"""Reads for how long GitHub asks to be left alone; what it says is bounded, whatever it says."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from miyabi_core.text import shortened

#: Pause after a secondary limit without `retry-after`, as GitHub documents it; each further one in a row doubles it.
SECONDARY_PAUSE_SECONDS = 60.0
#: Longest pause that is kept: no window of GitHub's limits is longer than an hour, and a second for cut clocks.
LONGEST_SECONDS = 3601.0
#: Shortest pause: GitHub asks for whole seconds.
SHORTEST_SECONDS = 1.0
#: Digits of a number in a header; what is longer is no number of GitHub's.
MOST_DIGITS = 15
#: Characters of a header that are shown to people.
_SHOWN = 40


@dataclass(frozen=True)
class Pause:
    """A pause on GitHub's clock.

    Args:
        seconds: From 1 to `LONGEST_SECONDS`.
        beyond: What GitHub said where it asked for a longer one; empty where it is kept as it is.
        is_guess: What GitHub said is no time, so that the documented pause is made.
    """

    seconds: float
    beyond: str = ""
    is_guess: bool = False


def pause_of(seconds: float, said: str) -> Pause:
    """Return a pause within the bounds; *said* is GitHub's own word for it."""
    if math.isnan(seconds):
        return Pause(SECONDARY_PAUSE_SECONDS, is_guess=True)
    beyond = shortened(said, _SHOWN) if seconds > LONGEST_SECONDS else ""
    return Pause(min(LONGEST_SECONDS, max(SHORTEST_SECONDS, seconds)), beyond)


def retry_after(answer: httpx.Response) -> Pause:
    """Read `retry-after`: seconds, as GitHub sends them, or a date, as a proxy before it may.

    Source: RFC 9110, section 10.2.3.
    """
    value = answer.headers["retry-after"]
    try:
        return pause_of(float(value), value)
    except ValueError:
        pass
    try:
        return pause_of(parsedate_to_datetime(value).timestamp() - now_of(answer), value)
    except (ValueError, OverflowError, TypeError):
        return Pause(SECONDARY_PAUSE_SECONDS, is_guess=True)


def now_of(answer: httpx.Response) -> float:
    """Return GitHub's own time, seconds since 1970; ours where it does not tell."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return time.time()


def until_reset(answer: httpx.Response) -> Pause:
    """Return the time until the hour begins anew; a second more, since `date` is cut to whole seconds."""
    value = answer.headers.get("x-ratelimit-reset", "0")
    try:
        return pause_of(float(value) - now_of(answer) + 1, value)
    except ValueError:
        return Pause(SECONDARY_PAUSE_SECONDS, is_guess=True)
