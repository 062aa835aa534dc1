"""What stands in the way of a batch, found before it is written."""

from __future__ import annotations

from miyabi_coordinator.models.enums import ProblemKind
from miyabi_coordinator.models.value import Value


class Problem(Value, frozen=True):
    """One problem.

    Args:
        kind: What kind; a number that this version does not know is kept as it is.
        message: One sentence: what is wrong.
        remedy: One sentence: what to do.
        issue: The issue that it is about; 0: the repository.
        may_be_overruled: The caller may go on all the same, by naming the kind.
    """

    kind: int
    message: str
    remedy: str
    issue: int = 0
    may_be_overruled: bool = False

    @property
    def name(self) -> str:
        """Name of the kind, as errors and the command line have it."""
        try:
            return ProblemKind(self.kind).name
        except ValueError:
            return f"PROBLEM_{self.kind}"


class OurPullRequest(Value, frozen=True):
    """An open pull request of ours, from an earlier batch, and the issue that it is for."""

    issue: int
    url: str


class Findings(Value, frozen=True):
    """What was looked up: problems, what could not be found out, a sentence each, and our open pull requests."""

    problems: tuple[Problem, ...] = ()
    not_known: tuple[str, ...] = ()
    ours: tuple[OurPullRequest, ...] = ()


class Target(Value, frozen=True):
    """What is to be worked on, and what will be written there; `review`: the numbers are pull requests."""

    repository: str
    branch: str
    numbers: tuple[int, ...]
    writes_issues: bool = False
    writes_changes: bool = False
    review: bool = False


#: Nothing was found.
NO_FINDINGS = Findings()
