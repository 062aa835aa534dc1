"""Runs as git's `update` hook: refuses what a repository's rules, or a missing permission, forbid.

It is started by git with nothing but Python's own library. What it has to look at stands in the environment as JSON;
why a ref is refused is written to a file, since git itself tells its client no more than that a hook declined.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

#: Where the hook finds what is forbidden, and where it writes why.
FORBIDDEN, REASONS = "SIM_FORBIDDEN", "SIM_REASONS"
#: What GitHub says in brackets behind a ref that rules refuse.
DECLINED = "push declined due to repository rule violations"
#: Rules that refuse whatever is pushed, with GitHub's words.
_ALWAYS = {
    "pull_request": "Changes must be made through a pull request.",
    "required_signatures": "Commits must have verified signatures.",
    "merge_queue": "Changes must be made through the merge queue",
    "required_status_checks": "Required status checks are expected.",
}
#: How a rule on texts compares.
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": str.__contains__,
    "regex": lambda text, pattern: re.search(pattern, text) is not None,
}


def git(*arguments: str) -> str:
    """Return what git says of the repository that is pushed to; empty where it fails."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout


def broken_rules(ref: str, old: str, new: str, rules: list[dict[str, Any]]) -> Iterator[str]:
    """Yield GitHub's words for each rule that an update of a ref breaks."""
    creates, deletes = not old.strip("0"), not new.strip("0")
    for rule in rules:
        kind, parameters = rule["type"], rule.get("parameters") or {}
        if kind == "creation" and creates:
            yield "Cannot create ref due to creations being restricted."
        elif kind == "update" and not creates and not deletes:
            yield "Cannot update this protected ref."
        elif kind == "deletion" and deletes:
            yield "Cannot delete this branch"
        elif kind == "non_fast_forward" and not creates and not deletes and old not in git("rev-list", new).split():
            yield "Cannot force-push to this branch"
        elif kind in _ALWAYS and not deletes:
            yield _ALWAYS[kind]
        elif kind == "branch_name_pattern" and creates and not _fits(ref.removeprefix("refs/heads/"), parameters):
            yield f"Branch name must match a given pattern: {parameters['pattern']}"
        elif kind == "commit_message_pattern" and not deletes:
            messages = git("log", "--format=%B%x00", new, "--not", "--all").split("\0")
            if not all(_fits(message.strip(), parameters) for message in messages if message.strip()):
                yield f"Commit message must match a given pattern: {parameters['pattern']}"


def _fits(text: str, parameters: dict[str, Any]) -> bool:
    compare = _OPERATORS[parameters["operator"]]
    return compare(text, parameters["pattern"]) is not parameters.get("negate", False)


def new_workflow(new: str) -> str:
    """Return a workflow file that a pushed commit makes or changes; empty where none does."""
    if not new.strip("0"):
        return ""
    names = git("log", "--format=", "--name-only", "--no-renames", new, "--not", "--all", "--", ".github/workflows")
    return next((name for name in names.split("\n") if name), "")


def main(ref: str, old: str, new: str) -> int:
    """Return 1 where the ref is refused."""
    forbidden = json.loads(os.environ[FORBIDDEN])
    applied = [rule for entry in forbidden["rules"] if re.fullmatch(entry["refs"], ref) for rule in entry["rules"]]
    violations = list(dict.fromkeys(broken_rules(ref, old, new, applied)))
    workflow = new_workflow(new) if forbidden["workflows"] else ""
    if not violations and not workflow:
        return 0
    reason = forbidden["workflows"].format(path=workflow) if workflow else DECLINED
    with Path(os.environ[REASONS]).open("a", encoding="utf-8") as file:
        file.write(json.dumps([ref, reason]) + "\n")
    if violations:
        lines = [
            f"error: GH013: Repository rule violations found for {ref}.",
            f"Review all repository rules at {forbidden['page']}",
            "",
            *(f"- {violation}" for violation in violations),
            "",
        ]
        sys.stderr.write("\n".join(lines) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
