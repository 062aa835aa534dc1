"""The limit of a target follows what it bears: against a simulated one, at a simulated time."""

from __future__ import annotations

import heapq
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from miyabi_coordinator.decide.pacing import LONGEST_PAUSE, LONGEST_WAIT, observe
from miyabi_coordinator.decide.sharing import settle, shares
from miyabi_coordinator.models.pacing import LimitReason, Member, PaceBounds, Pacing, Seen

BOUNDS = PaceBounds(least=1, most=64, begin=4)


def played(*, bears, callers=32, calls=2000, seconds=1.0, latency=None, bounds=BOUNDS):
    """Play calls against a target that refuses above *bears* at once; returns the time, the refused, and all limits.

    Each answer and each burst is reported when it happens. A refused call is sent again when another one has ended.
    """
    pacing, _ = observe(Pacing(), Seen(), used=callers, bounds=bounds, now=0.0)
    now, ends, left, refused, limits = 0.0, [], calls, 0, [int(pacing.limit)]
    while left or ends:
        while left and len(ends) < min(int(pacing.limit), callers):
            if len(ends) >= bears:
                refused += 1
                seen = Seen(refused=1, epoch=pacing.epoch)
                pacing, _ = observe(pacing, seen, used=callers, bounds=bounds, now=now)
                limits.append(int(pacing.limit))
                break
            left -= 1
            took = latency(len(ends)) if latency else seconds
            heapq.heappush(ends, (now + took, took))
        now, took = heapq.heappop(ends)
        seen = Seen(answered=1, latency=took)
        pacing, _ = observe(pacing, seen, used=min(callers, left), bounds=bounds, now=now)
        limits.append(int(pacing.limit))
    return now, refused, limits


@pytest.mark.parametrize("bears", [3, 8, 20])
def test_a_target_is_used_nearly_as_well_as_by_who_knows_it(bears):
    """Of a batch of 250 rounds at most a tenth is lost to finding the limit, and few calls are refused."""
    calls = 250 * bears
    took, refused, _ = played(bears=bears, calls=calls)
    assert took <= 250 * 1.1
    assert refused <= 10


@pytest.mark.parametrize("bears", [3, 8, 20, 50])
def test_a_limit_is_found_within_some_rounds(bears):
    """Of a short batch of 40 rounds a tenth is lost, whatever is borne: it is looked for half way, not one by one."""
    took, refused, _ = played(bears=bears, calls=40 * bears, callers=64)
    assert took <= 40 * 1.1
    assert refused <= 5


def test_a_try_that_is_refused_is_taken_back_alone():
    """What was borne before is kept; only where that is refused too the limit is halved, and found anew."""
    borne = Pacing(limit=9.0, known=8.0, ceiling=9.0, wait=4, is_learning=False)
    back, reason = observe(borne, Seen(refused=1), used=32, bounds=BOUNDS, now=0.0)
    assert (back.limit, back.wait, reason) == (8, 8, LimitReason.REFUSED)
    less, reason = observe(back, Seen(refused=1, epoch=1), used=32, bounds=BOUNDS, now=1.0)
    assert (less.limit, less.known, reason) == (4, 0, LimitReason.REFUSED)
    limits = []
    for _ in range(5):
        less, _ = observe(less, Seen(answered=8), used=32, bounds=BOUNDS, now=2.0)
        limits.append(less.limit)
    assert limits == [6, 7, 7, 7, 7]


def test_a_target_that_comes_to_bear_more_is_followed():
    """Tries beyond what was borne double while they are borne, up to the operator's bound and no further."""
    pacing = Pacing(limit=8.0, known=8.0, ceiling=9.0, wait=4, is_learning=False)
    for _ in range(3000):
        pacing, _ = observe(pacing, Seen(answered=64), used=64, bounds=BOUNDS, now=0.0)
    assert (pacing.limit, pacing.known) == (BOUNDS.most, BOUNDS.most)
    assert pacing.rise <= BOUNDS.most


def test_a_target_without_limits_is_used_in_full_after_a_few_rounds():
    """From four to as many as there are callers it takes three rounds, and nothing is taken back."""
    took, refused, limits = played(bears=10**6, calls=32 * 100)
    assert refused == 0
    assert took <= 103
    assert limits == sorted(limits)


def test_the_limit_begins_low_and_halves_once_for_a_burst():
    """Refusals of calls that were sent before the limit was halved change nothing more."""
    pacing, reason = observe(Pacing(), Seen(), used=1, bounds=BOUNDS, now=0.0)
    assert (pacing.limit, reason) == (4, LimitReason.BEGUN)
    pacing = replace(pacing, limit=16.0)
    burst = Seen(refused=5, epoch=pacing.epoch)
    pacing, reason = observe(pacing, burst, used=16, bounds=BOUNDS, now=1.0)
    assert (pacing.limit, pacing.epoch, reason) == (8, 1, LimitReason.REFUSED)
    for _ in range(3):
        assert observe(pacing, burst, used=16, bounds=BOUNDS, now=1.1) == (pacing, None)
    pacing, _ = observe(pacing, replace(burst, epoch=1), used=16, bounds=BOUNDS, now=2.0)
    assert (pacing.limit, pacing.epoch) == (4, 2)


