"""Reads what GitHub has signed; what is not of its schema ends in one error."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from miyabi_github_gateway.service.hooks.payload import Payload

#: GitHub's default: the JSON is a field of a form.
FORM = "application/x-www-form-urlencoded"
#: What is said of a problem to who sent it.
_SHOWN = 200
_DECODER = msgspec.json.Decoder(Payload)


class InvalidPayloadError(ValueError):
    """The bytes are no event of GitHub's: no JSON, too deep, or a field is not of the type that it has."""


def payload_of(body: bytes | bytearray, content_type: str) -> Payload:
    """Return the payload of a delivery, JSON or in a form; takes time in proportion to its size.

    Raises:
        InvalidPayloadError: it is none.
    """
    try:
        return _DECODER.decode(_of_form(body) if content_type == FORM else body)
    except (ValueError, KeyError, RecursionError, OverflowError) as error:
        # msgspec says which field, never what is in it.
        raise InvalidPayloadError(str(error)[:_SHOWN].encode("ascii", "replace").decode()) from error


def _of_form(body: bytes | bytearray) -> bytes:
    """Return the one field of a form."""
    return parse_qs(bytes(body).decode("ascii"), strict_parsing=True, max_num_fields=2)["payload"][0].encode()
