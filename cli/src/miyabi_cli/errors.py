"""What can go wrong at the command line, and with which exit code it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miyabi_core.errors import MiyabiError

#: Every issue succeeded.
EXIT_OK = 0
#: At least one issue did not succeed: what scripts test for.
EXIT_ISSUE_FAILED = 1
#: The arguments were refused, here or by the coordinator.
EXIT_REFUSED = 2
#: A service could not be reached or started.
EXIT_UNAVAILABLE = 3
#: Ended by Ctrl-C: 128 + SIGINT, as shells have it.
EXIT_INTERRUPTED = 130


class CliError(Exception):
    """Ends the command with one line on stderr and an exit code."""

    def __init__(self, message: str, *, exit_code: int = EXIT_REFUSED, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.hint = hint


class StackError(CliError):
    """The local stack could not be started: a port is taken, a process ended, or it was not ready in time."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, exit_code=EXIT_UNAVAILABLE, hint=hint)


class StreamEndedError(CliError):
    """The stream of a batch's events ended though the batch goes on."""

    def __init__(self) -> None:
        super().__init__("the event stream ended before the batch did", exit_code=EXIT_UNAVAILABLE)


def from_service(error: MiyabiError) -> CliError:
    """Turn a service's refusal into one readable error: the message, then each field by name."""
    lines = [f"{error} [{error.reason}]" if error.reason else str(error)]
    lines += [f"  {violation.field}: {violation.description}" for violation in error.violations]
    if error.retry_after is not None:
        lines.append(f"  try again in {error.retry_after.total_seconds():.0f} s")
    if error.reason == "IDENTITY_REQUIRED":
        hint = "who are you? set MIYABI_TOKEN_FILE, or give --token-file before the command"
        return CliError("\n".join(lines), hint=hint)
    unavailable = error.code.name in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    return CliError(
        "\n".join(lines),
        exit_code=EXIT_UNAVAILABLE if unavailable else EXIT_REFUSED,
        hint="is the system up? `miyabi up` starts it, `miyabi doctor` looks closer" if unavailable else "",
    )
