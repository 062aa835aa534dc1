"""The simulated GitHub refuses what GitHub refuses, in GitHub's words, in each state that can be set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from miyabi_sim.github import SimulatedGitHub

#: The seeded repository.
SHOP = "acme/shop"


async def asked(github: SimulatedGitHub, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send a REST request; returns the status and the JSON. Redirects are not followed."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{github.url}{path}", json=body, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def refused_push(git, clone: Path, branch: str, *options: str) -> str:
    """Push HEAD to a branch, which must fail; returns what git shows."""
    with pytest.raises(AssertionError) as caught:
        await git(clone, "push", *options, "origin", f"HEAD:refs/heads/{branch}")
    return str(caught.value)


async def commit(git, clone: Path, name: str, text: str = "x\n", message: str = "change") -> str:
    """Commit a file in the clone; returns the commit."""
    (clone / name).parent.mkdir(parents=True, exist_ok=True)
    (clone / name).write_text(text)
    await git(clone, "add", "--all")
    await git(clone, "commit", "--quiet", "-m", message)
    return (await git(clone, "rev-parse", "HEAD")).strip()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/issues", {"title": "t"}),
        ("PATCH", "/issues/1", {"title": "t"}),
        ("POST", "/issues/1/comments", {"body": "b"}),
        ("POST", "/issues/1/labels", {"labels": ["x"]}),
        ("POST", "/labels", {"name": "x"}),
        ("POST", "/pulls", {"title": "t", "head": "a", "base": "main"}),
    ],
)
async def test_archived_repository_takes_no_write(github: SimulatedGitHub, method: str, path: str, body: Any) -> None:
    """Every write is 403 with GitHub's message; reading goes on."""
    github.states.repository(SHOP, archived=True)
    status, said = await asked(github, method, f"/repos/{SHOP}{path}", body)
    assert (status, said["message"]) == (403, "Repository was archived so is read-only.")
    assert (await asked(github, "GET", f"/repos/{SHOP}"))[1]["archived"] is True


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"archived": True}, "remote: This repository was archived so it is read-only."),
        ({"viewer_permission": "READ"}, "remote: Permission to acme/shop.git denied to miyabi-bot."),
    ],
    ids=["archived", "no right"],
)
async def test_push_to_a_repository_that_takes_none(
    github: SimulatedGitHub, clone: Path, git, changes: dict[str, Any], expected: str
) -> None:
    """Git shows GitHub's own words, and the status 403."""
    github.states.repository(SHOP, **changes)
    await commit(git, clone, "a.txt")
    said = await refused_push(git, clone, "miyabi/x")
    assert expected in said
    assert "The requested URL returned error: 403" in said


async def test_locked_conversation_takes_no_comment(github: SimulatedGitHub) -> None:
    """A comment is 403, labels go on."""
    github.states.issue(SHOP, 1, locked=True)
    status, said = await asked(github, "POST", f"/repos/{SHOP}/issues/1/comments", {"body": "b"})
    assert (status, said["message"]) == (403, "Unable to create comment because issue is locked.")
    assert (await asked(github, "POST", f"/repos/{SHOP}/issues/1/labels", {"labels": ["x"]}))[0] == 200
    assert (await asked(github, "GET", f"/repos/{SHOP}/issues/1"))[1]["locked"] is True


async def test_transferred_issue_leads_on(github: SimulatedGitHub, ask) -> None:
    """REST answers 301 to where it is now, nothing is below its old address, and GraphQL knows nothing of it."""
    github.states.fork(SHOP, owner="beta")
    github.states.repository("beta/shop", has_issues=True)
    github.states.transfer(SHOP, 2, to="beta/shop")
    status, said = await asked(github, "GET", f"/repos/{SHOP}/issues/2")
    assert (status, said["message"]) == (301, "Moved Permanently")
    moved = await asked(github, "GET", said["url"].removeprefix(github.url))
    assert (moved[1]["number"], moved[1]["repository_url"]) == (1, f"{github.url}/repos/beta/shop")
    assert (await asked(github, "GET", f"/repos/{SHOP}/issues/2/comments"))[0] == 404
    answer = await ask('{ repository(owner: "acme", name: "shop") { issue(number: 2) { id } } }')
    assert [error["type"] for error in answer["errors"]] == ["NOT_FOUND"]
    assert (await asked(github, "POST", f"/repos/{SHOP}/issues", {"title": "t"}))[1]["number"] == 6


async def test_issue_has_at_most_a_hundred_labels(github: SimulatedGitHub) -> None:
    """One more is 422 with an error that is a text, and none of them is set."""
    names = [f"label {number}" for number in range(100)]
    assert (await asked(github, "PUT", f"/repos/{SHOP}/issues/1/labels", {"labels": names}))[0] == 200
    status, said = await asked(github, "POST", f"/repos/{SHOP}/issues/1/labels", {"labels": ["one more"]})
    assert (status, said["errors"]) == (422, ["Issues cannot have more than 100 labels"])
    assert len(github.store.repository("acme", "shop").items[1].labels) == 100


