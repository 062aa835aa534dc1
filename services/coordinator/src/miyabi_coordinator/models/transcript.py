"""Calls of models as they are kept: what a list shows of each, and beside it what was said."""

from __future__ import annotations

from miyabi_coordinator.models.run import LeaseReference
from miyabi_coordinator.models.value import Value


class ReportedCall(Value, frozen=True):
    """A call as an agent reports it.

    Args:
        reference: The lease that it was made under.
        index: Position in the lease's progress.
        head: The serialised message without what was said.
        body: The serialised rest: messages and answer.
    """

    reference: LeaseReference
    index: int
    head: bytes
    body: bytes


class CallHead(Value, frozen=True):
    """A call that is kept, without its body.

    Args:
        number: Position among the calls of its run, from 1; a page goes on from it.
        task_id: The task that made it.
        head: As reported.
    """

    number: int
    task_id: str
    head: bytes


class CallLimits(Value, frozen=True):
    """What is kept of one run: the oldest go first.

    Args:
        bytes: Of bodies as they are stored, which is compressed; 1 MiB is some 5 MB of text. 0: no body is kept.
        calls: Heads, of some 300 bytes each: more than any budget pays for in one run.
    """

    bytes: int = 1 << 20
    calls: int = 5000
