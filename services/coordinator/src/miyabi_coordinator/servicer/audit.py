"""Notes who called what that changes something, refused calls too."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from miyabi.coordinator.v1.coordinator_service_pb2 import SubmitBatchResponse
from miyabi_coordinator.models.audit import AuditEntry
from miyabi_coordinator.service.telling.audit import AuditLog
from miyabi_core.access.identity import current_identity
from miyabi_core.ids import new_ulid
from miyabi_core.interceptors import Call, CallInterceptor
from miyabi_core.interceptors.telemetry import code_of
from miyabi_core.tracing import current_traceparent

if TYPE_CHECKING:
    from miyabi_core.interceptors.calls import Handler

_SERVICE = "miyabi.coordinator.v1.CoordinatorService"
#: Calls that change something; a test proves that every other one only reads.
AUDITED = frozenset(
    {"SubmitBatch", "CancelBatch", "PauseBatch", "ResumeBatch", "RetryBatch", "ResolveApproval", "DrainAgent"}
)


@dataclass
class _Record:
    """What is known of the call that runs."""

    resource: str = ""
    request_id: str = ""
    written: bool = False


_RECORD: ContextVar[_Record] = ContextVar("miyabi_audit")


class AuditInterceptor(CallInterceptor):
    """Writes one entry a call: at its end, or with the first answer of a stream, when its outcome is known.

    It stands outside of the interceptor that checks identities, so that it sees whom that one refused.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Leave calls alone that change nothing."""
        _, service, method = handler_call_details.method.split("/", 2)
        if service != _SERVICE or method not in AUDITED:
            return await continuation(handler_call_details)
        return await super().intercept_service(continuation, handler_call_details)

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Write the entry when the call has ended, unless it was written before."""
        record = _Record()
        _RECORD.set(record)
        cancelled = True
        try:
            yield
            cancelled = False
        except Exception:
            cancelled = False
            raise
        finally:
            if not record.written:
                code = "CANCELLED" if cancelled else code_of(call.context)
                await self._log.write(_entry(call, record, code))

    async def on_request(self, call: Call, request: Any) -> None:
        """Note what the call names."""
        del call
        record = _RECORD.get()
        record.resource = getattr(request, "name", "") or getattr(request, "repository", "")
        record.request_id = getattr(request, "request_id", "")

    async def on_response(self, call: Call, response: Any) -> None:
        """Write the entry of a stream with its first answer: what was asked for is done, the rest is a view of it."""
        record = _RECORD.get()
        if call.method != "SubmitBatch" or record.written:
            return
        record.written = True
        # Streams relay what was serialised with the commit.
        answer = SubmitBatchResponse.FromString(response) if isinstance(response, bytes) else response
        accepted = answer.events[0]
        record.resource = accepted.batch
        record.request_id = accepted.batch_accepted.batch.spec.request_id or record.request_id
        self._log.put(_entry(call, record, grpc.StatusCode.OK.name))


def _entry(call: Call, record: _Record, code: str) -> AuditEntry:
    """Return the entry of the call that runs."""
    return AuditEntry(
        call=new_ulid(),
        time=time.time(),
        actor=current_identity().name,
        method=call.method,
        resource=record.resource,
        code=code,
        request_id=record.request_id,
        traceparent=current_traceparent() or "",
    )
