"""The OpenAPI 3.1 description of the HTTP interface, made from its routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from miyabi_dashboard.serving.proto_schema import ProtoSchemas

if TYPE_CHECKING:
    from miyabi_dashboard.serving.query import Parameter
    from miyabi_dashboard.serving.routes import Route, Schema

#: Of the specification (spec.openapis.org).
VERSION = "3.1.1"
#: What every refusal says.
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["success", "error", "reason"],
    "properties": {
        "success": {"const": False},
        "error": {"type": "string"},
        "reason": {"type": "string"},
        "validationErrors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldProblem"}},
        "problems": {"type": "array", "items": {"$ref": "#/components/schemas/miyabi.common.v1.Problem"}},
        "moreProblems": {"type": "integer"},
    },
}
FIELD_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["field", "message", "received"],
    "properties": {"field": {"type": "string"}, "message": {"type": "string"}, "received": {}},
}
_REFUSAL = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
#: Refusals that any call may meet.
_ANY = {
    "400": "A field is wrong; each is named.",
    "401": "The caller is not known.",
    "403": "The caller may not do this, or a page of another site asks.",
    "404": "There is no such thing.",
    "409": "The state of the system forbids it.",
    "429": "A limit is used up; `retry-after` says when to ask again.",
    "503": "What is needed for an answer is out of reach for now.",
    "504": "What is needed for an answer did not come in time.",
}
#: Refusals of calls with a body.
_OF_BODIES = {"413": "The body is too large.", "415": "The body has no content type that is taken."}


def describe(routes: Iterable[Route], *, version: str) -> dict[str, Any]:
    """Return the description.

    Args:
        routes: All of them.
        version: Of this program.
    """
    schemas, paths = ProtoSchemas(), dict[str, dict[str, Any]]()
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Miyabi", "version": version,
            "description": "Events from outside, reads and actions. Messages are ProtoJSON with the protos' own names.",
        },
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Error": ERROR, "FieldProblem": FIELD_PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }  # fmt: skip


def _operation(route: Route, schemas: ProtoSchemas) -> dict[str, Any]:
    """Return one method of one path."""
    refusals = _ANY | (_OF_BODIES if route.body is not None else {})
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_').replace('{', '').replace('}', '')}",
        "description": f"Needs one of the roles: {', '.join(role.value for role in route.roles)}.",
        "parameters": [
            *(_parameter(parameter, "path") for parameter in route.path_parameters),
            *(_parameter(parameter, "query") for parameter in route.parameters),
        ],
        "responses": {
            str(route.status): _answer(route, schemas),
            **{status: {"description": words, "content": _REFUSAL} for status, words in refusals.items()},
        },
    }  # fmt: skip
    if route.body is not None:
        content = {kind: {"schema": _schema(route.body, schemas)} for kind in route.body_types}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    """Return a parameter."""
    return {
        "name": parameter.name, "in": place, "description": parameter.description,
        "required": parameter.required or place == "path", "schema": dict(parameter.schema),
    }  # fmt: skip


def _answer(route: Route, schemas: ProtoSchemas) -> dict[str, Any]:
    """Return the answer of success."""
    schema: dict[str, Any] = {"type": "string"} if route.answer is None else _schema(route.answer, schemas)
    return {"description": "Success.", "content": {route.content_type: {"schema": schema}}}


def _schema(schema: Schema, schemas: ProtoSchemas) -> dict[str, Any]:
    """Return a schema, that of a message by reference; messages within a schema are references too."""
    if isinstance(schema, type):
        return schemas.of(schema)
    return {key: _within(value, schemas) for key, value in schema.items()}


def _within(value: Any, schemas: ProtoSchemas) -> Any:
    """Replace messages within a schema."""
    if isinstance(value, type) and issubclass(value, Message):
        return schemas.of(value)
    if isinstance(value, dict):
        return {key: _within(entry, schemas) for key, entry in value.items()}
    return [_within(entry, schemas) for entry in value] if isinstance(value, list) else value
