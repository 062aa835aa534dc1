"""How many calls a target bears at once: grows while all is answered in time, halves once for each burst of refusals.

Additive increase, multiplicative decrease (RFC 5681, section 3.1), with what BIC and CUBIC add (Xu, Harfoush, Rhee,
Binary Increase Congestion Control, INFOCOM 2004; RFC 9438, section 4): between what was borne and what was refused it
goes half way; a try beyond what was borne is taken back alone where it is refused, and comes ever more seldom. Plain
AIMD uses three quarters of what a target bears.
"""

from __future__ import annotations

from msgspec.structs import replace

from miyabi_coordinator.models.pacing import LimitReason, PaceBounds, Pacing, Seen

#: Rounds at a limit that is known to be borne before the first try beyond it.
FIRST_WAIT = 4
#: Most rounds between two tries: with answers of ten seconds, one in ten minutes.
LONGEST_WAIT = 64
#: Times its usual latency above which a target is slow: the limit does not grow.
SLOW = 2.0
#: Times above which the limit is taken back.
VERY_SLOW = 4.0
#: What is left of a limit that is taken back because the target is slow.
TAKEN_BACK = 0.9
#: By how much the usual latency is let grow with each report: a target that is slower for good is not slow for ever.
DRIFT = 1.001
#: Longest pause, in seconds, that a target may ask of all agents; longer ones concern the call that was told so alone.
LONGEST_PAUSE = 60.0


def observe(
    pacing: Pacing, seen: Seen, *, used: int, bounds: PaceBounds, now: float
) -> tuple[Pacing, LimitReason | None]:
    """Return the limit after an agent's report, and why it changed; None where it did not.

    Args:
        pacing: As it is now; one without a limit begins.
        seen: What the agent saw since its last report.
        used: Calls that all agents together could have under way.
        bounds: The operator's.
        now: Seconds since 1970.
    """
    before = pacing
    pacing, reason = _within(pacing, bounds)
    if seen.retry_after:
        until = now + min(seen.retry_after, LONGEST_PAUSE)
        pacing = replace(pacing, paused_until=max(pacing.paused_until, until))
    if seen.refused and seen.epoch >= pacing.epoch:
        return _refused(pacing, bounds), LimitReason.REFUSED
    if not seen.refused and seen.answered:
        pacing, why = _answered(pacing, seen, used=used, bounds=bounds)
        reason = why or reason
    return pacing, reason if int(pacing.limit) != int(before.limit) else None


def _within(pacing: Pacing, bounds: PaceBounds) -> tuple[Pacing, LimitReason]:
    """Begin, or follow the operator's bounds."""
    if not pacing.limit:
        begin = float(min(bounds.most, max(bounds.least, bounds.begin)))
        return replace(pacing, limit=begin), LimitReason.BEGUN
    return replace(pacing, limit=_bounded(pacing.limit, bounds)), LimitReason.BOUNDS


def _refused(pacing: Pacing, bounds: PaceBounds) -> Pacing:
    """Answer a burst of refusals: take a try back, or halve a limit, which is then not known to be borne any more."""
    is_try = 0 < pacing.known < pacing.limit
    limit = _bounded(pacing.known if is_try else float(int(pacing.limit / 2)), bounds)
    is_repeated = is_try and pacing.limit == pacing.ceiling
    return replace(
        pacing,
        limit=limit,
        epoch=pacing.epoch + 1,
        is_learning=False,
        known=pacing.known if is_try else 0.0,
        ceiling=max(pacing.limit, limit + 1),
        rise=1.0,
        wait=min(LONGEST_WAIT, 2 * pacing.wait) if is_repeated else FIRST_WAIT,
        rounds=0,
        # What was sent before the burst and is answered yet says nothing of the new limit.
        answered=-int(limit),
    )


def _answered(pacing: Pacing, seen: Seen, *, used: int, bounds: PaceBounds) -> tuple[Pacing, LimitReason | None]:
    """Follow what was answered; what is not used says nothing of what would be borne."""
    latency, usual = seen.latency, pacing.baseline
    baseline = min(latency, usual * DRIFT) if usual and latency else usual or latency
    pacing = replace(pacing, baseline=baseline)
    slowness = latency / usual if usual and latency else 1.0
    if slowness < SLOW and used < int(pacing.limit):
        return replace(pacing, answered=0), None
    pacing = replace(pacing, answered=pacing.answered + seen.answered)
    if slowness >= SLOW:
        return _slowed(pacing, slowness, bounds)
    if pacing.is_learning:
        grown = _bounded(pacing.limit + min(pacing.answered, pacing.limit), bounds)
        return replace(pacing, limit=grown, answered=0), LimitReason.ANSWERED
    if pacing.answered < pacing.limit:
        return pacing, None
    return _after_round(replace(pacing, answered=0), bounds), LimitReason.ANSWERED


def _slowed(pacing: Pacing, slowness: float, bounds: PaceBounds) -> tuple[Pacing, LimitReason | None]:
    """Do not grow; after a round of answers that came much too late, take some back."""
    pacing = replace(pacing, is_learning=False)
    if slowness < VERY_SLOW or pacing.answered < pacing.limit:
        return pacing, None
    return replace(pacing, limit=_bounded(pacing.limit * TAKEN_BACK, bounds), answered=0), LimitReason.SLOW


def _after_round(pacing: Pacing, bounds: PaceBounds) -> Pacing:
    """Grow after as many answers as calls are allowed: to what is known at once, then towards what was refused."""
    limit, ceiling = pacing.limit, pacing.ceiling
    if limit < pacing.known:
        return replace(pacing, limit=_bounded(min(pacing.known, 2 * limit), bounds))
    if not ceiling:
        return replace(pacing, limit=_bounded(limit + 1, bounds))
    if limit > pacing.known and limit >= ceiling:
        rise = 2 * pacing.rise
        beyond = _bounded(limit + rise, bounds)
        return replace(pacing, known=limit, ceiling=limit, limit=beyond, rise=rise, wait=FIRST_WAIT)
    if limit + 1 < ceiling:
        half_way = _bounded(limit + max(1.0, (ceiling - limit) // 2), bounds)
        return replace(pacing, known=limit, limit=half_way)
    if pacing.rounds + 1 < pacing.wait:
        return replace(pacing, known=limit, rounds=pacing.rounds + 1)
    return replace(pacing, known=limit, limit=_bounded(limit + pacing.rise, bounds), rounds=0)


def _bounded(limit: float, bounds: PaceBounds) -> float:
    """Return a limit within the operator's bounds."""
    return min(float(bounds.most), max(float(bounds.least), limit))
