"""Every query of ours is valid in GitHub's published schema."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate

from miyabi_github_gateway.adapters.graphql import label_queries, queries
from miyabi_github_gateway.adapters.graphql.query_cost import query_points
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.target import target_queries
from miyabi_github_gateway.adapters.writing import our_branches
from miyabi_github_gateway.adapters.writing.open_pull_requests import open_pull_requests
from miyabi_github_gateway.models import IssueField, Kind, Shape

ALL = frozenset(IssueField)
#: A fragment is put together of one part a field, so each alone, none and all are every case.
FIELD_SETS = [frozenset[IssueField](), ALL, *(frozenset({field}) for field in IssueField)]
PULL_REQUEST = Shape(Kind.PULL_REQUEST)
SCHEMA = Path(os.environ.get("MIYABI_GITHUB_SCHEMA", Path(__file__).parents[4] / "build/github/schema.graphql"))


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    """GitHub's published schema, which `make setup-dev` fetches."""
    assert SCHEMA.exists(), "run `make setup-dev`"
    return build_schema(SCHEMA.read_text(), assume_valid=True)


def every_query() -> dict[str, str]:
    """Return each query that the module can build, by a name for people."""
    found = {}
    for fields in FIELD_SETS:
        shape = Shape(Kind.ISSUE, fields)
        found[f"{shape.code} by number"] = queries.batch_by_number(shape, (2, 1), ids=False)
        found[f"{shape.code} by number and id"] = queries.batch_by_number(shape, (2,), ids=True)
        found[f"{shape.code} by id"] = queries.batch_by_number(shape, (), ids=True)
        found[f"{shape.code} listed"] = queries.list_issues(fields)
        found[f"{shape.code} searched"] = queries.search_issues(fields)
    found["hundred issues"] = queries.batch_by_number(Shape(Kind.ISSUE, ALL), (99, 1), ids=False)
    found["pull requests"] = queries.batch_by_number(PULL_REQUEST, (2, 1), ids=False)
    found["pull requests by id"] = queries.batch_by_number(PULL_REQUEST, (), ids=True)
    found["repositories"] = queries.batch_of_repositories((True, False))
    found["find repository"] = queries.FIND_REPOSITORY
    found["open pull requests"] = open_pull_requests(["acme/toy", "acme/other"], [None, "cursor"])
    for count in (0, 1, 50):
        found[f"labels and {count} by name"] = label_queries.find_labels(count)
    for add, remove in ((True, False), (False, True), (True, True)):
        found[f"labels set, add {add}, remove {remove}"] = label_queries.set_labels(add=add, remove=remove)
    lacking: list[frozenset[str]] = [frozenset(), frozenset(target_queries.OF_REPOSITORY)]
    for without in lacking:
        for branch in (True, False):
            found[f"target without {len(without)}, branch {branch}"] = target_queries.check_repository(
                branch=branch, without=without
            )
    found["our branches"] = our_branches.OUR_BRANCHES
    found["numbers"] = target_queries.check_numbers(2, without=frozenset())
    found["numbers by mentions"] = target_queries.check_numbers(2, without=frozenset({target_queries.CLOSED_BY}))
    found["more pages"] = queries.more_pages(tuple(queries.CONNECTIONS))
    return found


@pytest.mark.parametrize("name", sorted(every_query()))
def test_query_is_valid(schema: GraphQLSchema, name: str) -> None:
    """GitHub would take the query."""
    assert validate(schema, parse(every_query()[name])) == []


def test_no_query_is_left_out() -> None:
    """Every function and constant of the modules that makes a query is among those that are checked."""
    makers = {
        name
        for module in (queries, label_queries, target_queries, our_branches)
        for name, value in vars(module).items()
        if (callable(value) and hasattr(value, "cache_info")) or (isinstance(value, str) and value.startswith("query "))
    }
    assert makers == {
        "batch_by_number", "batch_of_repositories", "more_pages", "FIND_REPOSITORY", "list_issues", "search_issues",
        "find_labels", "set_labels", "check_repository", "OUR_BRANCHES", "check_numbers",
    }  # fmt: skip


def test_a_query_that_github_does_not_know_would_be_found(schema: GraphQLSchema) -> None:
    """The check itself fails on a field that is not published."""
    wrong = queries.FIND_REPOSITORY.replace("{ nameWithOwner }", "{ nameWithOwner blockedBy }")
    assert len(validate(schema, parse(wrong))) == 1


def test_only_what_was_asked_for_is_in_the_query() -> None:
    """Without fields a query has no connection and no body; each field adds its own."""
    bare = queries.batch_by_number(Shape(Kind.ISSUE), (1,), ids=False)
    assert [word for word in ("body", "comments", "labels", "assignees", "subIssues") if word in bare] == []
    labels = queries.batch_by_number(Shape(Kind.ISSUE, frozenset({IssueField.LABELS})), (1,), ids=False)
    assert [word for word in ("body", "comments", "labels") if word in labels] == ["labels"]


def test_labels_cost_a_point() -> None:
    """What the looking query and the mutation say that they cost is what counting their connections gives."""
    for text in (label_queries.find_labels(50), label_queries.set_labels(add=True, remove=True)):
        assert query_points(parse(text)) == PreparedRequest(text, {}, requests=label_queries.CONNECTIONS).points == 1


def test_numbers_of_a_target_cost_what_they_say() -> None:
    """What a query on a hundred numbers says that it costs is what counting its connections gives, either way."""
    for without in (frozenset[str](), frozenset({target_queries.CLOSED_BY})):
        text = target_queries.check_numbers(100, without=without)
        said = PreparedRequest(text, {}, requests=target_queries.CONNECTIONS * 100).points
        assert query_points(parse(text)) == said
    ours = PreparedRequest(our_branches.OUR_BRANCHES, {}, requests=1 + our_branches.PAGE).points
    assert query_points(parse(our_branches.OUR_BRANCHES)) == ours


def test_names_and_numbers_are_variables() -> None:
    """Nothing that a caller says becomes part of a query's text, which is the same for all of one size."""
    document = parse(queries.batch_by_number(Shape(Kind.ISSUE, ALL), (2, 1), ids=True))
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    names = [definition.variable.name.value for definition in operation.variable_definitions or ()]
    assert names == ["ids", "o0", "n0", "i0", "i1", "o1", "n1", "i2"]


@pytest.mark.parametrize("fields", FIELD_SETS, ids=lambda fields: Shape(Kind.ISSUE, fields).code)
def test_points_are_reckoned_as_github_documents_it(fields: frozenset[IssueField]) -> None:
    """What a query says that it costs is what counting the connections of its text gives."""
    shape = Shape(Kind.ISSUE, fields)
    for text, requests in (
        (queries.batch_by_number(shape, (60, 40), ids=False), queries.requests_of(shape, 100)),
        (queries.batch_by_number(PULL_REQUEST, (100,), ids=False), queries.requests_of(PULL_REQUEST, 100)),
        (queries.batch_of_repositories((True,) * 100), queries.requests_of(Shape(Kind.REPOSITORY), 100)),
        (queries.list_issues(fields), queries.requests_of_page(fields)),
        (queries.search_issues(fields), queries.requests_of_page(fields)),
    ):
        assert query_points(parse(text)) == PreparedRequest(text, {}, requests=requests).points
