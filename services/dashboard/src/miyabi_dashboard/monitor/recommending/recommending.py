"""Goes through the catalogue and tells what would help, with the gain of the schedule that is run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.proto_time import to_duration
from miyabi_dashboard.monitor.critical_path import Change
from miyabi_dashboard.monitor.critical_path.analysis import Analysis
from miyabi_dashboard.monitor.recommending.catalogue import Entry, read_catalogue

#: Share of the best amount's gain that a smaller amount has to reach to be proposed: what is more costs more.
NEARLY = 0.8


class _Gain(NamedTuple):
    """What a change gains, and by how much it grows."""

    seconds: float
    amount: int


def recommended(
    analysis: Analysis, facts: Mapping[str, Any], *, entries: Iterable[Entry] | None = None
) -> list[pb.Recommendation]:
    """Return what would have helped a batch, most gain first; nothing where nothing would.

    Args:
        analysis: Its time.
        facts: What is known of it, by `facts_of`.
        entries: The catalogue; default: ours.
    """
    found = []
    for entry in read_catalogue() if entries is None else entries:
        if all(condition.holds(facts) for condition in entry.when):
            gained = _gained(analysis, entry, facts)
            if gained is not None:
                found.append(_rendered(analysis, entry, facts, gained))
    return sorted(found, key=lambda advice: -advice.expected_gain.ToTimedelta())


def _gained(analysis: Analysis, entry: Entry, facts: Mapping[str, Any]) -> _Gain | None:
    """Return what an entry gains; None where it is too little. Without a change its conditions are enough."""
    if entry.change is None:
        return _Gain(0.0, 0)
    fixed: dict[str, Any] = {name: _value(value, facts) for name, value in entry.change.items()}
    changes = [(Change(**{**fixed, entry.grows: amount}), amount) for amount in entry.amounts]
    gains = [_Gain(analysis.gain(change), amount) for change, amount in changes or [(Change(**fixed), 0)]]
    best = max(gain.seconds for gain in gains)
    if best < max(entry.least_gain * analysis.seconds, 1.0):
        return None
    return next(gain for gain in gains if gain.seconds >= NEARLY * best)


def _value(value: Any, facts: Mapping[str, Any]) -> Any:
    """Return a field's value: a text names the fact that is one."""
    return facts[value.strip("{}")] if isinstance(value, str) and value.startswith("{") else value


def _rendered(analysis: Analysis, entry: Entry, facts: Mapping[str, Any], gained: _Gain) -> pb.Recommendation:
    """Render a recommendation."""
    proposed = facts.get(entry.grows, 0) + gained.amount if entry.grows else 0
    words = {**facts, "amount": gained.amount, "gain": gained.seconds, "proposed": proposed}
    advice = pb.Recommendation(
        text=entry.text.format_map(words),
        evidence=entry.evidence.format_map(words),
        catalogue_id=entry.id,
        setting=entry.setting,
        present_value=entry.present.format_map(words),
        proposed_value=entry.proposed.format_map(words),
        example=analysis.history.name,
    )
    if entry.change is not None:
        advice.expected_gain.CopyFrom(to_duration(timedelta(seconds=gained.seconds)))
    return advice
