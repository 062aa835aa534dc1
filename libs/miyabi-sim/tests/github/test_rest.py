"""REST: GitHub's routes, shapes, errors, pages and ETags."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import aiohttp
import pytest

from miyabi_sim.github import SimulatedGitHub

REPO = "/repos/acme/shop"


async def test_an_issue_is_opened_labelled_and_commented(http: aiohttp.ClientSession) -> None:
    """The ordinary life of an issue, with unknown labels made on the way as GitHub makes them."""
    async with http.post(f"{REPO}/issues", json={"title": "New", "body": "text", "labels": ["bug"]}) as answer:
        assert answer.status == 201
        issue = await answer.json()
    assert (issue["number"], issue["labels"][0]["name"]) == (6, "bug")
    one = f"{REPO}/issues/6"
    async with http.post(f"{one}/labels", json={"labels": ["fresh/one", "BUG"]}) as answer:
        assert [label["name"] for label in await answer.json()] == ["bug", "fresh/one"]
    async with http.delete(f"{one}/labels/fresh%2Fone") as answer:
        assert [label["name"] for label in await answer.json()] == ["bug"]
    async with http.delete(f"{one}/labels/fresh%2Fone") as answer:
        assert (answer.status, (await answer.json())["message"]) == (404, "Label does not exist")
    async with http.put(f"{one}/labels", json={"labels": ["help wanted"]}) as answer:
        assert [label["name"] for label in await answer.json()] == ["help wanted"]
    async with http.post(f"{one}/comments", json={"body": "hello"}) as answer:
        comment = await answer.json()
    async with http.patch(f"{REPO}/issues/comments/{comment['id']}", json={"body": "bye"}) as answer:
        assert (await answer.json())["body"] == "bye"
    async with http.get(f"{one}/comments") as answer:
        assert [entry["body"] for entry in await answer.json()] == ["bye"]
    async with http.patch(one, json={"state": "closed"}) as answer:
        assert (await answer.json())["closed_at"] is not None


async def test_a_label_is_made_once(http: aiohttp.ClientSession) -> None:
    """The second label of a name, in whatever case, is refused as already existing."""
    async with http.post(f"{REPO}/labels", json={"name": "miyabi:queued", "color": "fbca04"}) as answer:
        assert answer.status == 201
    async with http.post(f"{REPO}/labels", json={"name": "Miyabi:Queued"}) as answer:
        body = await answer.json()
    assert answer.status == 422
    assert body["message"] == "Validation Failed"
    assert body["errors"] == [{"resource": "Label", "code": "already_exists", "field": "name"}]
    assert body["status"] == "422"


async def test_a_pull_request_needs_a_head_and_is_opened_once(http: aiohttp.ClientSession, push_branch) -> None:
    """No head, nothing between and a second pull request are 422 in GitHub's words."""

    async def create(head: str) -> tuple[int, dict]:
        request = {"title": "Fill", "head": head, "base": "main", "draft": True}
        async with http.post(f"{REPO}/pulls", json=request) as answer:
            return answer.status, await answer.json()

    status, body = await create("miyabi/none")
    assert (status, body["errors"]) == (422, [{"resource": "PullRequest", "field": "head", "code": "invalid"}])
    status, body = await create("main")
    assert (status, body["errors"][0]["message"]) == (422, "No commits between main and main")
    sha = await push_branch("miyabi/1-fill", "fill")
    status, pull = await create("miyabi/1-fill")
    assert (status, pull["number"], pull["draft"], pull["head"]["sha"]) == (201, 6, True, sha)
    status, body = await create("acme:miyabi/1-fill")
    assert (status, body["errors"][0]["message"]) == (422, "A pull request already exists for acme:miyabi/1-fill.")
    async with http.patch(f"{REPO}/pulls/6", json={"title": "Filled", "state": "closed"}) as answer:
        assert ((await answer.json())["title"], answer.status) == ("Filled", 200)
    assert (await create("miyabi/1-fill"))[0] == 201


async def test_pull_requests_are_listed_by_head_and_take_labels_and_reviewers(
    http: aiohttp.ClientSession, push_branch
) -> None:
    """The head filter finds the one; the issue routes label it; its author cannot review it."""
    await push_branch("miyabi/2-sweep", "sweep")
    async with http.post(f"{REPO}/pulls", json={"title": "Sweep", "head": "miyabi/2-sweep", "base": "main"}) as answer:
        number = (await answer.json())["number"]
    async with http.get(f"{REPO}/pulls", params={"head": "acme:miyabi/2-sweep"}) as answer:
        assert [pull["number"] for pull in await answer.json()] == [number]
    async with http.get(f"{REPO}/pulls", params={"head": "acme:other"}) as answer:
        assert await answer.json() == []
    async with http.post(f"{REPO}/issues/{number}/labels", json={"labels": ["bug"]}) as answer:
        assert answer.status == 200
    reviewers = f"{REPO}/pulls/{number}/requested_reviewers"
    async with http.post(reviewers, json={"reviewers": ["ann"]}) as answer:
        pull = await answer.json()
    assert [user["login"] for user in pull["requested_reviewers"]] == ["ann"]
    assert [label["name"] for label in pull["labels"]] == ["bug"]
    async with http.post(reviewers, json={"reviewers": ["miyabi-bot"]}) as answer:
        assert answer.status == 422


