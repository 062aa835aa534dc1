"""How many requests a simulated model works on at once, and what it refused because those were too many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from miyabi_sim.model.dials import Fault, ModelDials


@dataclass
class Load:
    """Counts of requests."""

    in_flight: int = 0
    most_in_flight: int = 0
    answered: int = 0
    refused: int = 0

    def refusal(self, dials: ModelDials) -> Fault | None:
        """Return how the next request is refused; None where it is not. It is counted."""
        if not dials.most_in_flight or self.in_flight < dials.most_in_flight:
            return None
        self.refused += 1
        return Fault(dials.refusal, retry_after_seconds=dials.refusal_retry_after_seconds)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a request for the length of the block."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1
            self.answered += 1
