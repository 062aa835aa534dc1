"""What resolvers share: the context of a query, GitHub's not-found error, and pages behind cursors."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import GraphQLError, GraphQLResolveInfo

from miyabi_sim.github.graph.cost import QueryCost
from miyabi_sim.github.kept.forge import Forge
from miyabi_sim.github.kept.store import Store
from miyabi_sim.github.routes.shapes import Shapes
from miyabi_sim.github.strictness.limits import RateLimiter

#: What stands before the position in a cursor.
CURSOR = "cursor:v2:"


@dataclass(frozen=True, slots=True)
class QueryContext:
    """What resolvers need beside their parent."""

    store: Store
    forge: Forge
    shapes: Shapes
    limiter: RateLimiter
    cost: QueryCost


class NotFoundError(Exception):
    """Something a query names does not exist; GitHub answers null and an error of this type."""

    type = "NOT_FOUND"


class ForbiddenError(NotFoundError):
    """What GitHub refuses over GraphQL as REST answers 403."""

    type = "FORBIDDEN"


class UnprocessableError(NotFoundError):
    """What GitHub refuses over GraphQL as REST answers 422."""

    type = "UNPROCESSABLE"


#: What every resolver is handed beside its parent.
Info: TypeAlias = "GraphQLResolveInfo[QueryContext]"


def connection(items: Sequence[Any], first: int | None, after: str | None) -> dict[str, Any]:
    """Return the page of `items` after a cursor.

    Raises:
        GraphQLError: if the cursor is none of ours.
    """
    start = _position(after)
    end = start + (first or 0)
    page = items[start:end]
    return {
        "nodes": page,
        "totalCount": len(items),
        "pageInfo": {
            "hasNextPage": end < len(items),
            "hasPreviousPage": start > 0,
            "startCursor": _cursor(start + 1) if page else None,
            "endCursor": _cursor(start + len(page)) if page else None,
        },
    }


def _cursor(position: int) -> str:
    return base64.b64encode(f"{CURSOR}{position}".encode()).decode()


def _position(after: str | None) -> int:
    if after is None:
        return 0
    try:
        return int(base64.b64decode(after, validate=True).decode().removeprefix(CURSOR))
    except ValueError as error:
        raise GraphQLError(f"`{after}` does not appear to be a valid cursor.") from error
