"""Turns errors into `google.rpc.Status` for the wire, and back."""

from __future__ import annotations

from datetime import timedelta

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from miyabi_core.errors import BY_CODE, FieldViolation, InternalError, MiyabiError, UnmetCondition

#: All that a caller learns of an error that nobody foresaw.
INTERNAL_MESSAGE = "Internal error."


def internal_error() -> InternalError:
    """Return the error that stands for anything unforeseen."""
    return InternalError(INTERNAL_MESSAGE, reason="INTERNAL")


def to_proto(error: MiyabiError, *, domain: str) -> status_pb2.Status:
    """Render *error* as `google.rpc.Status`: exactly one ErrorInfo, then what else applies."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=domain, metadata=error.metadata)]
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromTimedelta(error.retry_after)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if error.violations:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(
                field=violation.field, description=violation.description, reason=violation.reason
            )
            for violation in error.violations
        ]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    if error.unmet:
        unmet = [
            error_details_pb2.PreconditionFailure.Violation(
                type=condition.kind, subject=condition.subject, description=condition.description
            )
            for condition in error.unmet
        ]
        details.append(error_details_pb2.PreconditionFailure(violations=unmet))
    return status_pb2.Status(code=error.code.value[0], message=error.message, details=map(_pack, details))


def to_status(error: MiyabiError, *, domain: str) -> grpc.Status:
    """Render *error* for `ServicerContext.abort_with_status`.

    Args:
        error: What went wrong.
        domain: The answering service, for example `coordinator.miyabi.dev`.
    """
    status: grpc.Status = rpc_status.to_status(to_proto(error, domain=domain))
    return status


def from_rpc_error(error: grpc.aio.AioRpcError) -> MiyabiError:
    """Rebuild the error that a Miyabi service sent; where the peer sent no detail the code's name is the reason."""
    kind = BY_CODE.get(error.code(), InternalError)
    status = _status_of(error)
    if status is None:
        return kind(error.details() or error.code().name, reason=error.code().name)
    info, retry_after, violations = error_details_pb2.ErrorInfo(), None, list[FieldViolation]()
    retry, bad = error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    failure, unmet = error_details_pb2.PreconditionFailure(), list[UnmetCondition]()
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) and detail.Unpack(retry):
            retry_after = _timedelta(retry.retry_delay)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR) and detail.Unpack(bad):
            violations = [FieldViolation(v.field, v.description, v.reason) for v in bad.field_violations]
        elif detail.Is(error_details_pb2.PreconditionFailure.DESCRIPTOR) and detail.Unpack(failure):
            unmet = [UnmetCondition(v.type, v.subject, v.description) for v in failure.violations]
    return kind(
        status.message,
        reason=info.reason or error.code().name,
        metadata=dict(info.metadata),
        retry_after=retry_after,
        violations=violations,
        unmet=unmet,
    )


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """Return the rich status, or None where there is none or it contradicts the plain one."""
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it reads three methods that both have
    except ValueError:
        return None
    return status if status is not None and status.code in code_pb2.Code.values() else None


def _pack(message: Message) -> any_pb2.Any:
    """Wrap a detail."""
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _timedelta(duration: duration_pb2.Duration) -> timedelta:
    """Convert a duration; protobuf's own conversion is to datetime's type too."""
    return duration.ToTimedelta()
