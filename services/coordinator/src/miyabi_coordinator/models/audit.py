"""What the audit keeps of a call that changes something, or was to."""

from __future__ import annotations

from miyabi_coordinator.models.value import Value


class AuditEntry(Value, frozen=True):
    """One call. `time` is seconds since 1970, when it ended; `call` tells two entries apart."""

    call: str
    time: float
    actor: str
    method: str
    resource: str
    code: str
    request_id: str = ""
    traceparent: str = ""
