"""Every query of ours is valid in GitHub's published schema."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

from miyabi_github_gateway.adapters import queries
from miyabi_github_gateway.models import IssueField

ALL = frozenset(IssueField)
SCHEMA = Path(os.environ.get("MIYABI_GITHUB_SCHEMA", Path(__file__).parents[3] / "build/github/schema.graphql"))


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    """GitHub's published schema, which `make setup-dev` fetches."""
    assert SCHEMA.exists(), "run `make setup-dev`"
    return build_schema(SCHEMA.read_text(), assume_valid=True)


@pytest.mark.parametrize(
    "query",
    [
        queries.batch_get_issues(range(1, 26), ALL),
        queries.batch_get_issues([1], frozenset()),
        queries.list_issues(ALL),
        queries.search_issues(ALL),
        queries.MORE_COMMENTS,
        queries.GET_REPOSITORY,
    ],
)
def test_query_is_valid(schema: GraphQLSchema, query: str) -> None:
    """GitHub would take the query."""
    assert validate(schema, parse(query)) == []
