"""The dashboard's HTTP interface before the whole system: what it describes it keeps, and what is done there is done."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from running_system import System, running_system
from schemathesis.checks import CHECKS
from test_batches import explain, request

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core.ids import new_ulid
from miyabi_dashboard.reads.preview import LEAST_SAMPLES

#: Requests of each operation, good and bad ones each.
EXAMPLES = 12
#: Requests as they are described.
_GOOD = schemathesis.GenerationMode.POSITIVE
#: What an example may take in seconds before it counts as hung.
SECONDS = 60
#: Checks that say nothing here, with the reason: identity is off in this system, and ProtoJSON takes numbers as texts
#: too (protobuf.dev, "ProtoJSON Format"), which a schema of answers does not say.
NOT_MEANT = ("ignored_auth", "object_level_authorization", "negative_data_rejection", "positive_data_acceptance")


def url_of(system: System) -> str:
    """Return the page's address."""
    return f"http://127.0.0.1:{system.stack.options.ports.dashboard}"


async def described(system: System) -> dict[str, Any]:
    """Return the description."""
    async with aiohttp.ClientSession(url_of(system)) as http, http.get("/api/openapi.json") as answer:
        found: dict[str, Any] = await answer.json()
        return found


def walk(description: dict[str, Any], url: str) -> list[str]:
    """Ask each operation whatever its description allows, and what it does not; return the operations."""
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=url)
    excluded = CHECKS.get_by_names(list(NOT_MEANT))
    asked = []
    for result in schema.get_all_operations():
        operation = result.ok()
        asked.append(operation.label)
        told = description["paths"][operation.path][operation.method]
        # Where nothing can be said nothing can be said wrongly.
        modes = schemathesis.GenerationMode if told["parameters"] or "requestBody" in told else [_GOOD]
        for mode in modes:

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                answer = case.call(base_url=url, timeout=SECONDS)
                # What does not even fit into a request's first line is refused before anybody looks at its path.
                if answer.status_code != 400 or not answer.text.startswith("Got more than "):
                    case.validate_response(answer, excluded_checks=excluded)

            ask()
    return asked


@pytest.mark.timeout(600)
@pytest.mark.slow(reason="some hundred generated requests to a whole system")
async def test_interface_is_as_it_is_described(system: System) -> None:
    """No generated request ends in an error of ours, in a status, a type or a body that is not described."""
    async for _ in system.client.submit(request(1)):
        pass
    description = await described(system)
    asked = await asyncio.to_thread(walk, description, url_of(system))
    operations = [f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods]
    assert sorted(operations) == sorted(asked)


async def test_batch_is_handed_over_and_looked_at(system: System) -> None:
    """A batch comes to its end over HTTP alone: handed over, followed, its log, spans and graph say the same."""
    async with aiohttp.ClientSession(url_of(system)) as http:
        wanted = {"repository": request(1).repository, "issueNumbers": [2], "pipeline": "PIPELINE_TRIAGE", "dryRun": True,
                  "overrule": ["PROBLEM_KIND_ISSUE_IN_BATCH", "PROBLEM_KIND_PULL_REQUEST_OPEN"], "requestId": new_ulid()}  # fmt: skip
        async with http.post("/api/batches", json=wanted) as answer:
            told = await answer.json()
            assert (answer.status, told["reattached"]) == (201, False), told
        async with http.post("/api/batches", json=wanted) as answer:
            again = await answer.json()
        assert (again["batch"]["name"], again["reattached"]) == (told["batch"]["name"], True)
        ulid = told["batch"]["name"].removeprefix("batches/")
        events = [event async for event in system.client.watch(f"batches/{ulid}")]
        async with http.get(f"/api/batches/{ulid}/events?limit=3") as answer:
            page = await answer.json()
        assert ([event["sequence"] for event in page["events"]], page["complete"]) == (["1", "2", "3"], False)
        async with http.get(f"/api/batches/{ulid}/events?format=ndjson") as answer:
            lines = [json.loads(line) for line in (await answer.text()).strip().split("\n")]
        committed = [event for event in events if event.sequence]
        assert [str(event.sequence) for event in committed] == [line["sequence"] for line in lines], explain(events)
        async with http.get(f"/api/batches/{ulid}/timeline") as answer:
            timeline = await answer.json()
        (row,) = timeline["rows"]
        work = [span for span in row["spans"] if span["phase"] == "work"]
        assert {span["state"] for span in work} == {"TASK_STATE_SUCCEEDED"}
        assert any(span["critical"] for span in work)
        assert 0 < timeline["criticalPathSeconds"] <= timeline["end"] - timeline["start"] + 1
        async with http.get(f"/api/graph?batch={ulid}&level=tasks") as answer:
            graph = await answer.json()
        ended = {node["id"].rpartition("/")[2] for node in graph["nodes"] if node["type"] == "task"}
        assert {span["taskId"] for span in work} == ended


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/api/batches", {"repository": "a"}, 400, "repository"),
        ("/api/batches", {"repository": "a/b", "nonsense": 1}, 400, "nonsense"),
        ("/api/batches", {"repository": "a/b", "issueNumbers": "x"}, 400, "issueNumbers"),
        ("/api/batches", {"repository": "a/b", "issueNumbers": None}, 400, "issueNumbers"),
        ("/api/batches", [], 400, "body"),
        ("/api/batches/{none}/cancel", {"reason": "x" * 501}, 400, "reason"),
        ("/api/batches/{none}/cancel", {"name": "batches/x"}, 400, "name"),
        ("/api/batches/{none}/runs/1/approval", {}, 400, "approved"),
        ("/api/batches/nonsense/pause", {}, 400, "batch"),
    ],
)
async def test_bad_field_of_an_action_is_named(system: System, path: str, body: Any, status: int, field: str) -> None:
    """What is wrong with an action is said with its field, whoever finds it."""
    async with (
        aiohttp.ClientSession(url_of(system)) as http,
        http.post(path.format(none=new_ulid()), json=body) as answer,
    ):
        said = await answer.json()
    assert (answer.status, said["success"]) == (status, False)
    assert field in [problem["field"] for problem in said["validationErrors"]]


