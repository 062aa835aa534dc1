"""Judges what GitHub says of a repository: what of it stands in the way of work."""

from __future__ import annotations

from collections.abc import Iterator

from miyabi_github_gateway.service.target.rules import forbidding, undecided
from miyabi_github_gateway.target_facts import (
    CredentialKind,
    Problem,
    ProblemKind,
    RepositoryFacts,
    Rights,
    Target,
)

#: Roles in a repository, each with all that those before it may.
_ROLES = ("", "READ", "TRIAGE", "WRITE", "MAINTAIN", "ADMIN")
#: What is needed of an App's installation, by what will be written; reading is needed always.
_APP_NEEDS = {"changes": ("contents", "pull_requests"), "issues": ("issues",), "review": ("pull_requests",)}


def repository_problems(target: Target, facts: RepositoryFacts) -> Iterator[Problem]:
    """Yield what of the repository stands in the way."""
    name = facts.name
    if facts.archived or facts.closed_to_writes:
        state = "archived" if facts.archived else "disabled, or locked while it moves"
        yield Problem(
            ProblemKind.REPOSITORY_ARCHIVED,
            f"{name} is {state}, so that GitHub takes no write there.",
            "Have an administrator open the repository again, or make a dry run.",
            may_be_overruled=not target.writes,
        )
    if facts.empty:
        yield Problem(
            ProblemKind.REPOSITORY_EMPTY,
            f"{name} has no commit that a change could start from.",
            f"Push a first commit to {target.base_branch or 'the default branch'}.",
        )
    if facts.issues_enabled is False and not target.review:
        yield Problem(
            ProblemKind.ISSUES_DISABLED,
            f"{name} has issues switched off.",
            "Switch issues on in the repository's settings.",
        )
    yield from _rights(target, facts)
    if target.writes_changes:
        yield from _branches(facts)


def _branches(facts: RepositoryFacts) -> Iterator[Problem]:
    """Yield what forbids branches of ours."""
    if facts.shadowed:
        yield Problem(
            ProblemKind.BRANCH_SHADOWED,
            f"{facts.name} has a branch named miyabi, so that git can make no branch below miyabi/.",
            "Rename or delete the branch miyabi.",
        )
    for rule in forbidding(facts.rules):
        yield Problem(
            ProblemKind.BRANCH_FORBIDDEN,
            f"The rule {rule.kind} of the ruleset {rule.ruleset} refuses pushes to branches below miyabi/.",
            "Exclude miyabi/** from the ruleset, or let the credential bypass it.",
        )


def _rights(target: Target, facts: RepositoryFacts) -> Iterator[Problem]:
    """Yield which rights the credential lacks."""
    rights = facts.rights
    wanted = _missing_of_app(target, rights) if rights.kind is CredentialKind.APP else _missing(target, facts)
    for what, remedy in wanted:
        message = f"{_subject(rights)} lacks {what} in {facts.name}."
        yield Problem(ProblemKind.PERMISSION_MISSING, message, remedy)
    if target.writes_changes and not _may_write_workflows(rights):
        what = "permission workflows:write" if rights.kind is CredentialKind.APP else "scope workflow"
        yield Problem(
            ProblemKind.WORKFLOW_PERMISSION_MISSING,
            f"{_subject(rights)} lacks the {what}, so that GitHub refuses changes of .github/workflows.",
            f"Give it the {what}, or go on where no issue needs a changed workflow.",
            may_be_overruled=True,
        )


def _missing_of_app(target: Target, rights: Rights) -> Iterator[tuple[str, str]]:
    """Yield the permissions that an App's installation lacks, each with what to do."""
    writes = set(_APP_NEEDS["changes"]) if target.writes_changes else set()
    if target.writes_issues:
        writes |= set(_APP_NEEDS["review" if target.review else "issues"])
    reads = {"contents", "pull_requests" if target.review else "issues"} - writes
    for name, level in [*((name, "write") for name in sorted(writes)), *((name, "read") for name in sorted(reads))]:
        if rights.permissions.get(name) not in {level, "write", "admin"}:
            yield (
                f"the permission {name}:{level}",
                f"Grant {name}:{level} to the App and accept it in its installation.",
            )


def _missing(target: Target, facts: RepositoryFacts) -> Iterator[tuple[str, str]]:
    """Yield what a token and its account lack, each with what to do."""
    rights = facts.rights
    if target.writes and rights.kind is CredentialKind.CLASSIC:
        enough = {"repo"} if facts.private else {"repo", "public_repo"}
        if not rights.scopes & enough:
            yield "the scope repo", "Give the token the scope repo."
    needed = "WRITE" if target.writes_changes else "TRIAGE" if target.writes_issues else "READ"
    if rights.role and _ROLES.index(rights.role) < _ROLES.index(needed):
        yield f"the role {needed.lower()}", f"Give its account the role {needed.lower()} in the repository."


def _may_write_workflows(rights: Rights) -> bool:
    """Tell whether workflow files may be written, as far as it is known."""
    match rights.kind:
        case CredentialKind.APP:
            return rights.permissions.get("workflows") == "write"
        case CredentialKind.CLASSIC:
            return "workflow" in rights.scopes
        case _:
            return True


def _subject(rights: Rights) -> str:
    """Return how the credential is called at the start of a sentence."""
    return f"{rights.kind.value[0].upper()}{rights.kind.value[1:]}"


def unknown_of(target: Target, facts: RepositoryFacts) -> Iterator[str]:
    """Yield what of the repository could not be found out, a sentence each."""
    yield from facts.not_known
    rights = facts.rights
    if target.writes and rights.kind is CredentialKind.FINE_GRAINED:
        yield (
            "GitHub does not tell which permissions this kind of token has: whether it may write contents, issues, "
            "pull requests and workflows will show only when it does."
        )
    if not rights.role and rights.kind is not CredentialKind.APP:
        yield "GitHub does not tell which role the token's account has in the repository."
    if target.writes_changes:
        yield from _unknown_rules(facts)


def _unknown_rules(facts: RepositoryFacts) -> Iterator[str]:
    """Yield which rules depend on what a change will be."""
    for rule in undecided(facts.rules):
        yield f"Whether a change keeps the rule {rule.kind} of the ruleset {rule.ruleset} depends on the change."
