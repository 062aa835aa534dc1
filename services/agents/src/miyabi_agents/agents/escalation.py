"""Which model makes a change: a fast one for what is small, a deeper one where there is evidence that it takes one."""

from __future__ import annotations

from miyabi.coordinator.v1.dispatch_service_pb2 import Lease
from miyabi_agents.model import Tier

#: Sizes, as triage names them, whose first round the fast model makes.
SMALL = frozenset({"XS", "S"})
#: What triage is sure of at least, where its size is believed.
SURE = 0.7
#: What triage is sure of less than, where the issue is taken for a hard one.
UNSURE = 0.4


def tier_of(lease: Lease) -> Tier:
    """Return the model that a change begins with.

    A step deeper for each fix round, and where triage is unsure of the issue. What rules said of it is no evidence.
    """
    triage = lease.inputs.triage
    judged = lease.inputs.HasField("triage") and not triage.by_rules
    small = judged and triage.size in SMALL and triage.confidence >= SURE
    unsure = judged and triage.confidence < UNSURE
    begin = Tier.FAST if small else Tier.STANDARD
    return begin.deeper(lease.fix_round + unsure)
