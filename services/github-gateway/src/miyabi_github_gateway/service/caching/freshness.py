"""How long what was read may be handed out, and when it has to be marked as old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from miyabi_github_gateway.models import Answer, Entry, IssueField, Kind, Shape, StaleCause


class Age(Enum):
    """What an entry is good for."""

    FRESH = "fresh"  #: as good as read now
    REVALIDATE = "revalidate"  #: handed out marked stale, and read anew meanwhile
    SPARE = "spare"  #: handed out marked stale where GitHub cannot be asked
    GONE = "gone"


@dataclass(frozen=True)
class Freshness:
    """The times of the cache.

    Args:
        fresh: Issues count as fresh this long, since webhooks and our own writes forget what has changed.
        volatile: The same for heads of branches and pull requests, which pushes from anywhere move, and for issues with
            their timeline, which mentions from anywhere add to.
        revalidate: After `fresh`, an issue is still handed out this long while it is read anew.
        spare: So long an entry is kept for the case that GitHub limits us or is away.

    Source: RFC 5861 (`stale-while-revalidate`, `stale-if-error`).
    """

    fresh: timedelta = timedelta(minutes=5)
    volatile: timedelta = timedelta(seconds=2)
    revalidate: timedelta = timedelta(minutes=1)
    spare: timedelta = timedelta(hours=24)

    def judge(self, shape: Shape, entry: Entry, now: float) -> Age:
        """Return what an entry is good for at a time (seconds since the epoch)."""
        age = now - entry.read_at
        is_steady = shape.kind is Kind.ISSUE and IssueField.TIMELINE not in shape.fields
        fresh = self.fresh if is_steady else min(self.volatile, self.fresh)
        if age < fresh.total_seconds():
            return Age.FRESH
        if is_steady and fresh and age < (fresh + self.revalidate).total_seconds():
            return Age.REVALIDATE
        return Age.SPARE if age < self.spare.total_seconds() else Age.GONE

    @property
    def lifetime(self) -> timedelta:
        """How long an entry is worth keeping at all."""
        return max(self.spare, self.fresh + self.revalidate)


def answer_of(entry: Entry, now: float, *, cause: StaleCause = StaleCause.NONE) -> Answer:
    """Return an entry as an answer, with its age and, where it is too old, why it is handed out all the same."""
    return Answer(entry.value, age=timedelta(seconds=max(0.0, now - entry.read_at)), cause=cause)
