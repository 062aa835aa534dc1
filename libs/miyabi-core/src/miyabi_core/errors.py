"""The errors that cross service boundaries: one canonical code, one reason, never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, TypeVar

import grpc


@dataclass(frozen=True)
class FieldViolation:
    """One field that breaks a constraint.

    Args:
        field: Path in the request, for example `issue_numbers[3]`.
        description: One sentence for a person.
        reason: Rule that was broken, for example `int32.gt`; empty where there is no name for it.
    """

    field: str
    description: str
    reason: str = ""


@dataclass(frozen=True)
class UnmetCondition:
    """One thing of the system's state that forbids a call.

    Args:
        kind: UPPER_SNAKE name of it.
        subject: What it is about, for example `owner/name#7`.
        description: What is wrong and what to do, for a person.
    """

    kind: str
    subject: str
    description: str


class MiyabiError(Exception):
    """Base of every error that a caller may see.

    Source: AIP-193 and `google.rpc.Status`.

    Args:
        message: One sentence for a person; may change from version to version.
        reason: UPPER_SNAKE name from `miyabi.common.v1.ErrorReason` without its prefix; never changes.
        metadata: lowerCamel keys, documented beside the reason in the proto.
        retry_after: How long to wait before the same call can succeed; goes out as `RetryInfo`.
        violations: Fields at fault; go out as `BadRequest`.
        unmet: What of the system's state forbids the call; goes out as `PreconditionFailure`.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        metadata: Mapping[str, str] | None = None,
        retry_after: timedelta | None = None,
        violations: Sequence[FieldViolation] = (),
        unmet: Sequence[UnmetCondition] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after
        self.violations = tuple(violations)
        self.unmet = tuple(unmet)


class InvalidArgumentError(MiyabiError):
    """The request is bad whatever the state of the system."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class FailedPreconditionError(MiyabiError):
    """The system is in a state that forbids the call; repeating it as it stands does not help."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class AbortedError(MiyabiError):
    """Another writer was first; the whole operation may be repeated."""

    code = grpc.StatusCode.ABORTED


class AlreadyExistsError(MiyabiError):
    """What was to be made is there already, and is not the same."""

    code = grpc.StatusCode.ALREADY_EXISTS


class NotFoundError(MiyabiError):
    """There is no such thing, or the caller may not know of it."""

    code = grpc.StatusCode.NOT_FOUND


class ResourceExhaustedError(MiyabiError):
    """A limit or a budget is used up; `retry_after` says when to ask again."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class UnavailableError(MiyabiError):
    """Something is out of reach for now; the same call may be repeated."""

    code = grpc.StatusCode.UNAVAILABLE


class PermissionDeniedError(MiyabiError):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class UnauthenticatedError(MiyabiError):
    """The caller is not known."""

    code = grpc.StatusCode.UNAUTHENTICATED


class UnimplementedError(MiyabiError):
    """The call is part of the contract and not served yet."""

    code = grpc.StatusCode.UNIMPLEMENTED


class DeadlineExceededError(MiyabiError):
    """The call's deadline passed before an answer was there."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class InternalError(MiyabiError):
    """Something that was not foreseen; its cause is in the server's log only."""

    code = grpc.StatusCode.INTERNAL


#: What a group holds.
_E = TypeVar("_E", bound=Exception)


def first_of(failures: ExceptionGroup[_E]) -> _E:
    """Return one error of a group: work that was done side by side is answered with the first that failed."""
    first: _E | ExceptionGroup[_E] = failures
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


#: Finds the class of a canonical code; codes without one become InternalError.
BY_CODE: Mapping[grpc.StatusCode, type[MiyabiError]] = {
    error.code: error
    for error in (
        InvalidArgumentError,
        FailedPreconditionError,
        AbortedError,
        AlreadyExistsError,
        NotFoundError,
        ResourceExhaustedError,
        UnavailableError,
        PermissionDeniedError,
        UnauthenticatedError,
        UnimplementedError,
        DeadlineExceededError,
        InternalError,
    )
}
