"""The GraphQL endpoint: limits, cost, execution, and errors as GitHub writes them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from functools import lru_cache
from types import CoroutineType
from typing import Any, TypeGuard

from aiohttp import web
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    validate,
)

from miyabi_sim.github.errors import GitHubError
from miyabi_sim.github.graph.context import NotFoundError, QueryContext
from miyabi_sim.github.graph.cost import QueryCost, query_cost
from miyabi_sim.github.graph.schema import load_schema
from miyabi_sim.github.kept.forge import Forge
from miyabi_sim.github.routes.wire import SERVER_SECONDS, read_json
from miyabi_sim.github.strictness.dials import Dials
from miyabi_sim.github.strictness.limits import PRIMARY_MESSAGE, RateLimiter

#: Query texts that are remembered.
TEXTS = 256

#: Points that a query and a mutation take off the minute.
QUERY_POINTS, MUTATION_POINTS = 1, 5


class GraphQLApi:
    """Answers `POST /graphql`."""

    def __init__(self, forge: Forge, limiter: RateLimiter, *, dials: Dials) -> None:
        self._forge = forge
        self._limiter = limiter
        self._dials = dials
        self.schema = load_schema()
        #: A text is parsed and checked once: for 25 aliases that takes this process ten times as long as to answer.
        self._checked = lru_cache(maxsize=TEXTS)(self._check)

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.route("POST", "/graphql", self.answer, name="graphql")]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a query; whatever is wrong with it stands in `errors` of an answer 200."""
        body = await read_json(request)
        query = body.get("query")
        if not isinstance(query, str):
            raise GitHubError(400, "A query attribute must be specified and must be a string.")
        writes = self._writes(query, body.get("operationName"))
        self._limiter.pace("graphql", MUTATION_POINTS if writes else QUERY_POINTS, content=False, writes=writes)
        answer, issues = await self._run(query, body)
        request[SERVER_SECONDS] = self._dials.latency_per_issue * issues
        return web.json_response(answer, headers=self._limiter.headers("graphql"))

    def _writes(self, query: str, name: str | None) -> bool:
        """Return whether the operation is a mutation."""
        try:
            operation = get_operation_ast(self._checked(query)[0], name)
        except GraphQLError:
            return False
        return operation is not None and operation.operation is OperationType.MUTATION

    def _check(self, query: str) -> tuple[DocumentNode, list[GraphQLError]]:
        """Return a query's document and what is wrong with it."""
        document = parse(query)
        return document, validate(self.schema, document)

    async def _run(self, query: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """Return what a query is answered, and how many issues it has asked for."""
        variables = body.get("variables") or {}
        name = body.get("operationName")
        try:
            document, problems = self._checked(query)
        except GraphQLError as error:
            return {"errors": [_error(error)]}, 0
        if problems:
            return {"errors": [_error(problem) for problem in problems]}, 0
        operation = get_operation_ast(document, name)
        if operation is None:
            return {"errors": [{"message": "An operation name is required"}]}, 0
        cost = query_cost(self.schema, document, operation=operation, variables=_defaults(operation) | variables)
        if cost.problems:
            return {"errors": cost.problems}, 0
        if self._limiter.exhausted("graphql", cost.points):
            self._limiter.refusals.append("graphql hour")
            return {"errors": [{"type": "RATE_LIMITED", "message": PRIMARY_MESSAGE}]}, 0
        self._limiter.spend("graphql", cost.points)
        return _formatted(await self._execute(document, variables, name=name, cost=cost)), cost.issues

    async def _execute(
        self, document: DocumentNode, variables: dict[str, Any], *, name: str | None, cost: QueryCost
    ) -> ExecutionResult:
        context = QueryContext(self._forge.store, self._forge, self._forge.shapes, self._limiter, cost)
        result = execute(
            self.schema,
            document,
            context_value=context,
            variable_values=variables,
            operation_name=name,
            is_awaitable=_is_coroutine,
        )
        if inspect.isawaitable(result):
            result = await result
        assert isinstance(result, ExecutionResult)
        return result


def _is_coroutine(value: Any) -> TypeGuard[Awaitable[Any]]:
    """Tell whether a value is to be awaited; our resolvers return no other awaitable, and each value is asked."""
    return isinstance(value, CoroutineType)


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    """Return the defaults of the operation's integer variables: page sizes may hide there."""
    return {
        definition.variable.name.value: int(getattr(definition.default_value, "value", "0"))
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None and definition.default_value.kind == "int_value"
    }


def _formatted(result: ExecutionResult) -> dict[str, Any]:
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_error(error) for error in result.errors]
    return answer


def _error(error: GraphQLError) -> dict[str, Any]:
    """Return an error with its `type`, which GitHub writes beside the message and not into extensions."""
    entry: dict[str, Any] = {}
    if isinstance(error.original_error, NotFoundError):
        entry["type"] = error.original_error.type
    if error.path is not None:
        entry["path"] = list(error.path)
    if error.locations:
        entry["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    return entry | {"message": error.message}
