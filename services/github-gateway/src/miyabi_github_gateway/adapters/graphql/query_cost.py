"""What a query takes off the hour, by GitHub's documented rule: the requests it needs, by a hundred, at least one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    value_from_ast_untyped,
)


def query_points(document: DocumentNode, variables: Mapping[str, Any] | None = None) -> int:
    """Return the points of a document's operation; mutations count like queries.

    Each connection, told by its `first` or `last`, needs one request for each of its parents.

    Source: docs.github.com, "Rate limits and query limits for the GraphQL API", predicting the point value.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    walk = _Walk(fragments, variables or {})
    requests = sum(
        walk.requests(node.selection_set) for node in document.definitions if isinstance(node, OperationDefinitionNode)
    )
    return max(1, round(requests / 100))


class _Walk:
    """Adds up the requests of selections; each fragment is added up once."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self._fragments = fragments
        self._variables = dict(variables)
        self._known: dict[str, int] = {}

    def requests(self, chosen: SelectionSetNode) -> int:
        """Return the requests that a selection needs for one parent."""
        return sum(self._of(node) for node in chosen.selections)

    def _of(self, node: object) -> int:
        match node:
            case FieldNode(selection_set=SelectionSetNode() as chosen):
                size = self._page_size(node)
                inner = self.requests(chosen)
                return inner if size is None else 1 + size * inner
            case InlineFragmentNode():
                return self.requests(node.selection_set)
            case FragmentSpreadNode():
                name = node.name.value
                if name not in self._known:
                    self._known[name] = self.requests(self._fragments[name].selection_set)
                return self._known[name]
            case _:
                return 0

    def _page_size(self, node: FieldNode) -> int | None:
        """Return how many items a connection is asked for; None where the field is none."""
        for argument in node.arguments or ():
            if argument.name.value in {"first", "last"}:
                value = value_from_ast_untyped(argument.value, self._variables)
                return value if isinstance(value, int) else 1
        return None
