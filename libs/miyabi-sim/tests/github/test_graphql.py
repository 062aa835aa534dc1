"""GraphQL: GitHub's names, errors, pages and costs."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest
from graphql import GraphQLSchema, build_schema

from miyabi_sim.github import SimulatedGitHub
from miyabi_sim.github.graph.published_schema import differences
from miyabi_sim.github.graph.schema import load_schema

ISSUES = """
query Batch($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) {
    nameWithOwner
    i1: issue(number: 1) { ...Parts }
    i77: issue(number: 77) { ...Parts }
    i2: issue(number: 2) { ...Parts }
  }
  rateLimit { limit cost remaining resetAt used }
}
fragment Parts on Issue {
  id number title body state url createdAt updatedAt
  author { login }
  labels(first: 10) { nodes { name } pageInfo { hasNextPage endCursor } }
  comments(first: 10) { nodes { id author { login } body createdAt } pageInfo { hasNextPage } totalCount }
  assignees(first: 10) { nodes { login } }
  milestone { title }
  parent { number }
  subIssues(first: 10) { nodes { number } }
}
"""


def test_the_schema_is_a_part_of_the_published_one(published: GraphQLSchema) -> None:
    """No type, field or argument of ours is unknown to GitHub or of another type there."""
    assert differences(load_schema(), published) == []


def test_the_comparison_finds_what_is_not_published() -> None:
    """A field, a type, an enum value, an argument and a field of an input of our own would all be found."""
    whole = build_schema("type Query { a(x: Int, y: Int!, i: I): Int } enum E { A } input I { k: Int, l: Int! }")
    part = build_schema(
        "type Query { a(x: Int, i: I): Int! b: E t: T } enum E { A B } type T { x: Int } input I { k: ID }"
    )
    assert len(differences(part, whole)) == 8


async def test_aliased_issues_come_in_one_answer_with_the_missing_one_as_an_error(ask, github: SimulatedGitHub) -> None:
    """A missing issue is null under its alias and an error with path and type; the others are there."""
    answer = await ask(ISSUES, owner="acme", name="shop")
    repository = answer["data"]["repository"]
    assert repository["i77"] is None
    first, second = repository["i1"], repository["i2"]
    assert (first["title"], first["milestone"], first["author"]) == (
        "Shelf 1 is empty",
        {"title": "Opening day"},
        {"login": "ann"},
    )
    assert [issue["number"] for issue in first["subIssues"]["nodes"]] == [2, 3]
    assert (second["parent"], second["assignees"]) == ({"number": 1}, {"nodes": [{"login": "bo"}]})
    assert second["comments"]["totalCount"] == 2
    (error,) = answer["errors"]
    assert error["type"] == "NOT_FOUND"
    assert error["path"] == ["repository", "i77"]
    assert error["message"] == "Could not resolve to an Issue with the number of 77."
    assert github.requests[-1].operation == "Batch"


async def test_a_missing_repository_is_an_error_of_an_answer_200(ask) -> None:
    """GitHub names the repository and the path."""
    answer = await ask('{ repository(owner: "acme", name: "none") { id } }')
    assert answer["data"] == {"repository": None}
    (error,) = answer["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["repository"])
    assert error["message"] == "Could not resolve to a Repository with the name 'acme/none'."


async def test_comments_page_to_the_end(ask) -> None:
    """Following the cursors reads every comment once, in order."""
    query = """query($after: String) { repository(owner: "acme", name: "shop") { issue(number: 5) {
      comments(first: 2, after: $after) { nodes { body } pageInfo { hasNextPage endCursor } } } } }"""
    bodies, after = [], None
    for _ in range(3):
        page = (await ask(query, after=after))["data"]["repository"]["issue"]["comments"]
        bodies += [comment["body"] for comment in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert bodies == [f"Seen {k} times." for k in range(5)]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_search_understands_qualifiers_and_pages(ask) -> None:
    """Repository, state, label and words narrow the search; cursors lead to the next page."""
    query = """query($q: String!, $after: String) { search(query: $q, type: ISSUE, first: 1, after: $after) {
      issueCount pageInfo { hasNextPage endCursor } nodes { ... on Issue { number } } } }"""
    text = 'repo:acme/shop is:issue is:open label:"bug" shelf sort:created-asc'
    page = (await ask(query, q=text))["data"]["search"]
    assert (page["issueCount"], page["nodes"]) == (2, [{"number": 1}])
    page = (await ask(query, q=text, after=page["pageInfo"]["endCursor"]))["data"]["search"]
    assert (page["nodes"], page["pageInfo"]["hasNextPage"]) == ([{"number": 3}], False)
    assert (await ask(query, q="repo:acme/shop -label:bug is:closed"))["data"]["search"]["issueCount"] == 0
    assert (await ask(query, q='repo:acme/shop milestone:"opening day"'))["data"]["search"]["issueCount"] == 1


async def test_refs_and_pull_requests_are_found_by_branch(ask, http: aiohttp.ClientSession, push_branch) -> None:
    """A pushed branch is a ref with its commit, and its pull request is found by the branch."""
    sha = await push_branch("miyabi/1-fill", "fill")
    async with http.post(
        "/repos/acme/shop/pulls", json={"title": "Fill", "head": "miyabi/1-fill", "base": "main", "draft": True}
    ) as made:
        number = (await made.json())["number"]
    answer = await ask(
        """query($number: Int!) { repository(owner: "acme", name: "shop") {
          id isPrivate url defaultBranchRef { name target { oid } }
          ref(qualifiedName: "refs/heads/miyabi/1-fill") { name target { oid } }
          none: ref(qualifiedName: "refs/heads/miyabi") { name }
          pullRequest(number: $number) { title isDraft headRefOid url state }
          pullRequests(headRefName: "miyabi/1-fill", states: [OPEN], first: 5) { nodes { number } }
          both: issueOrPullRequest(number: $number) { __typename ... on PullRequest { number } }
          issue(number: $number) { id }
        } }""",
        number=number,
    )
    repository = answer["data"]["repository"]
    assert repository["ref"] == {"name": "miyabi/1-fill", "target": {"oid": sha}}
    assert repository["none"] is None
    assert repository["pullRequest"]["isDraft"] is True
    assert repository["pullRequests"]["nodes"] == [{"number": number}]
    assert repository["both"] == {"__typename": "PullRequest", "number": number}
    assert repository["issue"] is None
    assert answer["errors"][0]["type"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("first", "kind"), [("", "MISSING_PAGINATION_BOUNDARIES"), ("(first: 101)", "EXCESSIVE_PAGINATION")]
)
async def test_pages_without_bounds_are_refused(ask, first: str, kind: str) -> None:
    """A connection without `first`, or with too many, is an error before anything is read."""
    answer = await ask(
        f'{{ repository(owner: "acme", name: "shop") {{ issue(number: 1) {{ comments{first} {{ totalCount }} }} }} }}'
    )
    assert "data" not in answer
    assert [error["type"] for error in answer["errors"]] == [kind]


async def test_the_cost_follows_the_number_of_connections(ask) -> None:
    """A hundred issues with two connections each are 201 requests, that is two points."""
    query = """{ repository(owner: "acme", name: "shop") { issues(first: 100) { nodes {
      comments(first: 5) { totalCount } labels(first: 5) { totalCount } } } } rateLimit { cost nodeCount } }"""
    assert (await ask(query))["data"]["rateLimit"] == {"cost": 2, "nodeCount": 1100}


async def test_a_query_that_does_not_fit_the_schema_is_an_error(http: aiohttp.ClientSession) -> None:
    """Unknown fields and broken syntax are errors of an answer 200 without data."""
    for query in ("{ nonsense }", "{"):
        async with http.post("/graphql", json={"query": query}) as answer:
            body = await answer.json()
        assert answer.status == 200
        assert "data" not in body
        assert body["errors"][0]["message"]


async def test_node_ids_say_the_same_as_rest(ask, http: aiohttp.ClientSession) -> None:
    """The id in GraphQL is the node_id in REST."""
    answer = await ask('{ repository(owner: "acme", name: "shop") { id issue(number: 3) { id url } } }')
    async with http.get("/repos/acme/shop/issues/3") as rest:
        issue = await rest.json()
    assert answer["data"]["repository"]["issue"] == {"id": issue["node_id"], "url": issue["html_url"]}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("repo:acme/shop", 5),
        ("repo:acme/other", 0),
        ("org:acme is:public type:issue", 5),
        ("is:pr", 0),
        ("assignee:bo", 1),
        ("author:ANN state:closed", 1),
        ("no:label", 2),
        ("no:milestone -no:assignee", 1),
        ("label:bug,none", 3),
        ('"shelf 4"', 1),
        ("shelf 4 nowhere", 0),
    ],
)
async def test_every_qualifier_narrows_the_search(ask, query: str, count: int) -> None:
    """The count is that of the seeded issues which match every term."""
    answer = await ask("query($q: String!) { search(query: $q, type: ISSUE, first: 1) { issueCount } }", q=query)
    assert answer["data"]["search"]["issueCount"] == count


async def test_a_search_hands_out_at_most_a_thousand(ask, github: SimulatedGitHub) -> None:
    """All are counted, but no page lies beyond the thousandth, as on GitHub."""
    repository = github.store.repository("acme", "shop")
    for number in range(6, 1102):
        repository.items[number] = replace(repository.items[1], number=number)
    query = """query($after: String) { search(query: "repo:acme/shop", type: ISSUE, first: 100, after: $after) {
      issueCount pageInfo { hasNextPage endCursor } nodes { ... on Issue { number } } } }"""
    seen, after, more = 0, None, True
    while more:
        page = (await ask(query, after=after))["data"]["search"]
        seen += len(page["nodes"])
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert (page["issueCount"], seen) == (1101, 1000)
