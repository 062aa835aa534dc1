"""The errors that the coordinator answers with; reasons are those of `miyabi.common.v1.ErrorReason`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from miyabi_core.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
    UnmetCondition,
)
from miyabi_core.text import enumerated, first

#: Most issue numbers that one error names.
MOST_ISSUES_NAMED = 20
#: When to ask again while the store is full: somebody has to make room first.
STORE_FULL_RETRY = timedelta(seconds=30)


def batch_not_found(batch: str) -> NotFoundError:
    """No such batch, or it was removed after its retention."""
    name = f"batches/{batch}"
    return NotFoundError(f"There is no batch {name}.", reason="BATCH_NOT_FOUND", metadata={"batch": name})


def run_not_found(batch: str, issue: int) -> NotFoundError:
    """The batch has no run of that issue."""
    name = f"batches/{batch}/runs/{issue}"
    return NotFoundError(f"There is no run {name}.", reason="RUN_NOT_FOUND", metadata={"run": name})


def approval_not_found(batch: str, issue: int) -> NotFoundError:
    """The run awaits no approval."""
    name = f"batches/{batch}/runs/{issue}"
    return NotFoundError(f"{name} awaits no approval.", reason="APPROVAL_NOT_FOUND", metadata={"run": name})


def repository_not_found(repository: str) -> NotFoundError:
    """No such repository, or the credential may not see it."""
    message = f"There is no repository {repository}, or it may not be seen."
    return NotFoundError(message, reason="REPOSITORY_NOT_FOUND", metadata={"repository": repository})


def issues_not_found(repository: str, numbers: Sequence[int]) -> NotFoundError:
    """At least one issue does not exist."""
    named = enumerated([str(number) for number in numbers], MOST_ISSUES_NAMED)
    # Machines read numbers only.
    listed = ",".join(str(number) for number in first(numbers, MOST_ISSUES_NAMED)[0])
    message = f"{repository} has no issue {named}."
    return NotFoundError(message, reason="ISSUE_NOT_FOUND", metadata={"repository": repository, "issues": listed})


def issues_unread(repository: str, numbers: Sequence[int]) -> UnavailableError:
    """GitHub did not answer for at least one issue."""
    named = enumerated([str(number) for number in numbers], MOST_ISSUES_NAMED)
    message = f"GitHub did not answer for issue {named} of {repository}; nothing was accepted, try again."
    return UnavailableError(message, reason="GITHUB_UNAVAILABLE")


def no_issues_matched(repository: str) -> FailedPreconditionError:
    """The query matched nothing."""
    message = f"No issue of {repository} matches the query."
    return FailedPreconditionError(message, reason="NO_ISSUES_MATCHED", metadata={"repository": repository})


def problems_found(
    repository: str, *, unmet: Sequence[UnmetCondition], more: int, overrulable: Sequence[str]
) -> FailedPreconditionError:
    """Something stands in the way; nothing was written or spent."""
    count = len(unmet) + more
    message = (
        f"{count} {'problem stands' if count == 1 else 'problems stand'} in the way of a batch for {repository}; "
        "nothing was written or spent."
    )
    metadata = {"overrulable": ",".join(overrulable)} | ({"more": str(more)} if more else {})
    return FailedPreconditionError(message, reason="PROBLEMS_FOUND", metadata=metadata, unmet=unmet)


def dependency_cycle(path: Sequence[int]) -> FailedPreconditionError:
    """The issues depend on one another in a circle."""
    text = " -> ".join(str(number) for number in path)
    message = f"The issues depend on one another in a circle: {text}."
    return FailedPreconditionError(message, reason="DEPENDENCY_CYCLE", metadata={"path": text})


def request_id_reused(request_id: str) -> AlreadyExistsError:
    """The request id was used with another body."""
    message = "The request id was used before, with another body."
    return AlreadyExistsError(message, reason="REQUEST_ID_REUSED", metadata={"requestId": request_id})


def batch_state(batch: str, state: str) -> FailedPreconditionError:
    """The batch is in a state that forbids the call."""
    name = f"batches/{batch}"
    message = f"{name} is {state}."
    return FailedPreconditionError(message, reason="BATCH_STATE", metadata={"batch": name, "state": state})


def bad_cursor(field: str) -> InvalidArgumentError:
    """A page token or event cursor was not made by this server."""
    violation = FieldViolation(field, "was not made by this server")
    message = f"{field} was not made by this server."
    return InvalidArgumentError(message, reason="BAD_CURSOR", violations=(violation,))


def invalid_field(field: str, description: str) -> InvalidArgumentError:
    """A field breaks a rule that the proto cannot express."""
    violation = FieldViolation(field, description)
    return InvalidArgumentError(f"{field}: {description}", reason="INVALID_REQUEST", violations=(violation,))


def hello_expected() -> InvalidArgumentError:
    """The first message on an Attach stream was no hello, or a later one was."""
    return InvalidArgumentError("A hello comes first, and only first.", reason="HELLO_EXPECTED")


def agent_not_found(agent: str) -> NotFoundError:
    """No agent of that id is attached."""
    name = f"agents/{agent}"
    return NotFoundError(f"{name} is not attached.", reason="AGENT_NOT_FOUND", metadata={"agent": name})


def store_unavailable() -> UnavailableError:
    """The state store did not answer in time, or not as many replicas as have to have what was written."""
    return UnavailableError("The state store did not answer in time.", reason="STORE_UNAVAILABLE")


def store_full() -> ResourceExhaustedError:
    """The state store has no memory or disk left and takes no writes."""
    return ResourceExhaustedError("The state store is full.", reason="STORE_FULL", retry_after=STORE_FULL_RETRY)


def shutting_down() -> UnavailableError:
    """The server is shutting down."""
    return UnavailableError("The server is shutting down.", reason="SHUTTING_DOWN")


def not_implemented(method: str) -> UnimplementedError:
    """The RPC is part of the contract and not served yet."""
    message = f"{method} is not served yet."
    return UnimplementedError(message, reason="NOT_IMPLEMENTED", metadata={"method": method})


def not_owner(batch: str, caller: str) -> PermissionDeniedError:
    """The batch was submitted by someone else, and the caller is no operator."""
    message = f"batches/{batch} was not submitted by {caller}: it takes an operator to change it."
    return PermissionDeniedError(message, reason="ROLE_REQUIRED", metadata={"role": "operator"})


def not_its_agent_id(agent: str, caller: str) -> PermissionDeniedError:
    """The identity may not attach under that agent id."""
    message = f"{caller} may not attach as {agent}."
    return PermissionDeniedError(message, reason="ROLE_REQUIRED", metadata={"role": "agent"})