async def test_repository_without_issues(github: SimulatedGitHub) -> None:
    """They are gone, as GitHub says it."""
    github.states.repository(SHOP, has_issues=False)
    for method, path in (("GET", "/issues/1"), ("POST", "/issues")):
        status, said = await asked(github, method, f"/repos/{SHOP}{path}", {"title": "t"} if method == "POST" else None)
        assert (status, said["message"]) == (410, "Issues are disabled for this repo")


#: Rules by what a new branch, or a second push to it, breaks of them.
RULES: dict[str, tuple[dict[str, Any], str, bool]] = {
    "creation": ({"type": "creation"}, "Cannot create ref due to creations being restricted.", False),
    "update": ({"type": "update"}, "Cannot update this protected ref.", True),
    "pull_request": ({"type": "pull_request"}, "Changes must be made through a pull request.", False),
    "required_signatures": ({"type": "required_signatures"}, "Commits must have verified signatures.", False),
    "branch_name_pattern": (
        {"type": "branch_name_pattern", "parameters": {"operator": "starts_with", "pattern": "feature/"}},
        "Branch name must match a given pattern: feature/",
        False,
    ),
    "commit_message_pattern": (
        {"type": "commit_message_pattern", "parameters": {"operator": "regex", "pattern": "^JIRA-"}},
        "Commit message must match a given pattern: ^JIRA-",
        False,
    ),
}


@pytest.mark.parametrize("rule", sorted(RULES))
async def test_rules_refuse_pushes_as_github_does(github: SimulatedGitHub, clone: Path, git, rule: str) -> None:
    """A branch that a ruleset covers is refused with GitHub's words and reason; another is taken."""
    written, words, second = RULES[rule]
    await commit(git, clone, "a.txt")
    if second:
        await git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/miyabi/x")
        await commit(git, clone, "b.txt")
    github.states.rule(SHOP, written, include=("refs/heads/miyabi/*",))
    said = await refused_push(git, clone, "miyabi/x")
    assert "remote: error: GH013: Repository rule violations found for refs/heads/miyabi/x." in said
    assert f"remote: - {words}" in said
    assert "[remote rejected] HEAD -> miyabi/x (push declined due to repository rule violations)" in said
    await git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/other/x")


@pytest.mark.parametrize(
    ("include", "covered"),
    [("refs/heads/miyabi/*", True), ("refs/heads/miyabi/**", True), ("refs/heads/**/x", True), ("~ALL", True),
     ("refs/heads/*", False), ("~DEFAULT_BRANCH", False)],
)  # fmt: skip
async def test_patterns_cover_what_github_says(github: SimulatedGitHub, include: str, covered: bool) -> None:
    """A star stops at a slash; a rule is told for a branch that is not there yet."""
    github.states.rule(SHOP, "creation", include=(include,))
    _, rules = await asked(github, "GET", f"/repos/{SHOP}/rules/branches/miyabi%2Fx")
    assert [rule["type"] for rule in rules] == (["creation"] if covered else [])


async def test_forced_push_is_refused_where_it_is_forbidden(github: SimulatedGitHub, clone: Path, git) -> None:
    """A branch that may not be rewritten takes what follows, and nothing else."""
    await commit(git, clone, "a.txt")
    await git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/miyabi/x")
    github.states.rule(SHOP, "non_fast_forward")
    await git(clone, "commit", "--quiet", "--amend", "-m", "another")
    assert "remote: - Cannot force-push to this branch" in await refused_push(git, clone, "miyabi/x", "--force")


@pytest.mark.parametrize("how", [{"scopes": "repo"}, {"scopes": "", "workflows": False}], ids=["classic", "other"])
async def test_workflow_files_need_their_own_right(
    github: SimulatedGitHub, clone: Path, git, how: dict[str, Any]
) -> None:
    """A push that changes one is refused with GitHub's reason; one that changes other files is taken."""
    github.dials.update(how)
    await commit(git, clone, "a.txt")
    await git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/miyabi/x")
    await commit(git, clone, ".github/workflows/ci.yml")
    said = await refused_push(git, clone, "miyabi/x")
    assert (
        "(refusing to allow a Personal Access Token to create or update workflow `.github/workflows/ci.yml` "
        "without `workflow` scope)"
    ) in said


async def test_pull_request_after_the_base_was_rewritten(github: SimulatedGitHub, push_branch) -> None:
    """Without history in common GitHub opens none, and says so."""
    await push_branch("miyabi/x", "text")
    github.states.rewrite(SHOP, "main")
    body = {"title": "t", "head": "miyabi/x", "base": "main"}
    status, said = await asked(github, "POST", f"/repos/{SHOP}/pulls", body)
    assert status == 422
    assert said["errors"][0]["message"] == "The miyabi/x branch has no history in common with main"