def test_what_is_not_used_does_not_grow():
    """Answers say nothing of a limit that nobody reaches."""
    pacing, _ = observe(Pacing(), Seen(), used=2, bounds=BOUNDS, now=0.0)
    for _ in range(100):
        pacing, reason = observe(pacing, Seen(answered=10, latency=1.0), used=3, bounds=BOUNDS, now=1.0)
        assert (pacing.limit, reason) == (4, None)


def test_a_slow_target_is_given_no_more_and_a_very_slow_one_less():
    """Twice the usual time to the first text stops the growth; four times takes a tenth back, a round at a time."""
    pacing, _ = observe(Pacing(), Seen(answered=4, latency=1.0), used=64, bounds=BOUNDS, now=0.0)
    assert pacing.limit == 8
    slow, reason = observe(pacing, Seen(answered=8, latency=2.5), used=64, bounds=BOUNDS, now=1.0)
    assert (slow.limit, reason) == (8, None)
    less, reason = observe(pacing, Seen(answered=8, latency=5.0), used=64, bounds=BOUNDS, now=1.0)
    assert (int(less.limit), reason) == (7, LimitReason.SLOW)
    queueing = played(bears=10**6, callers=64, calls=600, latency=lambda busy: 1.0 if busy < 8 else busy / 4)
    assert max(queueing[2]) <= 20


def test_what_the_target_asks_for_is_kept_by_all_within_reason():
    """`retry-after` pauses everybody, also where the burst is known; of an hour no more than a minute."""
    pacing, _ = observe(Pacing(), Seen(refused=1, retry_after=7.0), used=9, bounds=BOUNDS, now=100.0)
    assert pacing.paused_until == 107.0
    pacing, _ = observe(pacing, Seen(refused=1, retry_after=9.0), used=9, bounds=BOUNDS, now=100.0)
    assert pacing.paused_until == 109.0
    pacing, _ = observe(pacing, Seen(refused=1, retry_after=3600.0), used=9, bounds=BOUNDS, now=100.0)
    assert pacing.paused_until == 100.0 + LONGEST_PAUSE


def test_other_bounds_of_the_operator_are_followed():
    """With the next report, and the reason says so."""
    pacing, _ = observe(Pacing(), Seen(), used=9, bounds=BOUNDS, now=0.0)
    pacing, reason = observe(pacing, Seen(), used=9, bounds=PaceBounds(least=10, most=20), now=0.0)
    assert (pacing.limit, reason) == (10, LimitReason.BOUNDS)


@given(
    st.lists(
        st.builds(
            Seen,
            answered=st.integers(0, 300),
            refused=st.integers(0, 300),
            latency=st.floats(0, 100),
            retry_after=st.floats(0, 10**6),
            epoch=st.integers(0, 40),
        ),
        max_size=60,
    )
)
@settings(max_examples=100, deadline=None)
def test_no_report_leads_out_of_bounds(reports):
    """Whatever is reported, the limit stays within the operator's bounds and tries stay apart by a bounded wait."""
    pacing = Pacing()
    for now, seen in enumerate(reports):
        pacing, _ = observe(pacing, seen, used=64, bounds=BOUNDS, now=float(now))
        assert BOUNDS.least <= pacing.limit <= BOUNDS.most
        assert pacing.wait <= LONGEST_WAIT
        assert pacing.paused_until <= now + LONGEST_PAUSE


@given(st.integers(1, 200), st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 90), max_size=12))
@settings(max_examples=100, deadline=None)
def test_shares_are_fair_and_none_with_work_gets_nothing(limit, demands):
    """The sum is the limit, or one for each with work; a larger demand never gets less; demand is met where it fits."""
    found = shares(limit, demands)
    working = sum(demand > 0 for demand in demands.values())
    assert demands.keys() == found.keys()
    assert all(found[agent] >= 1 for agent, demand in demands.items() if demand)
    assert sum(found.values()) == (max(limit, working) if demands else 0)
    if sum(demands.values()) <= limit:
        assert all(found[agent] >= demand for agent, demand in demands.items())
    else:
        pairs = itertools.permutations(demands, 2)
        assert all(found[one] >= found[other] for one, other in pairs if demands[one] > demands[other])


MEMBERS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=2),
    st.builds(Member, demand=st.integers(0, 30), in_flight=st.integers(0, 20), share=st.integers(0, 20)),
    max_size=8,
)


@given(st.integers(1, 60), MEMBERS, st.data())
@settings(max_examples=100, deadline=None)
def test_nobody_is_given_what_another_may_still_be_using(limit, members, data):
    """Shares rise only into room: above the limit there is what was there before, and one for each with work.

    Once everybody has reported that it keeps to its share, all have their fair parts.
    """
    reachable = data.draw(st.sets(st.sampled_from(sorted(members)))) if members else set()
    settled = settle(limit, members, reachable=reachable)
    for agent, member in settled.items():
        assert agent in reachable or member == members[agent]
        assert agent not in reachable or member.share >= (member.demand > 0)
    for agent in reachable:
        if settled[agent].share > max(members[agent].share, members[agent].in_flight, 1):
            assert sum(max(entry.share, entry.in_flight) for entry in settled.values()) <= limit + len(settled)
    calm = members
    for _ in range(2):
        calm = {agent: replace(member, in_flight=0) for agent, member in calm.items()}
        calm = settle(limit, calm, reachable=calm)
    final = calm
    demands = {agent: member.demand for agent, member in calm.items()}
    assert {agent: member.share for agent, member in final.items()} == shares(limit, demands)
