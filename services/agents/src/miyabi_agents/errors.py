"""Why a task did not work, and whether a repeat may mend it."""

from __future__ import annotations

from datetime import timedelta

from miyabi.coordinator.v1.state_pb2 import FailureReason


class CallRefusedError(ValueError):
    """A model's call asks for what no change may do; the sentence is for the model, and for people who see the run."""


class AgentError(Exception):
    """Base of what ends a task; becomes a `TaskFailure`.

    Args:
        message: One sentence for a person, without secrets.
        reason: Why, for machines.
        retryable: Whether a repeat may mend it.
        retry_after: Not before this long.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: FailureReason.ValueType,
        retryable: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after


class WorkspaceError(AgentError):
    """A checkout could not be made, read or written.

    `code` is one of PATH_REFUSED, NO_SUCH_FILE, TOO_LARGE, DISK_FULL, BASE_DIFFERS, PUSH_REFUSED,
    REMOTE_UNAVAILABLE, NO_SUCH_COMMIT, HEAD_MOVED, NO_MERGE_BASE, GIT_FAILED.
    """

    def __init__(self, message: str, *, code: str) -> None:
        retryable = code in {"REMOTE_UNAVAILABLE", "DISK_FULL", "HEAD_MOVED"}
        super().__init__(message, reason=FailureReason.FAILURE_REASON_GIT, retryable=retryable)
        self.code = code


class SandboxError(AgentError):
    """The sandbox could not be used: LAYER_MISSING, START_FAILED, REFUSED, BAD_REQUEST, or AWAY, worth a retry."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message, reason=FailureReason.FAILURE_REASON_SANDBOX, retryable=code == "AWAY")
        self.code = code


class ModelUnavailableError(AgentError):
    """The model API refused or could not be reached in time."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        reason = FailureReason.FAILURE_REASON_MODEL_UNAVAILABLE
        super().__init__(message, reason=reason, retryable=True, retry_after=retry_after)


class ModelAnswerError(AgentError):
    """The model's answer could not be used, after it was told so."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=FailureReason.FAILURE_REASON_MODEL_ANSWER, retryable=True)


class NoProgressError(AgentError):
    """The model went in circles or came no further, and was stopped; the message says what repeated and what it cost.

    Args:
        message: For a person.
        learnt: For the next attempt: what repeated, the last error, the tests that were red.
    """

    def __init__(self, message: str, *, learnt: str = "") -> None:
        super().__init__(message, reason=FailureReason.FAILURE_REASON_NO_PROGRESS)
        self.learnt = learnt


class BudgetError(AgentError):
    """What is left of the task's budget does not pay for the next call."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=FailureReason.FAILURE_REASON_BUDGET_EXHAUSTED)


class ConfigError(AgentError):
    """The repository says nowhere, or not rightly, how its tests are run."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=FailureReason.FAILURE_REASON_NO_TEST_COMMAND)


class EnvironmentBuildError(AgentError):
    """The environment that the tests need could not be built."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message, reason=FailureReason.FAILURE_REASON_ENVIRONMENT, retryable=retryable)


class ToolchainMissingError(AgentError):
    """A program that the repository's tests need is not on this machine; the message says which and how to get it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason=FailureReason.FAILURE_REASON_TOOLCHAIN_MISSING)


class GitHubError(AgentError):
    """The gateway refused a call, or GitHub behind it."""

    def __init__(self, message: str, *, retryable: bool, retry_after: timedelta | None = None) -> None:
        reason = FailureReason.FAILURE_REASON_GITHUB
        super().__init__(message, reason=reason, retryable=retryable, retry_after=retry_after)