async def test_branches_have_heads(http: aiohttp.ClientSession, push_branch) -> None:
    """Branches with slashes are found by both routes; unknown ones are 404."""
    sha = await push_branch("miyabi/3-deep/name", "deep")
    async with http.get(f"{REPO}/branches/miyabi/3-deep/name") as answer:
        assert (await answer.json())["commit"]["sha"] == sha
    async with http.get(f"{REPO}/git/ref/heads/miyabi/3-deep/name") as answer:
        assert (await answer.json())["object"] == {
            "sha": sha,
            "type": "commit",
            "url": f"{str(answer.url).split('/git/')[0]}/git/commits/{sha}",
        }
    async with http.get(f"{REPO}/branches/none") as answer:
        assert (answer.status, (await answer.json())["message"]) == (404, "Branch not found")


async def test_lists_come_in_pages_with_links(http: aiohttp.ClientSession) -> None:
    """Following `next` reads every issue once, newest first."""
    numbers, path = [], f"{REPO}/issues?state=all&per_page=2"
    while path:
        async with http.get(path) as answer:
            numbers += [issue["number"] for issue in await answer.json()]
            following = answer.links.get("next")
            path = "" if following is None else following["url"].path_qs
    assert numbers == [5, 4, 3, 2, 1]
    async with http.get(f"{REPO}/issues?labels=bug") as answer:
        assert [issue["number"] for issue in await answer.json()] == [3, 1]


async def test_relations_are_listed(http: aiohttp.ClientSession) -> None:
    """Sub-issues and blockers come as issues."""
    async with http.get(f"{REPO}/issues/1/sub_issues") as answer:
        assert [issue["number"] for issue in await answer.json()] == [2, 3]
    async with http.get(f"{REPO}/issues/4/dependencies/blocked_by") as answer:
        assert [issue["number"] for issue in await answer.json()] == [1]


async def test_what_has_not_changed_is_304_and_free(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """An ETag that still holds costs nothing of the hour; after a change it holds no more."""
    async with http.get(f"{REPO}/issues/1") as answer:
        known = {"If-None-Match": answer.headers["ETag"]}
        used = answer.headers["x-ratelimit-used"]
    async with http.get(f"{REPO}/issues/1", headers=known) as answer:
        assert (answer.status, await answer.read(), answer.headers["x-ratelimit-used"]) == (304, b"", used)
    async with http.post(f"{REPO}/issues/1/labels", json={"labels": ["help wanted"]}):
        pass
    async with http.get(f"{REPO}/issues/1", headers=known) as answer:
        assert answer.status == 200
    assert [record.status for record in github.requests] == [200, 304, 200, 200]
    assert [record.is_write for record in github.requests] == [False, False, True, False]


@pytest.mark.parametrize(
    "path", [f"{REPO}/issues/99", "/repos/acme/none", "/nowhere", f"{REPO}/pulls/1", f"{REPO}/issues/x"]
)
async def test_what_is_not_there_is_404_in_githubs_shape(http: aiohttp.ClientSession, path: str) -> None:
    """The body has a message, a documentation address and the status as text."""
    async with http.get(path) as answer:
        body = await answer.json()
    assert answer.status == 404
    assert body == {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 400), (b"{}", 422), (b'{"title": 5}', 422)])
async def test_bodies_that_do_not_fit_are_refused(http: aiohttp.ClientSession, body: bytes, status: int) -> None:
    """Broken JSON is 400; a missing or wrong field is 422 and names the field."""
    async with http.post(f"{REPO}/issues", data=body) as answer:
        refusal = await answer.json()
    assert answer.status == status
    assert status == 400 or refusal["errors"][0]["field"] == "title"


async def test_gzipped_bodies_are_read(http: aiohttp.ClientSession) -> None:
    """A client may compress its JSON."""
    data = gzip.compress(json.dumps({"title": "Packed"}).encode())
    async with http.post(f"{REPO}/issues", data=data, headers={"Content-Encoding": "gzip"}) as answer:
        assert (await answer.json())["title"] == "Packed"


async def test_a_restart_keeps_everything(
    tmp_path: Path, seed: Path, github: SimulatedGitHub, http: aiohttp.ClientSession, push_branch
) -> None:
    """A second server on the same folder knows issues, comments, labels and pull requests, and seeding it changes nothing."""
    await push_branch("miyabi/1-keep", "keep")
    async with http.post(f"{REPO}/pulls", json={"title": "Keep", "head": "miyabi/1-keep", "base": "main"}) as answer:
        pull = await answer.json()
    async with http.post(f"{REPO}/issues/2/comments", json={"body": "kept"}) as answer:
        comment = await answer.json()
    async with http.patch(f"{REPO}/issues/2", json={"title": "Renamed"}):
        pass
    await github.stop()
    again = SimulatedGitHub(tmp_path / "data")
    again.load_seed(seed)
    async with again, aiohttp.ClientSession(again.url) as client:
        async with client.get(f"{REPO}/issues/2/comments") as answer:
            comments = await answer.json()
        async with client.get(f"{REPO}/issues/2") as answer:
            assert (await answer.json())["title"] == "Renamed"
        async with client.get(f"{REPO}/pulls/{pull['number']}") as answer:
            assert (await answer.json())["head"]["sha"] == pull["head"]["sha"]
        async with client.post(f"{REPO}/issues/2/comments", json={"body": "later"}) as answer:
            assert (await answer.json())["id"] > comment["id"]
    assert [entry["body"] for entry in comments][-1] == "kept"


