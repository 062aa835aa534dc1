"""Limits, faults, dials, webhooks and bad seeds."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from miyabi_sim.github import Dials, Fault, SimulatedGitHub, WebhookTarget, fast_clock
from miyabi_sim.github.kept.seed import SeedError

REPO = "/repos/acme/shop"
QUERY = {"query": '{ repository(owner: "acme", name: "shop") { id } }'}


async def test_the_hour_runs_out_and_comes_back(github: SimulatedGitHub, http: aiohttp.ClientSession, clock) -> None:
    """The last request says nothing remains, the next is 403 until the reset that the headers named."""
    github.dials.update({"enforce_limits": True, "limits": {"rest_per_hour": 2}})
    for remaining in ("1", "0"):
        async with http.get(REPO) as answer:
            assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (200, remaining)
            assert answer.headers["x-ratelimit-resource"] == "core"
    async with http.get(REPO) as answer:
        body = await answer.json()
        reset = float(answer.headers["x-ratelimit-reset"])
    assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (403, "0")
    assert body["message"].startswith("API rate limit exceeded")
    async with http.get("/rate_limit") as answer:
        assert (await answer.json())["resources"]["core"] == {
            "limit": 2, "used": 2, "remaining": 0, "reset": int(reset), "resource": "core",
        }  # fmt: skip
    clock.now = reset
    async with http.get(REPO) as answer:
        assert answer.status == 200


async def test_graphql_runs_out_with_an_answer_200(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """GraphQL says RATE_LIMITED in its errors, with HTTP 200 and nothing remaining."""
    github.dials.update({"enforce_limits": True, "limits": {"graphql_points_per_hour": 1}})
    async with http.post("/graphql", json=QUERY) as answer:
        assert "errors" not in await answer.json()
    async with http.post("/graphql", json=QUERY) as answer:
        body = await answer.json()
    assert (answer.status, body["errors"][0]["type"]) == (200, "RATE_LIMITED")
    assert (answer.headers["x-ratelimit-remaining"], answer.headers["x-ratelimit-resource"]) == ("0", "graphql")


@pytest.mark.parametrize(
    ("limits", "count"),
    [({"content_per_minute": 3}, 3), ({"content_per_hour": 2}, 2), ({"rest_points_per_minute": 12}, 2)],
)
async def test_content_and_points_are_limited_by_the_minute(
    github: SimulatedGitHub, http: aiohttp.ClientSession, clock, limits: dict[str, int], count: int
) -> None:
    """Creating too fast is a secondary limit with a time to wait; after that time it works again."""
    github.dials.update({"enforce_limits": True, "limits": limits})
    for _ in range(count):
        async with http.post(f"{REPO}/issues", json={"title": "x"}) as answer:
            assert answer.status == 201
    async with http.post(f"{REPO}/issues", json={"title": "x"}) as answer:
        body = await answer.json()
    assert answer.status == 403
    assert body["message"].startswith("You have exceeded a secondary rate limit")
    clock.now += int(answer.headers["retry-after"])
    async with http.post(f"{REPO}/issues", json={"title": "x"}) as answer:
        assert answer.status == 201


async def test_graphql_points_are_limited_by_the_minute(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """The secondary limit of GraphQL is an answer 403 like that of REST."""
    github.dials.update({"enforce_limits": True, "limits": {"graphql_points_per_minute": 1}})
    statuses = []
    for _ in range(2):
        async with http.post("/graphql", json=QUERY) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 403]
    assert int(answer.headers["retry-after"]) >= 1


async def test_github_works_only_so_long_in_a_minute(
    github: SimulatedGitHub, http: aiohttp.ClientSession, clock
) -> None:
    """When GraphQL's seconds are used up REST goes on, when all are nothing does; a minute later everything does."""
    github.dials.update({"enforce_limits": True, "limits": {"graphql_busy_seconds_per_minute": 2}})

    async def statuses() -> list[int]:
        async with http.post("/graphql", json=QUERY) as query, http.get(REPO) as rest:
            return [query.status, rest.status]

    assert await statuses() == [200, 200]
    github._limiter._busy["graphql"].add(clock.now, 2)
    assert await statuses() == [403, 200]
    github._limiter._busy["core"].add(clock.now, 90)
    assert await statuses() == [403, 403]
    clock.now += 60
    assert await statuses() == [200, 200]


