"""Renders a budget as limits, with the moment at which each runs out at the pace of the last minutes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from miyabi_github_gateway.models import RateLimit
from miyabi_github_gateway.service.governor.model import (
    HOUR_MS,
    MINUTE_MS,
    RECENT_MINUTES,
    BudgetState,
    HourState,
    Limits,
)

#: Name of the limit that has a forecast beside those of GitHub's own hours.
CONTENT_HOUR = "content-hour"


def rate_limits(
    state: BudgetState, limits: Limits, *, time_scale: float = 1.0, now: datetime | None = None
) -> list[RateLimit]:
    """Return the limits of a credential; moments are of our own clock.

    Args:
        state: What is left.
        limits: Of the credential.
        time_scale: How fast GitHub's clock runs.
        now: Tests give their own.
    """
    now = now or datetime.now(UTC)

    def after(milliseconds: float | None) -> datetime | None:
        return None if milliseconds is None else now + timedelta(milliseconds=milliseconds / time_scale)

    blocked = after(state.blocked_ms) if state.blocked_ms else None
    found = []
    for hour in state.hours:
        remaining = -1 if hour.remaining is None else hour.remaining
        found.append(
            RateLimit(
                hour.resource, hour.limit, remaining,
                reset_time=after(hour.resets_in_ms),
                used=0 if hour.remaining is None else max(0, hour.limit - remaining),
                blocked_until_time=blocked,
                observe_time=after(None if hour.heard_ago_ms is None else -hour.heard_ago_ms),
                exhaust_time=after(exhausted_in_ms(hour)),
            )
        )  # fmt: skip
    content = after(content_exhausted_in_ms(state, limits))
    windows = _windows(state, limits, blocked)
    return [*found, *(replace(one, exhaust_time=content) if one.resource == CONTENT_HOUR else one for one in windows)]


def _windows(state: BudgetState, limits: Limits, blocked: datetime | None) -> list[RateLimit]:
    """Return what is left of the limits that have no hour."""
    windows: list[tuple[str, int, int, timedelta | None]] = [
        (f"{name}-minute", limits.minute(name), used, timedelta(minutes=1))
        for name, used in sorted(state.minute_points.items())
    ]
    windows += [
        ("busy-minute", limits.busy_ms // 1000, _seconds(sum(state.busy_ms.values())), timedelta(minutes=1)),
        (
            "graphql-busy-minute",
            limits.busy_graphql_ms // 1000,
            _seconds(state.busy_ms["graphql"]),
            timedelta(minutes=1),
        ),
        ("concurrent", limits.concurrency, state.concurrent, None),
        ("content-minute", limits.content_minute, state.content_minute, timedelta(minutes=1)),
        (CONTENT_HOUR, limits.content_hour, state.content_hour, timedelta(hours=1)),
    ]
    return [
        RateLimit(name, limit, max(0, limit - used), used=used, window=window, blocked_until_time=blocked)
        for name, limit, used, window in windows
    ]


def _seconds(milliseconds: int) -> int:
    """Return whole seconds, rounded up."""
    return -(-milliseconds // 1000)


def content_exhausted_in_ms(state: BudgetState, limits: Limits) -> float | None:
    """Return when the hour of content runs out at the pace of the last minute; None where that pace outlasts it."""
    if state.content_minute * HOUR_MS <= limits.content_hour * MINUTE_MS:
        return None
    return max(0, limits.content_hour - state.content_hour) * MINUTE_MS / state.content_minute


def exhausted_in_ms(hour: HourState) -> float | None:
    """Return when the hour runs out at the pace of the last minutes; None where it begins anew before that."""
    if hour.remaining is None or not hour.spent_recently:
        return None
    wait = hour.remaining * RECENT_MINUTES * MINUTE_MS / hour.spent_recently
    if hour.resets_in_ms is not None and wait >= hour.resets_in_ms:
        return None
    return wait
