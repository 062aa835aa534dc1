"""Actions over HTTP: each is one call to the coordinator, in the name of the caller, who so stands in its audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from miyabi.common.v1 import problem_pb2
from miyabi.coordinator.v1 import batch_pb2
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core.errors import UnavailableError
from miyabi_dashboard.policy import OPERATE, SUBMIT
from miyabi_dashboard.serving.incoming import bad_field, json_of
from miyabi_dashboard.serving.parameters import AGENT, BATCH, MOST_NUMBER, NUMBER, array_of, object_of
from miyabi_dashboard.serving.query import Parameter, Query
from miyabi_dashboard.serving.routes import Route
from miyabi_dashboard.upstream import CALL_SECONDS, Upstream, as_dict

#: The message of an action.
_M = TypeVar("_M", bound=Message)
#: Seconds until a batch is accepted: everything is looked up before, ten thousand issues take a while.
ACCEPT_SECONDS = 120.0
_REQUEST_ID = {"type": "string", "maxLength": 64}
_REASON = {"type": "string", "maxLength": 500}
_BATCH = object_of(batch=batch_pb2.Batch)


def _body(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """Return the schema of a body; every one may have `requestId`."""
    return {
        "type": "object", "properties": {**properties, "requestId": _REQUEST_ID}, "required": list(required),
        "additionalProperties": False,
    }  # fmt: skip


class Actions:
    """Serves actions.

    Args:
        upstream: Does them.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def routes(self) -> list[Route]:
        """Return the routes."""
        base, with_reason = "/api/batches/{batch}", _body(reason=_REASON)
        numbers = array_of({"type": "integer", "minimum": 1, "maximum": MOST_NUMBER})
        decision = _body(("approved",), approved={"type": "boolean"}, comment={"type": "string", "maxLength": 2000})
        accepted = object_of(
            batch=batch_pb2.Batch, reattached={"type": "boolean"}, notKnown=array_of({"type": "string"}),
            problems=array_of(problem_pb2.Problem),
        )  # fmt: skip
        run = object_of(run=batch_pb2.IssueRun)
        agent = object_of(agent=batch_pb2.Agent)

        def route(
            path: str, handler: Any, summary: str, answer: Any, body: Any, *places: Parameter, **more: Any
        ) -> Route:
            return Route(
                "POST", path, handler, summary, answer, more.pop("roles", SUBMIT), (), places, body=body, **more
            )

        return [
            route("/api/batches", self._submit, "Hand over issues.", accepted, pb.SubmitBatchRequest, status=201),
            route(f"{base}/cancel", self._cancel, "Cancel a batch.", _BATCH, with_reason, BATCH),
            route(f"{base}/pause", self._pause, "Give no new lease.", _BATCH, with_reason, BATCH),
            route(f"{base}/resume", self._resume, "Give leases again.", _BATCH, _body(), BATCH),
            route(f"{base}/retry", self._retry, "Run issues again.", _BATCH, _body(issueNumbers=numbers), BATCH),
            route(
                f"{base}/runs/{{number}}/approval", self._approve, "Approve or decline.", run, decision, BATCH, NUMBER,
                roles=OPERATE,
            ),
            route(
                "/api/agents/{agent}/drain", self._drain, "Give it no new task.", agent, _body(), AGENT, roles=OPERATE
            ),
        ]  # fmt: skip

    async def _submit(self, request: web.Request, query: Query) -> Any:
        """Submit a batch, and answer as soon as it is accepted; the batch goes on."""
        del query
        wanted = await _message(request, pb.SubmitBatchRequest())
        call = self._upstream.acting.SubmitBatch(wanted, timeout=ACCEPT_SECONDS)
        async for answer in call:
            # Hanging up never cancels a batch.
            call.cancel()
            return _accepted(answer)
        raise UnavailableError("The coordinator ended the call.", reason="STREAM_ENDED")

    async def _cancel(self, request: web.Request, query: Query) -> Any:
        """Cancel a batch."""
        wanted = await _message(request, pb.CancelBatchRequest(), name=_batch(query))
        return as_dict(await self._upstream.acting.CancelBatch(wanted, timeout=CALL_SECONDS))

    async def _pause(self, request: web.Request, query: Query) -> Any:
        """Pause a batch."""
        wanted = await _message(request, pb.PauseBatchRequest(), name=_batch(query))
        return as_dict(await self._upstream.acting.PauseBatch(wanted, timeout=CALL_SECONDS))

    async def _resume(self, request: web.Request, query: Query) -> Any:
        """Resume a batch."""
        wanted = await _message(request, pb.ResumeBatchRequest(), name=_batch(query))
        return as_dict(await self._upstream.acting.ResumeBatch(wanted, timeout=CALL_SECONDS))

    async def _retry(self, request: web.Request, query: Query) -> Any:
        """Run failed and skipped issues again."""
        wanted = await _message(request, pb.RetryBatchRequest(), name=_batch(query))
        return as_dict(await self._upstream.acting.RetryBatch(wanted, timeout=CALL_SECONDS))

    async def _approve(self, request: web.Request, query: Query) -> Any:
        """Approve or decline a change."""
        name = f"{_batch(query)}/runs/{query['number']}"
        wanted = await _message(request, pb.ResolveApprovalRequest(), name=name, required="approved")
        return as_dict(await self._upstream.acting.ResolveApproval(wanted, timeout=CALL_SECONDS))

    async def _drain(self, request: web.Request, query: Query) -> Any:
        """Drain an agent."""
        wanted = await _message(request, pb.DrainAgentRequest(), name=f"agents/{query['agent']}")
        return as_dict(await self._upstream.acting.DrainAgent(wanted, timeout=CALL_SECONDS))


