"""Judges rules of branches: which of them refuse every push to a branch of ours, and which are of no concern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import re2

from miyabi_core.grants import branch_of
from miyabi_github_gateway.target_facts import BranchRule

#: Rules that refuse a branch that is new, commits that no pull request brought, that nobody signed, or that nothing has
#: checked yet.
_REFUSING = frozenset(
    {"creation", "update", "pull_request", "required_signatures", "merge_queue", "required_status_checks"}
)
#: Rules on what no push of ours does: to delete, to rewrite, to merge, to make a tag.
_HARMLESS = frozenset({"deletion", "non_fast_forward", "required_linear_history", "tag_name_pattern"})
#: Expressions that no one compiles are the rule's matter, not this log's.
_QUIET = re2.Options()
_QUIET.log_errors = False


def _found(name: str, pattern: str) -> bool:
    """Tell whether an expression fits, in time that grows with both lengths only: whoever owns a repository writes it.

    Raises:
        re2.error: it is none in RE2's syntax, which is GitHub's.
    """
    return re2.compile(pattern, _QUIET).search(name) is not None


#: How a rule compares a name with its pattern (docs.github.com, REST API, "Rules": `operator`).
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
    "regex": _found,
}


def sample_branch(issue: int) -> str:
    """Return a branch as one of ours for an issue would be named: rules are asked for by name."""
    return branch_of(f"batches/{'0' * 26}/runs/{issue}/tasks/pull-request")


def forbidding(rules: Iterable[BranchRule]) -> Iterator[BranchRule]:
    """Yield the rules that refuse pushes to branches of ours."""
    return (rule for rule in rules if rule.kind in _REFUSING or _takes_name(rule) is False)


def undecided(rules: Iterable[BranchRule]) -> Iterator[BranchRule]:
    """Yield the rules of which only a change can show whether it keeps them."""
    decided = _REFUSING | _HARMLESS
    return (rule for rule in rules if rule.kind not in decided and _takes_name(rule) is None)


def _takes_name(rule: BranchRule) -> bool | None:
    """Tell whether a rule on names takes ours; None: it is another rule, or cannot be read."""
    compare = _OPERATORS.get(rule.operator)
    if rule.kind != "branch_name_pattern" or compare is None:
        return None
    try:
        return compare(sample_branch(1), rule.pattern) is not rule.negate
    except re2.error:
        return None