async def test_too_many_requests_at_once_are_refused(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """With room for two at once and two under way, the third is refused; git does not count."""
    github.dials.update({"enforce_limits": True, "limits": {"concurrent_requests": 2}})
    with github._limiter.concurrent():
        async with http.get(REPO) as answer:
            assert answer.status == 200
        with github._limiter.concurrent():
            async with http.get(REPO) as answer:
                assert (answer.status, answer.headers["retry-after"]) == (403, "60")
            async with http.get("/acme/shop.git/info/refs?service=git-upload-pack") as answer:
                assert answer.status == 200
    async with http.get(REPO) as answer:
        assert answer.status == 200


async def test_nothing_is_refused_with_the_dial_off(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """Limits are counted, and only counted, until they are enforced."""
    github.dials.update({"limits": {"rest_per_hour": 1}})
    for _ in range(3):
        async with http.get(REPO) as answer:
            assert answer.status == 200
    assert (answer.headers["x-ratelimit-used"], answer.headers["x-ratelimit-remaining"]) == ("3", "0")


async def test_issues_take_the_time_that_the_dial_says(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """Three aliased issues take three times the time of one."""
    github.dials.latency_per_issue = 0.05
    query = '{ repository(owner: "acme", name: "shop") { a: issue(number: 1) { id } b: issue(number: 2) { id } c: issue(number: 3) { id } } }'
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with http.post("/graphql", json={"query": query}):
        pass
    assert loop.time() - start >= 0.15


async def test_reads_are_of_when_they_came_and_writes_of_when_they_end(
    github: SimulatedGitHub, http: aiohttp.ClientSession
) -> None:
    """With a latency a read tells what was when it came, and a write is done when its time has passed."""
    github.dials.latency = 0.3
    items = github.store.repository("acme", "shop").items
    query = '{ repository(owner: "acme", name: "shop") { issue(number: 1) { title } } }'

    async def read() -> str:
        async with http.post("/graphql", json={"query": query}) as answer:
            title: str = (await answer.json())["data"]["repository"]["issue"]["title"]
            return title

    async def write() -> None:
        async with http.patch(f"{REPO}/issues/2", json={"title": "Written"}) as answer:
            assert answer.status == 200

    before = items[1].title
    async with asyncio.TaskGroup() as tasks:
        reading, writing = tasks.create_task(read()), tasks.create_task(write())
        async with asyncio.timeout(10):
            while github._limiter._active < 2:
                await asyncio.sleep(0)
        items[1].title = "Changed"
        assert items[2].title != "Written"
    assert (reading.result(), items[2].title, writing.done()) == (before, "Written", True)


async def test_a_fault_before_handling_leaves_nothing_behind(
    github: SimulatedGitHub, http: aiohttp.ClientSession
) -> None:
    """Twice 502, then it works; only the third request opened an issue."""
    github.dials.faults.append(Fault(status=502, count=2, operation="issues.create", retry_after=3))
    numbers = []
    for expected in (502, 502, 201):
        async with http.post(f"{REPO}/issues", json={"title": "x"}) as answer:
            assert answer.status == expected
            numbers.append((await answer.json()).get("number"))
    assert numbers == [None, None, 6]
    assert [record.status for record in github.requests] == [502, 502, 201]


async def test_a_dropped_answer_after_handling_has_done_its_work(
    github: SimulatedGitHub, http: aiohttp.ClientSession
) -> None:
    """The client hears nothing, and the comment is there all the same."""
    github.dials.faults.append(Fault(kind="drop", path="/issues/1/comments$", method="POST", after_handling=True))
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.post(f"{REPO}/issues/1/comments", json={"body": "done"})
    async with http.get(f"{REPO}/issues/1/comments") as answer:
        assert [comment["body"] for comment in await answer.json()][-1] == "done"
    assert github.requests[0].status == 0


async def test_a_dropped_push_fails_and_the_next_one_arrives(
    github: SimulatedGitHub, clone: Path, git: Callable
) -> None:
    """A push whose connection is dropped fails and changes nothing; the next one arrives.

    Git's HTTP library silently tries a reused connection once more, so it takes two drops to make a push fail.
    """
    github.dials.faults.append(Fault(kind="drop", operation="git.receive_pack", count=2))
    await git(clone, "commit", "--quiet", "--allow-empty", "-m", "more")
    with pytest.raises(AssertionError):
        await git(clone, "push", "origin", "main")
    await git(clone, "push", "--quiet", "origin", "main")
    pushes = [record.status for record in github.requests if record.operation == "git.receive_pack"]
    assert pushes == [0, 0, 200]


async def test_a_malformed_answer_is_half_a_document(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """The answer says JSON and is none."""
    github.dials.faults.append(Fault(kind="malformed", path="^/graphql$"))
    async with http.post("/graphql", json=QUERY) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        with pytest.raises(json.JSONDecodeError):
            await answer.json()


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        (Fault(kind="html", status=502), 502, "text/html"),
        (Fault(kind="content_type"), 200, "text/html"),
        (Fault(kind="secondary"), 403, "application/json"),
        (Fault(kind="graphql_limit"), 200, "application/json"),
        (Fault(kind="status", status=429, retry_after=7), 429, "application/json"),
        (Fault(kind="drip", seconds=0.01), 200, "application/json"),
    ],
)
async def test_a_spoiled_answer_looks_as_its_fault_says(
    github: SimulatedGitHub, http: aiohttp.ClientSession, fault: Fault, status: int, content_type: str
) -> None:
    """Status and content type are the fault's; a limit that is refused shows healthy headers."""
    github.dials.faults.append(fault)
    async with http.post("/graphql", json=QUERY) as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type) == (status, content_type)
    if fault.kind in {"secondary", "graphql_limit"}:
        assert int(answer.headers["x-ratelimit-remaining"]) > 0
    assert answer.headers.get("retry-after", "0") == str(fault.retry_after)
    assert body


@pytest.mark.parametrize("kind", ["reset", "timeout"])
async def test_an_answer_that_never_ends_is_cut(
    github: SimulatedGitHub, http: aiohttp.ClientSession, kind: str
) -> None:
    """A reset comes in the middle of the body, after the headers; a timeout before anything."""
    github.dials.faults.append(Fault(kind=kind, seconds=0.01))

    async def ask() -> None:
        async with http.post("/graphql", json=QUERY) as answer:
            assert kind == "reset"
            await answer.read()

    with pytest.raises(aiohttp.ClientError):
        await ask()


async def test_writes_that_come_too_close_are_refused(
    github: SimulatedGitHub, http: aiohttp.ClientSession, clock
) -> None:
    """With the gaps enforced, a second write within its second is a secondary limit, and the list says why."""
    github.dials.update({"enforce_limits": True, "limits": {"write_gap": 1.0, "notify_gap": 3.0}})
    statuses = []
    for wait, path, body in (
        (0, "issues", {"title": "x"}),
        (2, "issues", {"title": "x"}),
        (0, "labels", {"name": "y"}),
    ):
        clock.now += wait
        async with http.post(f"{REPO}/{path}", json=body) as answer:
            statuses.append(answer.status)
    assert statuses == [201, 403, 201]
    assert github.refusals == ["writes 2.000 s apart, not 3.0"]


async def test_answers_carry_the_time_of_the_limits_clock(
    github: SimulatedGitHub, http: aiohttp.ClientSession, clock
) -> None:
    """`Date` follows the clock that the limits follow, so that callers can tell how long a window lasts."""
    async with http.get(REPO) as answer:
        assert parsedate_to_datetime(answer.headers["date"]).timestamp() == clock.now


def test_a_fast_clock_runs_as_fast_as_it_says() -> None:
    """Between two looks at least the scaled time of the look has passed."""
    clock = fast_clock(1000.0)
    before, started = time.time(), clock()
    while time.time() - before < 0.01:
        pass
    assert clock() - started >= 9.9


async def test_the_control_routes_show_and_turn(github: SimulatedGitHub, http: aiohttp.ClientSession) -> None:
    """Dials are turned and read back, wrong ones refused whole, and a reset forgets requests but no issue."""
    async with http.put("/_sim/dials", json={"latency": 0.01, "faults": [{"status": 503}]}) as answer:
        assert (await answer.json())["faults"][0]["status"] == 503
    for wrong in ({"latency": 9, "speed": 1}, {"latency": "slow"}, {"faults": [{"kind": "fire"}]}):
        async with http.put("/_sim/dials", json=wrong) as answer:
            assert answer.status == 422
    assert github.dials.latency == 0.01
    async with http.get(REPO) as answer:
        assert answer.status == 503
    async with http.get("/_sim/requests") as answer:
        assert [record["status"] for record in await answer.json()] == [503]
    async with http.post("/_sim/reset") as answer:
        assert answer.status == 204
    async with http.get("/_sim/state") as answer:
        state = await answer.json()
    assert (github.requests, github.dials) == ([], Dials())
    assert len(state["repositories"][0]["items"]) == 5


@asynccontextmanager
async def hearing(heard: list[tuple[str, str]]) -> AsyncIterator[WebhookTarget]:
    """Serve a receiver that checks headers and signature of what it hears, and notes event and action."""

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        expected = "sha256=" + hmac.new(b"quiet", body, hashlib.sha256).hexdigest()
        assert request.headers["X-Hub-Signature-256"] == expected
        assert request.headers["X-GitHub-Delivery"]
        heard.append((request.headers["X-GitHub-Event"], json.loads(body).get("action", "")))
        return web.Response()

    receiver = web.Application()
    receiver.router.add_post("/hook", receive)
    runner = web.AppRunner(receiver)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield WebhookTarget(f"http://127.0.0.1:{runner.addresses[0][1]}/hook", "quiet")
    finally:
        await runner.cleanup()


async def test_events_are_signed_and_in_order(tmp_path: Path, seed: Path, git: Callable) -> None:
    """Issues, pull requests and pushes reach the receiver with GitHub's headers and a signature that holds."""
    heard: list[tuple[str, str]] = []
    async with hearing(heard) as target, SimulatedGitHub(tmp_path / "data", webhook=target) as simulated:
        simulated.load_seed(seed)
        await change(simulated, git, tmp_path)
        await simulated.webhooks.drained()
    expected = [
        ("issues", "opened"),
        ("issues", "labeled"),
        ("issues", "unlabeled"),
        ("push", ""),
        ("pull_request", "opened"),
        ("push", ""),
        ("pull_request", "synchronize"),
    ]
    assert heard == expected
    assert {delivery.status for delivery in simulated.webhooks.deliveries} == {200}


async def change(simulated: SimulatedGitHub, git: Callable, folder: Path) -> None:
    """Open and label an issue, and push a branch twice, with a pull request between."""
    async with aiohttp.ClientSession(simulated.url) as client:
        await client.post(f"{REPO}/issues", json={"title": "x"})
        await client.put(f"{REPO}/issues/1/labels", json={"labels": ["help wanted"]})
        await git(folder, "clone", "--quiet", f"{simulated.url}/acme/shop.git", "clone")
        clone = folder / "clone"
        for step in ("one", "two"):
            await git(clone, "checkout", "--quiet", "-B", "miyabi/1-x")
            await git(clone, "commit", "--quiet", "--allow-empty", "-m", step)
            await git(clone, "push", "--quiet", "origin", "miyabi/1-x")
            await client.post(f"{REPO}/pulls", json={"title": "x", "head": "miyabi/1-x", "base": "main"})


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"repositories": [{"name": "x"}]}',
        '{"repositories": [{"owner": "a", "name": "b", "source": "missing"}]}',
        '{"repositories": [{"owner": "a", "name": ".."}]}',
        '{"repositories": [{"owner": "a/b", "name": "c"}]}',
        '{"issues": [{"repository": "no/where", "number": 1, "title": "x"}]}',
    ],
)
def test_a_seed_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """Whatever is wrong with a seed is said in one kind of error, and no repository is half there."""
    path = tmp_path / "seed.json"
    path.write_text(text)
    simulated = SimulatedGitHub(tmp_path / "data")
    with pytest.raises(SeedError):
        simulated.load_seed(path)
    assert list(simulated.store) == []
