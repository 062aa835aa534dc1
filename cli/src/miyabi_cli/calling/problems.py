"""What stands in the way of a batch: its kinds as the command line writes them, and how a refusal is shown."""

from __future__ import annotations

from typing import Any

from buf.validate import validate_pb2
from rich.console import Console
from rich.table import Table

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchAccepted
from miyabi_cli.errors import CliError
from miyabi_cli.terminal import ours, row, say, say_rows, shown
from miyabi_core.errors import MiyabiError
from miyabi_core.text import Untrusted, first

_PREFIX = "PROBLEM_KIND_"
#: Problems of an accepted batch that are named; the rest is counted.
MOST_TOLD = 20
#: What `--again` overrules: what a batch for an issue that had one before meets.
AGAIN = ("pull-request-open", "issue-in-batch")


def kind_name(kind: int) -> str:
    """Return a kind as the command line writes it, for example `issue-closed`; one that is not known by its number."""
    known = kind in ProblemKind.values()
    return dashed(ProblemKind.Name(kind).removeprefix(_PREFIX)) if known else f"problem-{kind}"  # type: ignore[arg-type]


def dashed(name: str) -> str:
    """Return a kind's name in small letters with dashes."""
    return name.lower().replace("_", "-")


def overrulable() -> dict[str, int]:
    """Return the kinds that a request may overrule, by name; the proto says which those are."""
    field = pb.SubmitBatchRequest.DESCRIPTOR.fields_by_name["overrule"]
    rules = field.GetOptions().Extensions[validate_pb2.field].repeated.items.enum
    return {kind_name(kind): int(kind) for kind in getattr(rules, "in")}


def complete_kinds(incomplete: str) -> list[str]:
    """Return the kinds that begin like this, for the shell."""
    return [name for name in overrulable() if name.startswith(incomplete)]


def kinds_of(names: list[str]) -> list[int]:
    """Return the kinds that `--force` names, each once.

    Raises:
        CliError: one is none, or may not be overruled.
    """
    known = overrulable()
    for name in names:
        if name not in known:
            raise CliError(f"--force: {name!r} is none of {', '.join(known)}")
    return list(dict.fromkeys(known[name] for name in names))


class ProblemsError(CliError):
    """Something stands in the way of the batch; nothing was written or spent.

    Args:
        error: What the coordinator answered.
    """

    def __init__(self, error: MiyabiError) -> None:
        super().__init__(error.message)
        self.problems = [
            {"kind": dashed(condition.kind), "about": condition.subject, "problem": condition.description}
            for condition in error.unmet
        ]
        self.more = int(error.metadata.get("more", "0"))
        self.overrulable = [dashed(name) for name in error.metadata.get("overrulable", "").split(",") if name]
        kinds = dict.fromkeys(problem["kind"] for problem in self.problems)
        self.final = [kind for kind in kinds if kind not in self.overrulable]

    @property
    def options(self) -> str:
        """The options that overrule what may be overruled; empty: nothing may."""
        if self.overrulable and set(self.overrulable) <= set(AGAIN):
            return "--again"
        return " ".join(f"--force {kind}" for kind in self.overrulable)

    def as_dict(self) -> dict[str, Any]:
        """Return the refusal for machines."""
        return {
            "error": {
                "reason": "PROBLEMS_FOUND",
                "message": str(self),
                "problems": self.problems,
                "not_listed": self.more,
                "options": self.options,
                "cannot_be_overruled": self.final,
            }
        }

    def show(self, console: Console) -> None:
        """Print each problem with what to do, then how to go on all the same."""
        say(console, ours("error:", style="red"), ours(" "), shown(Untrusted(str(self))))
        table = Table(header_style="bold")
        for name in ("about", "kind", "what is wrong, and what to do"):
            table.add_column(name, overflow="fold")
        for problem in self.problems:
            row(table, *(shown(Untrusted(problem[key])) for key in ("about", "kind", "problem")))
        say_rows(console, table)
        if self.more:
            say(console, ours("{} more are not listed", self.more))
        if self.final:
            say(console, ours("cannot be overruled: "), shown(Untrusted(", ".join(self.final))))
        if self.options:
            words = ours("once that is mended, go on despite the rest with: ") if self.final else ours("go on with: ")
            say(console, words, shown(Untrusted(self.options)))


def show_overruled(console: Console, accepted: BatchAccepted) -> None:
    """Print what stood in the way of a batch that was accepted all the same, and what could not be found out."""
    told, rest = first(list(accepted.problems), MOST_TOLD)
    for problem in told:
        about = ours("#{} ", problem.issue_number, style="yellow") if problem.issue_number else ours("")
        say(console, ours("despite: ", style="yellow"), about, shown(Untrusted(problem.message)))
    if rest:
        say(console, ours("and {} more", rest))
    for words in accepted.not_known:
        say(console, ours("not known: ", style="yellow"), shown(Untrusted(words)))


def from_refusal(error: MiyabiError) -> CliError | None:
    """Return the refusal that an error is; None where it is another one."""
    return ProblemsError(error) if error.reason == "PROBLEMS_FOUND" else None
