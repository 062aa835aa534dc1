"""What can be turned on a simulated model: latencies and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: 429 and 529 as Anthropic documents them, 500, 400, a connection that breaks in the middle of a stream, or a stream
#: that just ends there.
FaultKind = Literal["rate_limited", "overloaded", "internal", "invalid", "dropped", "ended"]
#: Those that come in the middle of an answer.
IN_THE_MIDDLE = frozenset({"dropped", "ended"})


@dataclass
class Fault:
    """The next *count* requests fail in this way."""

    kind: FaultKind
    count: int = 1
    retry_after_seconds: float | None = 0.0  #: for rate_limited: goes out as `retry-after`; None: no header


@dataclass
class ModelDials:
    """Latencies in seconds; zero is as fast as it goes."""

    first_token_seconds: float = 0.0
    token_seconds: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    most_in_flight: int = 0  #: of more at once the API says that it is busy; 0: it bears any number
    refusal: FaultKind = "overloaded"  #: how it says so
    refusal_retry_after_seconds: float | None = None  #: for rate_limited: goes out as `retry-after`; None: no header
    window_tokens: int = 0  #: prompts of more tokens are refused, as the API does; 0: none is

    def next_fault(self) -> Fault | None:
        """Return the fault of this request, and count it down."""
        while self.faults and self.faults[0].count <= 0:
            self.faults.pop(0)
        if not self.faults:
            return None
        self.faults[0].count -= 1
        return self.faults[0]
