"""Takes from each call how long its caller waits and how urgent it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from miyabi_core.errors import FieldViolation, InvalidArgumentError
from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_github_gateway.service.calling import LANE_METADATA, enter
from miyabi_github_gateway.service.governor import Lane

#: Issues that fit into one query: a call for more is part of a long list.
_ONE_QUERY = 25


class CallingInterceptor(CallInterceptor):
    """Begins a `service.calling.Calling` for each call."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Do nothing around the call."""
        del call
        yield

    async def on_request(self, call: Call, request: Any) -> None:
        """Take the deadline and the lane.

        Raises:
            InvalidArgumentError: the metadata names a lane that there is not.
        """
        enter(
            seconds=call.context.time_remaining(), lane=lane_of(call.method, request, call.metadata.get(LANE_METADATA))
        )


def lane_of(method: str, request: Any, stated: str | None) -> Lane:
    """Return the lane of a call: what the caller states, else what the request looks like.

    Raises:
        InvalidArgumentError: there is no such lane.
    """
    if stated:
        try:
            return Lane[stated.upper()]
        except KeyError:
            names = ", ".join(lane.name.lower() for lane in Lane)
            violation = FieldViolation(f"metadata:{LANE_METADATA}", f"is none of {names}")
            raise InvalidArgumentError(
                f"there is no lane {stated}", reason="INVALID_REQUEST", violations=[violation]
            ) from None
    numbered = {"BatchGetIssues", "CheckTarget"}
    is_list = method == "SearchIssues" or (method in numbered and len(request.numbers) > _ONE_QUERY)
    return Lane.BATCH if is_list else Lane.INTERACTIVE