async def test_a_page_shows_escaped_text_under_a_banner(http: aiohttp.ClientSession) -> None:
    """A script in an issue is text on its page, and the page says that it is simulated."""
    async with http.post(f"{REPO}/issues", json={"title": "<script>x</script>", "body": "<b>"}) as answer:
        page = (await answer.json())["html_url"]
    async with http.get(page) as answer:
        text = await answer.text()
    assert "Simulated GitHub" in text
    assert "<script>" not in text
    assert "&lt;b&gt;" in text


async def test_a_request_without_a_user_agent_is_refused(http: aiohttp.ClientSession) -> None:
    """GitHub serves nobody who does not say who they are."""
    async with http.get(REPO, skip_auto_headers=["User-Agent"]) as answer:
        assert answer.status == 403


async def test_a_demanded_token_is_checked(tmp_path: Path) -> None:
    """Without a token one must authenticate, a wrong one is bad, the right one works as bearer and as token."""
    async with (
        SimulatedGitHub(tmp_path / "data", token="right") as simulated,
        aiohttp.ClientSession(simulated.url) as client,
    ):
        expected = {"": (401, "Requires authentication"), "Bearer wrong": (401, "Bad credentials")}
        for header, (status, message) in expected.items():
            async with client.get("/user", headers={"Authorization": header} if header else {}) as answer:
                assert (answer.status, (await answer.json())["message"]) == (status, message)
        for header in ("Bearer right", "token right"):
            async with client.get("/user", headers={"Authorization": header}) as answer:
                assert (await answer.json())["login"] == "miyabi-bot"


async def test_labels_are_read_and_issues_changed(http: aiohttp.ClientSession) -> None:
    """Labels are listed and found by name; a patch replaces labels and assignees and refuses an unknown state."""
    async with http.get(f"{REPO}/labels") as answer:
        assert [label["name"] for label in await answer.json()] == ["bug", "help wanted"]
    async with http.get(f"{REPO}/labels/help%20wanted") as answer:
        assert (await answer.json())["color"] == "008672"
    async with http.get(f"{REPO}/labels/none") as answer:
        assert answer.status == 404
    changes = {"labels": ["help wanted"], "assignees": ["ann"], "title": "Shelf 1 is full"}
    async with http.patch(f"{REPO}/issues/1", json=changes) as answer:
        issue = await answer.json()
    assert [label["name"] for label in issue["labels"]] == ["help wanted"]
    assert ([user["login"] for user in issue["assignees"]], issue["title"]) == (["ann"], "Shelf 1 is full")
    async with http.patch(f"{REPO}/issues/1", json={"state": "gone"}) as answer:
        assert answer.status == 422
    async with http.get(f"{REPO}/issues/1/labels") as answer:
        assert [label["name"] for label in await answer.json()] == ["help wanted"]


async def test_texts_are_as_long_as_github_allows(http: aiohttp.ClientSession) -> None:
    """A title of 256 and a body of 65,536 characters are taken; one more of either is refused by its field."""
    async with http.post(f"{REPO}/issues", json={"title": "t" * 256, "body": "b" * 65_536}) as answer:
        assert answer.status == 201
    for field, size in (("title", 257), ("body", 65_537)):
        async with http.post(f"{REPO}/issues", json={"title": "t", field: "x" * size}) as answer:
            assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, field)
    async with http.post(f"{REPO}/issues/1/comments", json={"body": " "}) as answer:
        assert answer.status == 422


async def test_a_pull_request_follows_its_branches(clone: Path, http: aiohttp.ClientSession, push_branch, git) -> None:
    """Its base can be moved to a branch that exists; deleting its head closes it, as on GitHub."""
    base = await push_branch("release", "release")
    await push_branch("miyabi/4-late", "late")
    request = {"title": "Late", "head": "miyabi/4-late", "base": "main"}
    async with http.post(f"{REPO}/pulls", json=request) as answer:
        path = f"{REPO}/pulls/{(await answer.json())['number']}"
    async with http.patch(path, json={"base": "release", "body": "moved"}) as answer:
        pull = await answer.json()
    assert (pull["base"]["ref"], pull["base"]["sha"], pull["body"]) == ("release", base, "moved")
    async with http.patch(path, json={"base": "none"}) as answer:
        assert answer.status == 422
    await git(clone, "push", "--quiet", "origin", "--delete", "miyabi/4-late")
    async with http.get(path) as answer:
        assert (await answer.json())["state"] == "closed"
