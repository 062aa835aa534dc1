"""Durations and counts as they are kept: what of, and of whom."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from miyabi_core.text import readable, shortened

#: What a series is called that came after as many as are kept.
OTHER = "(other)"
#: The repository of a batch whose beginning was not seen.
UNKNOWN = "(unknown)"
#: Characters of a part of a name: longer than any tool, model or repository, and than most tests.
MOST_PART = 200
#: Stands between the parts of a stored name; no part can hold it, since control characters are cleaned away.
_BETWEEN = "\x1f"


class Family(StrEnum):
    """What was measured."""

    TASK = "task"
    TOOL = "tool"
    MODEL = "model"
    QUEUE = "queue"
    GATEWAY = "gateway"


class What(StrEnum):
    """What is counted; the first five have the names of a report's totals."""

    BATCHES = "batches"
    SUCCEEDED = "runs_succeeded"
    FAILED = "runs_failed"
    SKIPPED = "runs_skipped"
    CANCELLED = "runs_cancelled"
    COST = "cost_usd_micros"
    INPUT = "input_tokens"
    OUTPUT = "output_tokens"
    CACHE_READ = "cache_read_tokens"
    EVENTS = "events"
    FAILED_RUN = "failed_run"
    FAILED_ATTEMPT = "failed_attempt"
    FLAKY = "flaky"
    ENDED = "ended"


class SeriesKey(NamedTuple):
    """Names durations. Either the repository (and model) is set or the agent: each duration is in both series."""

    family: Family
    subject: str
    kind: int
    repository: str = ""
    model: str = ""
    agent: str = ""

    def encode(self) -> bytes:
        """Return the stored name."""
        return _BETWEEN.join(("d", self.family, self.subject, str(self.kind), *self[3:])).encode()

    @classmethod
    def decode(cls, parts: list[str]) -> SeriesKey:
        """Read the parts of a stored name.

        Raises:
            ValueError: it is none.
        """
        family, subject, kind, repository, model, agent = parts
        return cls(Family(family), subject, int(kind), repository, model, agent)


class CountKey(NamedTuple):
    """Names a count; `detail` is a failure's reason, or a test."""

    what: What
    detail: str = ""
    repository: str = ""
    model: str = ""
    agent: str = ""

    def encode(self) -> bytes:
        """Return the stored name."""
        return _BETWEEN.join(("c", *self)).encode()

    @classmethod
    def decode(cls, parts: list[str]) -> CountKey:
        """Read the parts of a stored name.

        Raises:
            ValueError: it is none.
        """
        what, *rest = parts
        if len(rest) != len(cls._fields) - 1:
            raise ValueError("not the name of a count")
        return cls(What(what), *rest)


@lru_cache(maxsize=16384)
def decode_name(name: bytes) -> SeriesKey | CountKey:
    """Read a stored name.

    Raises:
        ValueError: it is none of ours.
    """
    shape, *parts = name.decode().split(_BETWEEN)
    return SeriesKey.decode(parts) if shape == "d" else CountKey.decode(parts)


@lru_cache(maxsize=4096)
def part(text: str) -> str:
    """Return a stranger's text as a part of a name: one line without control characters."""
    return shortened(" ".join(readable(text).split()), MOST_PART)


class Measurement(NamedTuple):
    """A duration that an event ended."""

    keys: tuple[SeriesKey, ...]
    seconds: float
    failed: bool
    example: str
    moment: float


class Count(NamedTuple):
    """Something that an event counts, so many of it."""

    key: CountKey
    amount: int
    moment: float
    example: str = ""
    message: str = ""
