"""How many tasks this agent takes at once: fewer while its machine is short of memory or processors, then more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Gauge

from miyabi.coordinator.v1.limits_pb2 import LimitReason
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY

#: Share of memory that is free below which it is short: a run of tests takes some hundred megabytes within seconds.
MEMORY_SHORT = 0.1
#: Share above which it is at hand again.
MEMORY_EASED = 0.2
#: Share of ten seconds in which a task waited for memory (PSI `some avg10`) from which on it is short.
MEMORY_STALLED = 0.2
#: Share of a minute in which a task waited for a processor (PSI `some avg60`) from which on they are short.
PROCESSOR_STALLED = 0.9
#: Share below which they are at hand again.
PROCESSOR_EASED = 0.6
#: Processes that want to run for each processor, by which the same is told where there is no PSI.
LOAD_STALLED, LOAD_EASED = 4.0, 1.5
#: Readings after a step until the next one: what ends and begins with it has to be seen first.
MEMORY_REST, PROCESSOR_REST, EASED_REST = 2, 12, 3

SLOTS_NOW = Gauge("miyabi_agents_slots_now", "Tasks that the agent takes at once now.", registry=REGISTRY)

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Pressure:
    """What is short on a machine; shares from 0 to 1, None where the system does not tell."""

    memory_free: float | None = None
    memory_stalled: float | None = None
    processor_stalled: float | None = None
    load: float | None = None  #: processes that want to run for each processor
    processors: int = 1

    @property
    def memory_reason(self) -> str:
        """What memory is short by; empty where it is not."""
        if self.memory_free is not None and self.memory_free < MEMORY_SHORT:
            return f"{self.memory_free:.0%} of the memory is free"
        if self.memory_stalled is not None and self.memory_stalled >= MEMORY_STALLED:
            return f"tasks waited {self.memory_stalled:.0%} of ten seconds for memory"
        return ""

    @property
    def processor_reason(self) -> str:
        """What processors are short by; empty where they are not."""
        if self.processor_stalled is not None:
            is_short = self.processor_stalled >= PROCESSOR_STALLED
            return f"tasks waited {self.processor_stalled:.0%} of a minute for a processor" if is_short else ""
        if self.load is not None and self.load >= LOAD_STALLED:
            return f"{self.load:.1f} processes want to run on each processor"
        return ""

    @property
    def is_eased(self) -> bool:
        """Whether there is room for one more task."""
        free = self.memory_free is None or self.memory_free >= MEMORY_EASED
        if self.processor_stalled is not None:
            return free and not self.memory_reason and self.processor_stalled < PROCESSOR_EASED
        return free and not self.memory_reason and (self.load is None or self.load < LOAD_EASED)


class Slots:
    """The slots of an agent.

    Short memory halves them, short processors take one, as long as there are more than processors: fewer would leave
    one idle. One comes back at a time. What runs goes on; there are only no new tasks beyond the slots.

    Args:
        least: Never fewer.
        most: Never more; what there is at the beginning.
        fixed: True keeps to the most.
    """

    def __init__(self, *, least: int, most: int, fixed: bool = False) -> None:
        self.on_news: Callable[[], None] = lambda: None
        self.now = most
        self._least = min(least, most)
        self._most = most
        self._fixed = fixed
        self._rest = self._memory_rest = 0
        self._change: tuple[LimitReason.ValueType, str] | None = None
        SLOTS_NOW.set(most)

    @property
    def changed(self) -> bool:
        """Whether there is a step that `take_change` has not told."""
        return self._change is not None

    def observe(self, pressure: Pressure) -> None:
        """Follow a reading of the machine's state; they come every few seconds."""
        self._rest, self._memory_rest = max(0, self._rest - 1), max(0, self._memory_rest - 1)
        if self._fixed or self._memory_rest:
            return
        if pressure.memory_reason and self.now > self._least:
            halved, self._memory_rest = max(self._least, self.now // 2), MEMORY_REST
            self._step(halved, LimitReason.LIMIT_REASON_MEMORY, pressure.memory_reason, rest=MEMORY_REST)
        elif self._rest:
            return
        elif pressure.processor_reason and self.now > max(self._least, pressure.processors):
            reason = LimitReason.LIMIT_REASON_PROCESSOR
            self._step(self.now - 1, reason, pressure.processor_reason, rest=PROCESSOR_REST)
        elif pressure.is_eased and self.now < self._most:
            self._step(self.now + 1, LimitReason.LIMIT_REASON_EASED, "", rest=EASED_REST)

    def switch_off(self) -> None:
        """Keep to the most from here on."""
        self._fixed = True
        self.now = self._most
        SLOTS_NOW.set(self.now)

    def take_change(self) -> tuple[LimitReason.ValueType, str]:
        """Return why the slots were changed last, once, and what was measured."""
        change, self._change = self._change, None
        return change or (LimitReason.LIMIT_REASON_UNSPECIFIED, "")

    def _step(self, slots: int, reason: LimitReason.ValueType, detail: str, *, rest: int) -> None:
        """Change the slots."""
        name = LimitReason.Name(reason).removeprefix("LIMIT_REASON_").lower()
        _LOG.info("slots.changed", slots=slots, previous=self.now, reason=name, detail=detail)
        self.now, self._rest, self._change = slots, rest, (reason, detail)
        SLOTS_NOW.set(slots)
        self.on_news()
