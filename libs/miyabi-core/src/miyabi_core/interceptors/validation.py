"""Refuses requests that break a constraint of their proto, before any code of ours sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import protovalidate
from google.protobuf.message import Message

from miyabi_core.errors import FieldViolation, InvalidArgumentError
from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_core.interceptors.errors import abort
from miyabi_core.text import first

#: Most violations that one answer lists; a request with 10,000 bad numbers is not answered with 10,000 lines.
MOST_VIOLATIONS = 20


class ValidationInterceptor(CallInterceptor):
    """Checks every request message with protovalidate."""

    def __init__(self, *, domain: str) -> None:
        self._domain = domain
        self._validator = protovalidate.Validator()

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Add nothing around the call."""
        del call
        yield

    async def on_request(self, call: Call, request: Any) -> None:
        """Abort with INVALID_ARGUMENT and the fields at fault."""
        violations = violations_of(self._validator, request)
        if violations:
            await abort(call, invalid_request(violations), domain=self._domain)


def violations_of(validator: protovalidate.Validator, message: Message) -> list[FieldViolation]:
    """Return what *message* breaks, at most MOST_VIOLATIONS of it; the last one says how many more there are."""
    found, rest = first(validator.collect_violations(message), MOST_VIOLATIONS)
    shown = [FieldViolation(_field_of(entry.proto), entry.proto.message, entry.proto.rule_id) for entry in found]
    return [*shown, FieldViolation("", f"{rest:,} more are not listed")] if rest else shown


def invalid_request(violations: list[FieldViolation]) -> InvalidArgumentError:
    """Return the error for a request that breaks constraints; the first one is in the message too."""
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return InvalidArgumentError(
        f"{first.field}: {first.description}{more}", reason="INVALID_REQUEST", violations=violations
    )


def _field_of(violation: Any) -> str:
    """Return the path of the field at fault; a rule on the whole message names its fields in its id, before the dot."""
    if violation.field is None or not violation.field.elements:
        return str(violation.rule_id.partition(".")[0])
    return ".".join(_element(element) for element in violation.field.elements)


def _element(element: Any) -> str:
    """Render one step of a path: `name`, `name[3]` or `name["key"]`."""
    subscript = element.subscript
    if subscript is None:
        return str(element.field_name)
    key = f'"{subscript.value}"' if isinstance(subscript.value, str) else subscript.value
    return f"{element.field_name}[{key}]"