async def test_pull_request_of_a_fork(github: SimulatedGitHub, clone: Path, git, tmp_path: Path) -> None:
    """Its head is in the fork, `refs/pull/N/head` is in the base, and it follows pushes to the fork."""
    github.states.fork(SHOP, owner="beta")
    github.states.repository("beta/shop", viewer_permission="WRITE")
    await git(clone, "remote", "add", "fork", f"{github.url}/beta/shop.git")
    first = await commit(git, clone, "a.txt")
    await git(clone, "push", "--quiet", "fork", "HEAD:refs/heads/topic")
    body = {"title": "t", "head": "beta:topic", "base": "main"}
    status, made = await asked(github, "POST", f"/repos/{SHOP}/pulls", body)
    assert (status, made["head"]["repo"]["full_name"], made["head"]["label"]) == (201, "beta/shop", "beta:topic")
    assert (made["maintainer_can_modify"], made["base"]["repo"]["full_name"]) == (True, SHOP)
    second = await commit(git, clone, "b.txt")
    await git(clone, "push", "--quiet", "fork", "HEAD:refs/heads/topic")
    ref = f"refs/pull/{made['number']}/head"
    listed = await git(tmp_path, "ls-remote", f"{github.url}/{SHOP}.git", ref)
    assert (listed.split(), first == second) == ([second, ref], False)
    found = await asked(github, "GET", f"/repos/{SHOP}/pulls?head=beta:topic")
    assert [pull["head"]["sha"] for pull in found[1]] == [second]


async def test_pull_requests_end_with_their_base(github: SimulatedGitHub, clone: Path, git, push_branch) -> None:
    """One whose head the base takes is merged; one whose base is deleted is closed."""
    await push_branch("merged", "text")
    await git(clone, "push", "--quiet", "origin", "HEAD:refs/heads/release")
    await push_branch("lost", "other")
    for head, base in (("merged", "main"), ("lost", "release")):
        assert (await asked(github, "POST", f"/repos/{SHOP}/pulls", {"title": head, "head": head, "base": base}))[
            0
        ] == 201
    await git(clone, "push", "--quiet", "origin", "refs/remotes/origin/merged:refs/heads/main")
    await git(clone, "push", "--quiet", "origin", "--delete", "release")
    pulls = {pull.title: (pull.state, pull.merged) for pull in github.store.repository("acme", "shop").pulls()}
    assert pulls == {"merged": ("closed", True), "lost": ("closed", False)}


@pytest.mark.parametrize("errors", [[{"field": "a", "code": "b"}], ["text"], "text", None])
async def test_refusal_in_any_form_can_be_ordered(github: SimulatedGitHub, errors: Any) -> None:
    """A fault with a body is answered as it is written."""
    body = {"message": "Validation Failed"} | ({"errors": errors} if errors is not None else {})
    github.dials.update({"faults": [{"status": 422, "operation": "issues.create", "body": body}]})
    assert await asked(github, "POST", f"/repos/{SHOP}/issues", {"title": "t"}) == (422, body)


async def test_states_are_set_from_outside(github: SimulatedGitHub) -> None:
    """A scenario that runs elsewhere sets each state over HTTP; what there is not is refused and changes nothing."""
    base = f"/_sim/repos/{SHOP}"
    assert (await asked(github, "POST", f"{base}/forks", {"owner": "beta"}))[1] == {"full_name": "beta/shop"}
    assert (await asked(github, "PUT", "/_sim/repos/beta/shop", {"has_issues": True}))[0] == 200
    assert (await asked(github, "POST", f"{base}/issues/2/transfer", {"to": "beta/shop"}))[1] == {
        "repository": "beta/shop",
        "number": 1,
    }
    assert (await asked(github, "PUT", f"{base}/issues/1", {"locked": True}))[1]["locked"] is True
    assert (await asked(github, "POST", f"{base}/rulesets", {"rules": ["creation"]}))[0] == 200
    assert len((await asked(github, "POST", f"{base}/rewrite", {"branch": "main"}))[1]["commit"]) == 40
    assert (await asked(github, "PUT", base, {"archived": "yes"}))[0] == 422
    assert (await asked(github, "PUT", base, {"size": 1}))[0] == 422
    assert (await asked(github, "PUT", base, {"archived": True}))[1]["archived"] is True


async def test_states_outlive_the_process(github: SimulatedGitHub, tmp_path: Path) -> None:
    """What was set is there when the data are read again."""
    github.states.rule(SHOP, "creation", include=("refs/heads/a",))
    github.states.repository(SHOP, archived=True)
    github.states.issue(SHOP, 1, locked=True)
    again = SimulatedGitHub(github.store.git_root.parent)
    found = again.store.repository("acme", "shop")
    assert (found.archived, found.items[1].locked, found.rulesets[0].include) == (True, True, ["refs/heads/a"])
