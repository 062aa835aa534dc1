"""Which due timers this replica knows how to serve; the others are left to a replica that does."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from prometheus_client import Counter

from miyabi_coordinator.ports.store import DUE_PAGE, Store
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY
from miyabi_core.text import shortened

UNKNOWN_TIMERS = Counter(
    "miyabi_timers_unknown_total",
    "Due timers that this replica does not know how to serve and leaves to another; each is counted once.",
    registry=REGISTRY,
)
_ISSUE = r"(?P<issue>[0-9]{1,10})"
#: What follows a timer's kind and batch in its name.
_FORMS = {
    "backoff": re.compile(rf"\|{_ISSUE}\|(?P<task>[^|]+)"),
    "ended": re.compile(rf"\|{_ISSUE}"),
    "cancel": re.compile(""),
    "retry": re.compile(r"\|([0-9]{1,10}\.[0-9]{1,10}(,[0-9]{1,10}\.[0-9]{1,10})*)?"),
    "order": re.compile(rf"\|{_ISSUE}\|[0-9]{{1,19}}"),
    "left": re.compile(rf"\|{_ISSUE}\|[0-9]{{1,19}}"),
    "warn": re.compile(""),
    "close": re.compile(""),
}
#: Characters of a timer's name, which a newer version or somebody else wrote, in a line of the log.
_SHOWN = 200

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timer:
    """An entry among the timers: what is to be done for which batch, and for which issue or task of it."""

    name: str
    kind: str
    batch: str
    issue: int = 0
    task_id: str = ""


def timer_of(name: str) -> Timer | None:
    """Return the timer of its name; None for one that only a newer version knows."""
    kind, _, rest = name.partition("|")
    batch, bar, parts = rest.partition("|")
    form = _FORMS.get(kind)
    found = form.fullmatch(bar + parts) if form and batch else None
    if found is None:
        return None
    named = found.groupdict()
    return Timer(name, kind, batch, int(named.get("issue") or 0), named.get("task") or "")


class DueTimers:
    """The due timers of one shard, as one replica sees them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._left: set[str] = set()
        self._said: set[str] = set()

    async def read(self, now: float) -> list[Timer]:
        """Return the known timers whose time has come, a page at most; unknown ones hold no known one up.

        Raises:
            UnavailableError: the store did not answer.
        """
        known: list[Timer] = []
        left: set[str] = set()
        start = 0
        while len(known) < DUE_PAGE:
            names = await self._store.due(now, start=start)
            for name in names:
                timer = timer_of(name)
                if timer is None:
                    left.add(name)
                else:
                    known.append(timer)
            if len(names) < DUE_PAGE:
                break
            start += DUE_PAGE
        self._say(left)
        return known

    def _say(self, left: Collection[str]) -> None:
        """Count each unknown timer once, and name its kind in the log once."""
        fresh = set(left) - self._left
        self._left = set(left)
        UNKNOWN_TIMERS.inc(len(fresh))
        for name in sorted(fresh):
            kind = name.split("|")[0][:_SHOWN]
            if kind not in self._said and len(self._said) < DUE_PAGE:
                self._said.add(kind)
                _LOG.warning("sweep.timer_unknown", kind=kind, name=shortened(name, _SHOWN))
