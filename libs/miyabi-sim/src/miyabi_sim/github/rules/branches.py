"""Which rules of a repository hold for a branch, and how GitHub writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from miyabi_sim.github.kept.models import Repository, Ruleset


def rulesets_of(repository: Repository, branch: str) -> list[Ruleset]:
    """Return the rulesets whose patterns a branch's full name matches; the branch need not be there."""
    name = f"refs/heads/{branch}"
    return [ruleset for ruleset in repository.rulesets if re.fullmatch(branches_of(repository, ruleset), name)]


def branches_of(repository: Repository, ruleset: Ruleset) -> str:
    """Return the expression that the full names of a ruleset's branches match."""
    include = "|".join(_meant(pattern, repository) for pattern in ruleset.include)
    exclude = "|".join(_meant(pattern, repository) for pattern in ruleset.exclude)
    return f"(?!(?:{exclude})$)(?:{include})" if exclude else f"(?:{include})"


def _meant(pattern: str, repository: Repository) -> str:
    if pattern == "~ALL":
        return "refs/heads/.+"
    return (
        re.escape(f"refs/heads/{repository.default_branch}") if pattern == "~DEFAULT_BRANCH" else _expression(pattern)
    )


def _expression(pattern: str) -> str:
    """Return a pattern as an expression: a star stops at a slash, two before a slash do not.

    Source: docs.github.com, "Creating rulesets for a repository", on `fnmatch` with `File::FNM_PATHNAME`.
    """
    parts = re.split(r"(\*\*/|\*+|\?)", pattern)
    meant = {"**/": "(?:.*/)?", "?": "[^/]"}
    return "".join(meant.get(part) or ("[^/]*" if part.startswith("*") else re.escape(part)) for part in parts if part)


def rules_of(repository: Repository, branch: str) -> Iterator[dict[str, Any]]:
    """Yield each rule for a branch as REST writes it."""
    for ruleset in rulesets_of(repository, branch):
        for rule in ruleset.rules:
            yield rule | {
                "ruleset_source_type": "Repository",
                "ruleset_source": repository.full_name,
                "ruleset_id": ruleset.id,
            }


def shape_of(repository: Repository, ruleset: Ruleset) -> dict[str, Any]:
    """Return a ruleset as REST writes it."""
    return {
        "id": ruleset.id,
        "name": ruleset.name,
        "target": "branch",
        "source_type": "Repository",
        "source": repository.full_name,
        "enforcement": "active",
        "conditions": {"ref_name": {"include": ruleset.include, "exclude": ruleset.exclude}},
        "rules": ruleset.rules,
        "current_user_can_bypass": "always" if ruleset.bypassed else "never",
    }
