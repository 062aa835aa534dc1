"""What a GraphQL query costs, by GitHub's published rule, and whether its pages are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
    value_from_ast_untyped,
)

#: Items that one connection hands out at most.
MAX_FIRST = 100

#: Nodes that one query may ask for.
MAX_NODES = 500_000


@dataclass(slots=True)
class QueryCost:
    """What a query asks for; `problems` are GitHub's error entries for pages without bounds."""

    requests: int = 0
    nodes: int = 0
    issues: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: QueryCost, *, times: int) -> None:
        """Add what a part asks for, which is made `times` times."""
        self.requests += times * other.requests
        self.nodes += times * other.nodes
        self.issues += times * other.issues
        self.problems += other.problems

    @property
    def points(self) -> int:
        """Return the points that the query takes off the hour: a hundredth of its requests, at least one."""
        return max(1, round(self.requests / 100))


def query_cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> QueryCost:
    """Return what an operation of a valid document costs."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments, variables=variables, cost=QueryCost())
    root = schema.get_root_type(operation.operation)
    if root is not None:
        walk.selections(operation.selection_set, root, times=1, path=[])
    if walk.cost.nodes > MAX_NODES:
        message = (
            f"This query requests up to {walk.cost.nodes:,} possible nodes which exceeds "
            f"the maximum limit of {MAX_NODES:,}."
        )
        walk.cost.problems.append({"type": "MAX_NODE_LIMIT_EXCEEDED", "message": message})
    return walk.cost


class _Walk:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        *,
        variables: Mapping[str, Any],
        cost: QueryCost,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = dict(variables)
        self._known: dict[str, QueryCost] = {}
        self.cost = cost

    def selections(
        self, chosen: SelectionSetNode, parent: GraphQLCompositeType, *, times: int, path: list[str]
    ) -> None:
        """Add up a selection that is made `times` times."""
        for node in chosen.selections:
            match node:
                case FieldNode():
                    self._field(node, parent, times=times, path=path)
                case InlineFragmentNode():
                    name = node.type_condition.name.value if node.type_condition else parent.name
                    self._fragment(node.selection_set, name, times=times, path=path)
                case FragmentSpreadNode():
                    self._spread(node.name.value, times=times, path=path)

    def _spread(self, name: str, *, times: int, path: list[str]) -> None:
        """Add up a fragment. It is walked once: its problems stand where it is first met."""
        if name not in self._known:
            fragment, whole, self.cost = self._fragments[name], self.cost, QueryCost()
            self._fragment(fragment.selection_set, fragment.type_condition.name.value, times=1, path=path)
            self._known[name], self.cost = self.cost, whole
            self.cost.problems += self._known[name].problems
            self._known[name].problems = []
        self.cost.add(self._known[name], times=times)

    def _fragment(self, chosen: SelectionSetNode, name: str, *, times: int, path: list[str]) -> None:
        kind = self._schema.get_type(name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            self.selections(chosen, kind, times=times, path=path)

    def _field(self, node: FieldNode, parent: GraphQLCompositeType, *, times: int, path: list[str]) -> None:
        name = node.name.value
        here = [*path, node.alias.value if node.alias else name]
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) or name not in parent.fields:
            return
        kind = get_named_type(parent.fields[name].type)
        if parent.name == "Repository" and name in ("issue", "issueOrPullRequest"):
            self.cost.issues += times
        if name == "nodes" and kind.name == "Node":
            self.cost.issues += len(self._ids(node))
        if kind.name.endswith("Connection"):
            first = self._bound(node, path=here)
            self.cost.requests += times
            self.cost.nodes += times * first
            times *= first
        if node.selection_set is not None and is_composite_type(kind):
            self.selections(node.selection_set, kind, times=times, path=here)

    def _ids(self, node: FieldNode) -> list[str]:
        values = [value_from_ast_untyped(argument.value, self._variables) for argument in node.arguments or ()]
        return next((value for value in values if isinstance(value, list)), [])

    def _bound(self, node: FieldNode, *, path: list[str]) -> int:
        name = node.name.value
        values = {
            argument.name.value: value_from_ast_untyped(argument.value, self._variables)
            for argument in node.arguments or ()
        }
        first = values.get("first")
        if not isinstance(first, int):
            kind = "MISSING_PAGINATION_BOUNDARIES"
            message = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        elif first > MAX_FIRST:
            kind = "EXCESSIVE_PAGINATION"
            message = (
                f"Requesting {first} records on the `{name}` connection exceeds "
                f"the `first` limit of {MAX_FIRST} records."
            )
        else:
            return max(first, 0)
        self.cost.problems.append({"type": kind, "path": path, "message": message})
        return 0
