"""What can go wrong at the command line, and with which exit code it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

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


class SettingsError(CliError):
    """Settings cannot be used; each has its own line.

    Args:
        problems: One line a setting, with what it may hold.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class StackError(CliError):
    """The local stack could not be started: a port is taken, a process ended, or it was not ready in time."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, exit_code=EXIT_UNAVAILABLE, hint=hint)


class StreamEndedError(CliError):
    """The stream of a batch's events ended though the batch goes on."""

    def __init__(self) -> None:
        super().__init__("the event stream ended before the batch did", exit_code=EXIT_UNAVAILABLE)


#: What to do about a refusal, by its reason; reasons that are not here say it themselves.
NEXT: dict[str, str] = {
    "INVALID_REQUEST": "the word's --help names what each field may hold",
    "REPOSITORY_NOT_FOUND": "is the name right, and may the token see it? `miyabi doctor OWNER/REPO` looks closer",
    "ISSUE_NOT_FOUND": "leave those out, or look whether they are pull requests or were moved",
    "BATCH_NOT_FOUND": "`miyabi batches` lists what there is; ended batches are kept for a while only",
    "RUN_NOT_FOUND": "`miyabi watch` on the batch shows its issues",
    "REQUEST_ID_REUSED": "take another --request-id, or none",
    "NO_ISSUES_MATCHED": "widen --query or --label, or name --issues",
    "DEPENDENCY_CYCLE": "take one of them out, or mend what the issues say they depend on",
    "BATCH_STATE": "`miyabi batches` shows its state; a failed one takes `miyabi retry`, a paused one `miyabi resume`",
    "LOST_RACE": "try again",
    "STORE_UNAVAILABLE": "try again; if it stays so, an operator looks at the store (docs/runbooks)",
    "STORE_FULL": "an operator makes room in the store (docs/runbooks)",
    "SHUTTING_DOWN": "try again: another replica answers",
    "GITHUB_UNAVAILABLE": "try again later; githubstatus.com says whether it is GitHub itself",
    "GITHUB_RATE_LIMITED": "try again later; `miyabi report --since 1h` shows how much of the limits is used",
    "GITHUB_FORBIDDEN": "give the token what is missing; `miyabi doctor OWNER/REPO` names all of it",
    "REPOSITORY_NOT_ALLOWED": "an operator lets the gateway serve it",
    "BUDGET_EXHAUSTED": "submit again with a larger budget, or fewer issues",
    "AGENT_NOT_FOUND": "`miyabi agents` lists those that are attached",
    "APPROVAL_NOT_FOUND": "`miyabi show` says how the issue stands: nobody waits for a word on it",
    "BAD_CURSOR": "begin anew without it",
    "IDENTITY_REQUIRED": "who are you? set MIYABI_TOKEN_FILE, or give --token-file before the command",
    "ROLE_REQUIRED": "ask somebody with that role, or an operator for a token that has it (`miyabi token`)",
    "NOT_IMPLEMENTED": "the service is older than this program; upgrade it",
    "INTERNAL": "the service's log has more, by the time of this call",
}
#: What to do where a service does not answer.
_AWAY = "is the system up? `miyabi up` starts it; MIYABI_COORDINATOR and MIYABI_DASHBOARD say where it is looked for"
#: gRPC's words where nobody listens: the address and the cause, behind what it says of backends.
_NOBODY = re.compile(r".*\bipv[46]:(?P<address>\S+): Failed to connect to remote host: (?P<cause>.+)", re.DOTALL)


def from_service(error: MiyabiError) -> CliError:
    """Turn a service's refusal into one readable error: the message, each field by name, and what to do next."""
    nobody = _NOBODY.fullmatch(str(error))
    message = f"nobody answers at {unquote(nobody['address'])}: {nobody['cause']}" if nobody else str(error)
    lines = [f"{message} [{error.reason}]" if error.reason else message]
    violations = [f"{violation.field}: {violation.description}" for violation in error.violations]
    lines += [f"  {violation}" for violation in violations if violation != message]
    if error.retry_after is not None:
        lines.append(f"  try again in {error.retry_after.total_seconds():.0f} s")
    unavailable = error.code.name in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    return CliError(
        "\n".join(lines),
        exit_code=EXIT_UNAVAILABLE if unavailable else EXIT_REFUSED,
        hint=NEXT.get(error.reason) or (_AWAY if unavailable else ""),
    )
