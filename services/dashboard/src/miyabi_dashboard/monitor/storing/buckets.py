"""Measurements of a minute or an hour: durations and counts by name, as many names as are kept."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from miyabi_core.text import shortened
from miyabi_dashboard.monitor.measuring.measurements import (
    OTHER,
    Count,
    CountKey,
    Measurement,
    SeriesKey,
    decode_name,
)
from miyabi_dashboard.monitor.sketches import Durations, Exact, Sketch

#: Seconds of the buckets that new measurements go into.
MINUTE = 60
#: Seconds of the buckets that older ones are folded into.
HOUR = 3600
#: Minutes are folded once they are older than this: what happens now is looked at closely, and it bounds what is kept.
MINUTES_KEPT = 2 * HOUR
#: Names of one bucket. A busy hour of 20 agents, 10 repositories and 30 tools has about a thousand; each takes some
#: 200 bytes, so that 30 days of full ones take less than 300 MB.
MOST_NAMES = 2000
#: Examples of one count: the newest.
MOST_EXAMPLES = 5
#: Characters of what a failure said.
MOST_MESSAGE = 500
#: The stored form of a series: failures, bytes of the example, then the example and the sketch.
_HEAD = struct.Struct("<QH")


def bucket_of(moment: float, *, now: float) -> str:
    """Return the name of the bucket that a moment belongs to: its minute, or its hour where that is already folded."""
    fine = now - moment < MINUTES_KEPT
    return f"m{int(moment // MINUTE) * MINUTE}" if fine else f"h{int(moment // HOUR) * HOUR}"


def start_of(name: str) -> int:
    """Return the first second of a bucket.

    Raises:
        ValueError: it is no name of one.
    """
    return int(name[1:])


def end_of(name: str) -> int:
    """Return the first second after a bucket."""
    return start_of(name) + (MINUTE if name.startswith("m") else HOUR)


@dataclass(slots=True)
class Series:
    """Durations of one name, how many of them failed, and where the longest was seen."""

    durations: Durations
    failed: int = 0
    example: str = ""

    def add(self, measurement: Measurement) -> None:
        """Take a duration."""
        if measurement.seconds >= self.durations.most:
            self.example = measurement.example
        self.durations.add(measurement.seconds)
        self.failed += measurement.failed

    def merge(self, other: Series) -> None:
        """Take all of another one, of the same kind."""
        if other.durations.most >= self.durations.most:
            self.example = other.example
        merge_into(self.durations, other.durations)
        self.failed += other.failed


@dataclass(slots=True)
class Tally:
    """A count, where it was seen last, and what was said then."""

    amount: int = 0
    examples: list[str] = field(default_factory=list)
    message: str = ""

    def add(self, count: Count) -> None:
        """Count more."""
        self.amount += count.amount
        self.message = shortened(count.message, MOST_MESSAGE) or self.message
        if count.example:
            self.examples = newest([*self.examples, count.example])

    def merge(self, other: Tally) -> None:
        """Add a later one."""
        self.amount += other.amount
        self.examples = newest([*self.examples, *other.examples])
        self.message = other.message or self.message


def newest(examples: list[str]) -> list[str]:
    """Return the newest examples, each once, the newest last."""
    return list(dict.fromkeys(reversed(examples)))[:MOST_EXAMPLES][::-1]


class Bucket:
    """Durations and counts of some time; what changed since it was last written is known.

    Args:
        most: Names that are kept; of what comes after those the subject, repository, model and agent are not.
        make: Makes the durations of a new name: sketches, or exact ones for one batch.
    """

    def __init__(self, most: int = MOST_NAMES, *, make: Callable[[], Durations] = Sketch) -> None:
        self._most = most
        self._make = make
        self.series: dict[SeriesKey, Series] = {}
        self.tallies: dict[CountKey, Tally] = {}
        self.changed: set[SeriesKey | CountKey] = set()

    def measure(self, measurement: Measurement) -> None:
        """Take a duration."""
        for wanted in measurement.keys:
            key, series = wanted, self.series.get(wanted)
            if series is None:
                key, series = self._series_of(wanted)
            series.add(measurement)
            self.changed.add(key)

    def count(self, count: Count) -> None:
        """Take a count."""
        key = count.key
        tally = self.tallies.get(key)
        if tally is None:
            key = self._counted(key)
            tally = self.tallies.setdefault(key, Tally())
        tally.add(count)
        self.changed.add(key)

    def _series_of(self, key: SeriesKey) -> tuple[SeriesKey, Series]:
        """Return a new series, or the one of all that came after as many as are kept, with its name."""
        name = self._named(key)
        return name, self.series.setdefault(name, Series(self._make()))

    def _named(self, key: SeriesKey) -> SeriesKey:
        """Return a new series' name, or the one that all have that came after as many as are kept."""
        if len(self.series) < self._most:
            return key
        return SeriesKey(key.family, OTHER, 0, agent=OTHER) if key.agent else SeriesKey(key.family, OTHER, 0, OTHER)

    def _counted(self, key: CountKey) -> CountKey:
        """Return a new count's name, or the one that all have that came after as many as are kept."""
        if len(self.tallies) < self._most:
            return key
        hidden = CountKey(key.what, OTHER if key.detail else "")
        return hidden._replace(agent=OTHER) if key.agent else hidden._replace(repository=OTHER)

    def merge(self, other: Bucket) -> None:
        """Add a later one."""
        for key, series in other.series.items():
            name = key if key in self.series else self._named(key)
            self.series.setdefault(name, Series(self._make())).merge(series)
            self.changed.add(name)
        for count, tally in other.tallies.items():
            label = count if count in self.tallies else self._counted(count)
            self.tallies.setdefault(label, Tally()).merge(tally)
            self.changed.add(label)

    def encode_changed(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield name and value of what changed."""
        for key in self.changed:
            yield key.encode(), _encoded(self, key)

    @classmethod
    def decode(cls, stored: dict[bytes, bytes]) -> Bucket:
        """Read the stored form; a name or value that is none of ours, or of a newer version, is left out."""
        bucket = cls()
        for name, value in stored.items():
            try:
                key = decode_name(name)
                if isinstance(key, SeriesKey):
                    bucket.series[key] = _series(value)
                else:
                    amount, examples, message = json.loads(value)
                    bucket.tallies[key] = Tally(int(amount), list(examples), str(message))
            except (ValueError, TypeError, struct.error):
                continue
        return bucket


def merge_into(mine: Durations, other: Durations) -> None:
    """Merge two sketches, or two of exact durations."""
    match mine, other:
        case Sketch(), Sketch():
            mine.merge(other)
        case Exact(), Exact():
            mine.merge(other)


def _encoded(bucket: Bucket, key: SeriesKey | CountKey) -> bytes:
    """Return the stored value of a name."""
    if isinstance(key, CountKey):
        tally = bucket.tallies[key]
        return json.dumps([tally.amount, tally.examples, tally.message], separators=(",", ":")).encode()
    series = bucket.series[key]
    example = series.example.encode()
    sketch = series.durations.encode() if isinstance(series.durations, Sketch) else b""
    return _HEAD.pack(series.failed, len(example)) + example + sketch


def _series(value: bytes) -> Series:
    """Read a stored series.

    Raises:
        struct.error, ValueError: it is none.
    """
    failed, length = _HEAD.unpack_from(value)
    end = _HEAD.size + length
    return Series(Sketch.decode(value[end:]), failed, value[_HEAD.size : end].decode())
