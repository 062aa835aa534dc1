"""What steps cost: a table to begin with, then what was measured on the same repository and pipeline."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping

from miyabi_coordinator.models import Budget, Estimate, Spec, TaskKind
from miyabi_coordinator.models.measured import GROWTH, Histogram, Measured
from miyabi_coordinator.ports.keeper import Keeper
from miyabi_coordinator.service.telling.measuring import scope_of

#: What an attempt is expected to cost before anything was measured: US dollars and tokens. Verify and the pull request
#: use no model today, and keep a little for when they do.
TABLE = {
    TaskKind.TRIAGE: Budget(100_000, 30_000),
    TaskKind.PLAN: Budget(200_000, 100_000),
    TaskKind.IMPLEMENT: Budget(500_000, 500_000),
    TaskKind.VERIFY: Budget(100_000, 10_000),
    TaskKind.REVIEW: Budget(200_000, 100_000),
    TaskKind.DOCUMENT: Budget(100_000, 60_000),
    TaskKind.PULL_REQUEST: Budget(100_000, 10_000),
}
#: Part of what the table expects that an attempt needs at least, to be worth beginning: the table is a cautious guess.
LEAST_PART = 4
#: So many attempts make a measurement; fewer are an anecdote.
ENOUGH = 3
#: Nine attempts of ten cost at most this quantile; it is reserved.
EXPECTED_QUANTILE = 0.9
#: Half of the attempts cost more than this quantile, of which its bucket's lower end is taken; with less an attempt is
#: not worth beginning.
LEAST_QUANTILE = 0.5
#: A bucket's middle stands for values up to a twentieth above it, and its lower end is `GROWTH` below that.
BUCKET_SLACK = 1.05
#: Seconds that measurements are used before they are read again.
FRESH_SECONDS = 1.0


def from_table() -> dict[int, Estimate]:
    """Return the estimates before anything was measured."""
    return {int(kind): _estimate(amount) for kind, amount in TABLE.items()}


def from_measured(measured: Measured) -> dict[int, Estimate]:
    """Return estimates in which what was measured often enough stands before the table."""
    estimates = from_table()
    for kind, known in estimates.items():
        usd = _amounts(measured.usd_micros.get(kind), known.expected.usd_micros, known.least.usd_micros)
        tokens = _amounts(measured.tokens.get(kind), known.expected.tokens, known.least.tokens)
        estimates[kind] = Estimate(Budget(usd[0], tokens[0]), Budget(usd[1], tokens[1]), known.expected)
    return estimates


def _amounts(found: Histogram | None, expected: int, least: int) -> tuple[int, int]:
    """Return what an attempt costs nearly always at most, and at least: as measured, if it was often enough."""
    most, half = (found.quantile(EXPECTED_QUANTILE), found.quantile(LEAST_QUANTILE)) if found else (None, None)
    if found is None or most is None or half is None or found.total < ENOUGH:
        return expected, least
    return math.ceil(most * BUCKET_SLACK), math.floor(half * BUCKET_SLACK / GROWTH)


def _estimate(expected: Budget) -> Estimate:
    """Return an estimate whose least is a part of what is expected."""
    return Estimate(expected, Budget(expected.usd_micros // LEAST_PART, expected.tokens // LEAST_PART), expected)


class Estimates:
    """The estimates of one shard on one replica."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._known: dict[str, tuple[float, Mapping[int, Estimate]]] = {}
        self._table = from_table()

    async def refresh(self, specs: Iterable[Spec]) -> None:
        """Read what was measured for batches that have a budget; raises UnavailableError: the store did not answer."""
        now = time.monotonic()
        for spec in specs:
            if not (spec.budget.limits or spec.issue_budget.limits or spec.task_budget.limits):
                continue
            scope = scope_of(spec)
            read, _ = self._known.get(scope, (-FRESH_SECONDS, self._table))
            if now - read >= FRESH_SECONDS:
                self._known[scope] = (now, from_measured(await self._keeper.load_measured(scope)))

    def of(self, spec: Spec) -> Mapping[int, Estimate]:
        """Return what the steps of a batch cost, as last read."""
        _, found = self._known.get(scope_of(spec), (0.0, self._table))
        return found
