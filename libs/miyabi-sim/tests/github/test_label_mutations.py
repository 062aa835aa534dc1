"""Labels over GraphQL: several at once, nothing twice, and an error in its own place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from miyabi_sim.github import SimulatedGitHub

Ask = Callable[..., Awaitable[dict[str, Any]]]

IDS = """
query Ids($number: Int!) {
  repository(owner: "acme", name: "shop") {
    issueOrPullRequest(number: $number) { ... on Issue { id } ... on PullRequest { id } }
    bug: label(name: "BUG") { id }
    help: label(name: "help wanted") { id }
    none: label(name: "none") { id }
  }
}
"""
SET = """
mutation Set($target: ID!, $add: [ID!]!, $remove: [ID!]!) {
  added: addLabelsToLabelable(input: { labelableId: $target, labelIds: $add, clientMutationId: "me" }) {
    clientMutationId
  }
  removed: removeLabelsFromLabelable(input: { labelableId: $target, labelIds: $remove }) {
    labelable { labels(first: 10) { nodes { name } } }
  }
}
"""


@pytest.fixture
async def ids(ask: Ask) -> dict[str, str]:
    """Node ids of the first issue and of the labels; the label that there is not has none."""
    repository = (await ask(IDS, number=1))["data"]["repository"]
    assert repository["none"] is None
    return {name: repository[name]["id"] for name in ("bug", "help")} | {
        "issue": repository["issueOrPullRequest"]["id"]
    }


def labels(github: SimulatedGitHub) -> list[str]:
    """Return the labels of the first issue."""
    return github.store.repository("acme", "shop").items[1].labels


async def test_labels_are_added_and_removed_in_one_request(
    ask: Ask, ids: dict[str, str], github: SimulatedGitHub
) -> None:
    """Both parts are done in their order; the second answers what is left."""
    answer = await ask(SET, target=ids["issue"], add=[ids["help"]], remove=[ids["bug"]])
    left = {"labelable": {"labels": {"nodes": [{"name": "help wanted"}]}}}
    assert answer == {"data": {"added": {"clientMutationId": "me"}, "removed": left}}
    assert labels(github) == ["help wanted"]


async def test_what_is_there_or_gone_already_changes_nothing(
    ask: Ask, ids: dict[str, str], github: SimulatedGitHub, clock: Any
) -> None:
    """A label that is there is not added again, one that is not there is removed without an error."""
    before = github.store.repository("acme", "shop").items[1].updated_at
    clock.now += 60
    answer = await ask(SET, target=ids["issue"], add=[ids["bug"]], remove=[ids["help"]])
    assert "errors" not in answer
    assert (labels(github), github.store.repository("acme", "shop").items[1].updated_at) == (["bug"], before)


async def test_unknown_id_is_an_error_of_its_own_part(ask: Ask, ids: dict[str, str], github: SimulatedGitHub) -> None:
    """With one id that stands for nothing that part does nothing; the other part is done."""
    answer = await ask(SET, target=ids["issue"], add=[ids["help"], "LA_none"], remove=[ids["bug"]])
    (error,) = answer["errors"]
    assert (error["type"], error["path"], answer["data"]["added"]) == ("NOT_FOUND", ["added"], None)
    assert labels(github) == []


async def test_item_that_is_not_there_is_not_found(ask: Ask, ids: dict[str, str]) -> None:
    """Each part says so."""
    answer = await ask(SET, target="I_none", add=[ids["help"]], remove=[ids["bug"]])
    assert [(error["type"], error["path"]) for error in answer["errors"]] == [
        ("NOT_FOUND", ["added"]),
        ("NOT_FOUND", ["removed"]),
    ]


async def test_a_mutation_takes_five_points_of_the_minute(
    github: SimulatedGitHub, ask: Ask, ids: dict[str, str], http: aiohttp.ClientSession
) -> None:
    """A query takes one, a mutation five, as published; and mutations keep the gap between writes."""
    github.dials.update({"enforce_limits": True, "limits": {"graphql_points_per_minute": 1 + 5 + 4}})
    await ask(SET, target=ids["issue"], add=[ids["help"]], remove=[ids["bug"]])
    body = {"query": SET, "variables": {"target": ids["issue"], "add": [], "remove": []}}
    async with http.post("/graphql", json=body) as answer:
        assert answer.status == 403
    github.dials.update({"limits": {"graphql_points_per_minute": 2000, "write_gap": 1.0}})
    async with http.post("/graphql", json=body) as answer:
        assert answer.status == 403
    assert [what.partition(" in ")[0] for what in github.refusals] == [
        "graphql 10",
        "writes 0.000 s apart, not 1.0",
    ]
