"""What is kept of a target whose limit follows what it bears, and who has which part of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from miyabi_coordinator.models.value import Value


class LimitReason(IntEnum):
    """Why a limit was changed; numbers as on the wire."""

    BEGUN = 1
    ANSWERED = 2
    REFUSED = 3
    SLOW = 4
    MEMORY = 5
    PROCESSOR = 6
    EASED = 7
    BOUNDS = 8
    MEASURED = 9
    OTHER = 10

    @classmethod
    def _missing_(cls, value: object) -> LimitReason | None:
        """Take a number that only a newer version knows for another reason."""
        return cls.OTHER if isinstance(value, int) and value > 0 else None


class PaceBounds(Value, frozen=True):
    """What the operator allows: calls of all agents at once, at least and at most, and the first limit."""

    least: int = 1
    most: int = 256
    begin: int = 4


class Seen(Value, frozen=True):
    """What an agent saw of a target since its last report; times in seconds, 0 where there is none."""

    in_flight: int = 0
    demand: int = 0
    answered: int = 0
    refused: int = 0
    latency: float = 0.0
    retry_after: float = 0.0
    epoch: int = 0


class Pacing(Value, frozen=True):
    """The limit of a target, and what it follows from."""

    limit: float = 0.0
    epoch: int = 0  #: bursts of refusals so far
    is_learning: bool = True  #: nothing was refused yet: it grows by what is answered
    known: float = 0.0  #: highest limit that was borne for a whole round since one was refused; 0: not known
    rise: float = 1.0  #: how far above `known` the next try goes
    wait: int = 0  #: rounds at `known` before the next try
    rounds: int = 0  #: of them, those that have passed
    answered: int = 0  #: calls answered since the limit was changed or a round ended
    baseline: float = 0.0  #: time to the beginning of an answer while the target is at ease, in seconds
    paused_until: float = 0.0  #: nothing is sent before this moment, in seconds since 1970
    ceiling: float = 0.0  #: limit that was refused last, or borne though it had been; 0: none was


class Member(Value, frozen=True):
    """An agent that uses a target: what it could use, has under way, was given, and when it was last heard."""

    demand: int = 0
    in_flight: int = 0
    share: int = 0
    seen: float = 0.0


class PaceTable(Value, frozen=True):
    """All that is kept of a target; `version` grows with each change."""

    version: int = 0
    pacing: Pacing = Pacing()
    members: Mapping[str, Member] = {}
    #: What a newer version stored and this one does not know; the store's own form.
    unknown: bytes = b""


class LimitStep(Value, frozen=True):
    """A limit was changed; `time` in seconds since 1970, `agent` empty where it is all agents'."""

    time: float
    target: str
    limit: int
    previous: int
    reason: LimitReason
    agent: str = ""
    detail: str = ""


class Share(Value, frozen=True):
    """An agent's part of a target; times in seconds from now."""

    target: str
    share: int
    limit: int
    epoch: int
    lasts: float
    pause: float = 0.0
