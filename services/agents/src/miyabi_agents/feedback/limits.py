"""What this agent tells the coordinator of targets, when, and what it takes from it."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from miyabi.coordinator.v1 import limits_pb2 as pb
from miyabi_core.logging import get_logger
from miyabi_core.proto_time import from_duration, to_duration

if TYPE_CHECKING:
    from miyabi_agents.feedback.slots import Slots
    from miyabi_agents.model.pace import Pace

#: Where calls go that are sent to no server of the operator's own.
MODEL_HOST = "api.anthropic.com"
#: Longest name of a host that a target has; of longer ones it has the digest.
LONGEST_NAME = 100
#: What a target's name has none of: brackets of IPv6 addresses, for example.
_NO_NAME = re.compile(r"[^a-zA-Z0-9.:_-]")
#: Target of the reports on this agent's own slots.
SLOTS = "sandbox-slots"
#: Seconds between early reports: an answer of the coordinator takes some milliseconds, a call of a model seconds.
GAP = 0.1
#: Seconds after a refusal until it is reported: those of one burst travel together.
BURST = 0.02

_LOG = get_logger(__name__)


class Limits:
    """Reports of one agent, and its parts.

    Args:
        pace: Of the calls of the model API.
        slots: Of the agent's own.
        base_url: Of the model API; None: its own.
        clock: Returns seconds.
    """

    def __init__(
        self, pace: Pace, slots: Slots, *, base_url: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.on_news: Callable[[], None] = lambda: None
        self._pace = pace
        self._slots = slots
        self._target = model_target(base_url)
        self._clock = clock
        self._reported = float("-inf")
        self._off = False
        self._had_work = False
        self._lowered = False
        pace.on_news = self._news
        slots.on_news = self._news

    def due(self) -> float:
        """Return when the next report should go out, by the clock, though no heartbeat is due; infinite: not early."""
        counts, pace = self._pace.counts, self._pace
        if self._off:
            return float("inf")
        if counts.refused:
            return self._reported + BURST
        is_used = pace.waiting > 0 and pace.under_way >= pace.allowed
        answered = counts.answered >= max(1, pace.allowed)
        settled = self._lowered and pace.under_way <= pace.allowed
        if (is_used and (answered or not self._had_work)) or settled or self._slots.changed:
            return self._reported + GAP
        return float("inf")

    def reports(self) -> list[pb.TargetReport]:
        """Return what was seen since the last call of this."""
        self._reported = self._clock()
        if self._off:
            return []
        return [self._model_report(), self._slots_report()]

    def take(self, limits: pb.Limits) -> None:
        """Follow what the coordinator says; parts of targets that are not ours are left."""
        if limits.off:
            _LOG.info("limits.off")
            self._off = True
            self._pace.switch_off()
            self._slots.switch_off()
        for share in limits.shares:
            if share.target == self._target:
                self._lowered = share.share < self._pace.under_way
                if share.HasField("pause"):
                    self._pace.pause(from_duration(share.pause).total_seconds())
                lasts = from_duration(share.lasts).total_seconds()
                self._pace.follow(share.share, epoch=share.epoch, lasts=lasts)

    def _model_report(self) -> pb.TargetReport:
        """Return what was seen of the model API."""
        pace, counts = self._pace, self._pace.take_counts()
        self._had_work, self._lowered = counts.demand > 0, self._lowered and pace.under_way > pace.allowed
        report = pb.TargetReport(
            target=self._target,
            in_flight=pace.under_way,
            demand=counts.demand,
            answered=counts.answered,
            refused=counts.refused,
            epoch=counts.epoch,
        )
        if counts.begun:
            report.latency.CopyFrom(to_duration(timedelta(seconds=counts.latencies / counts.begun)))
        if pace.asked:
            report.retry_after.CopyFrom(to_duration(timedelta(seconds=pace.asked)))
        return report

    def _slots_report(self) -> pb.TargetReport:
        """Return what the agent's machine bears, and why that changed where it did."""
        reason, detail = self._slots.take_change()
        return pb.TargetReport(target=SLOTS, limit=self._slots.now, reason=reason, detail=detail)

    def _news(self) -> None:
        """Tell whoever sends reports where one should go out early."""
        if self.due() < float("inf"):
            self.on_news()


def model_target(base_url: str | None) -> str:
    """Return the name of a model API as a target: agents that talk to the same server share its limit."""
    host = urlsplit(base_url).netloc.rpartition("@")[2] if base_url else ""
    name = _NO_NAME.sub("", host) or MODEL_HOST
    return f"model-api/{name if len(name) <= LONGEST_NAME else hashlib.sha256(name.encode()).hexdigest()}"