async def test_what_stands_in_the_way_is_listed(system: System) -> None:
    """A batch that may not begin is 409 with each problem; one that there is not is 404."""
    wanted = {
        "repository": request(1).repository,
        "issueNumbers": [1],
        "pipeline": "PIPELINE_TRIAGE",
        "maxParallelTasks": 1,
    }
    async with aiohttp.ClientSession(url_of(system)) as http:
        async with http.post("/api/batches", json=wanted) as answer:
            first = await answer.json()
        async with http.post("/api/batches", json=wanted) as answer:
            second = await answer.json()
        refused = next((said for said in (second, first) if "problems" in said), None)
        assert refused is not None, (first, second)
        assert {"kind", "issue_number", "message", "may_be_overruled"} == set(refused["problems"][0])
        async with http.post(f"/api/batches/{new_ulid()}/pause", json={}) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (404, "BATCH_NOT_FOUND")


async def test_limits_caches_and_previews_are_the_gateways(system: System) -> None:
    """What the page shows of GitHub is what the gateway counted and read; nothing is estimated without history."""
    async with aiohttp.ClientSession(url_of(system)) as http:
        async with http.get("/api/preview", params={"repository": request(1).repository, "query": ""}) as answer:
            preview = await answer.json()
        assert (answer.status, preview["total"]) == (200, len(preview["issues"]))
        # Other tests have had issues of the repository worked on, or not yet.
        estimate = preview["estimate"]
        assert estimate is None or (estimate["samples"] >= LEAST_SAMPLES and estimate["usdLow"] <= estimate["usdHigh"])
        assert {"number", "title", "url", "labels"} == set(preview["issues"][0])
        limits = await (await http.get("/api/limits")).json()
        assert "graphql" in {limit["resource"] for limit in limits["limits"]}
        caches = await (await http.get("/api/caches")).json()
        assert sum(int(read["count"]) for read in caches["reads"]) > 0
        me = await (await http.get("/api/me")).json()
        assert (me["identity"], me["identityOff"]) == ("local", True)
        assert me["simulated"] == {"github": True, "model": True}


async def test_answers_are_compressed_and_not_sent_twice(system: System) -> None:
    """An answer has a tag; who shows it gets 304, and brotli or gzip where it is taken."""
    async with aiohttp.ClientSession(url_of(system), auto_decompress=False) as http:
        for accepted, encoding in (("br, gzip", "br"), ("gzip", "gzip"), ("br;q=0", None), ("identity", None)):
            async with http.get("/api/openapi.json", headers={"accept-encoding": accepted}) as answer:
                assert (answer.status, answer.headers.get("content-encoding")) == (200, encoding)
        async with http.get("/api/openapi.json", headers={"if-none-match": answer.headers["etag"]}) as second:
            assert (second.status, await second.read()) == (304, b"")


@pytest.mark.slow(reason="a second whole system, with identities")
@pytest.mark.timeout(300)
async def test_audit_names_who_acts_at_the_page(tmp_path: Path) -> None:
    """A person's token goes on to the coordinator: it decides by their roles, and its audit names them."""
    async with running_system(tmp_path, identity=True) as system:
        folder = system.stack.options.identities
        tokens = {
            name: folder.token_file(name).read_text().strip() for name in ("operator", "github-gateway", "dashboard")
        }
        body = {"repository": request(1).repository, "issueNumbers": [1], "pipeline": "PIPELINE_TRIAGE", "dryRun": True}
        statuses = {}
        async with aiohttp.ClientSession(url_of(system)) as http:
            for name, token in tokens.items():
                headers = {"authorization": f"Bearer {token}"}
                wanted = {**body, "issueNumbers": [1 + len(statuses)]}
                async with http.post("/api/batches", json=wanted, headers=headers) as answer:
                    statuses[name] = answer.status
                    told = await answer.json()
            async with http.post(
                "/api/agents/local-1/drain", json={}, headers={"authorization": f"Bearer {tokens['github-gateway']}"}
            ) as answer:
                statuses["drain"] = answer.status
        assert statuses == {"operator": 201, "github-gateway": 201, "dashboard": 403, "drain": 403}, told
        audit = await system.stub.ListAuditEntries(pb.ListAuditEntriesRequest())
    called = [(entry.actor, entry.method, entry.code) for entry in audit.entries]
    assert called == [("github-gateway", "SubmitBatch", "OK"), ("operator", "SubmitBatch", "OK")]