def _batch(query: Query) -> str:
    """Return the name of the batch in the path."""
    return f"batches/{query['batch']}"


def _accepted(answer: pb.SubmitBatchResponse) -> dict[str, Any]:
    """Return what is told of an accepted batch."""
    told = answer.events[0].batch_accepted
    return {
        "batch": as_dict(told.batch), "reattached": told.reattached, "notKnown": list(told.not_known),
        "problems": [as_dict(problem) for problem in told.problems],
    }  # fmt: skip


async def _message(request: web.Request, message: _M, *, name: str = "", required: str = "") -> _M:
    """Read a body as a message; what the path says stands in no body.

    Raises:
        InvalidEventError: it is no JSON object, has a field that there is not, or one of another type.
    """
    body = await json_of(request)
    if not isinstance(body, dict):
        raise bad_field("body", "must be an object")
    if name and "name" in body:
        raise bad_field("name", "is said by the path")
    if required and required not in body:
        raise bad_field(required, "is required")
    _refuse_nulls(body, "")
    try:
        ParseDict(body, message)
    except ParseError as error:
        raise _unreadable(error, body, message) from error
    if name:
        message.name = name  # type: ignore[attr-defined]  # every one that is passed a name has one
    return message


def _refuse_nulls(value: Any, path: str) -> None:
    """Refuse what ProtoJSON would leave out in silence, however deep it lies.

    Raises:
        InvalidEventError: a field, or an entry of a list, is null; it is named by its path.
    """
    if value is None:
        raise bad_field(path, "must not be null")
    if isinstance(value, dict):
        for field, inner in value.items():
            _refuse_nulls(inner, f"{path}.{field}" if path else field)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _refuse_nulls(inner, f"{path}[{position}]")


def _unreadable(error: ParseError, body: Mapping[str, Any], message: Message) -> Exception:
    """Say which field of a body cannot be read: protobuf's own words name only some."""
    known = {name for field in message.DESCRIPTOR.fields for name in (field.name, field.json_name)}
    for field in body:
        if field not in known:
            return bad_field(field, "is no field of this request")
    for field, value in body.items():
        try:
            ParseDict({field: value}, type(message)())
        except ParseError:
            return bad_field(field, "has a value of another type", str(value))
    return bad_field("body", str(error))
