"""Reads the request of a batch from JSON or YAML of SubmitBatchRequest: each field is obeyed or refused by name."""

from __future__ import annotations

from google.protobuf.json_format import ParseDict, ParseError

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.input_file import parsed_file
from miyabi_cli.asking.request import checked
from miyabi_cli.errors import CliError


def read_request(file: str) -> pb.SubmitBatchRequest:
    """Read a request; where it names no request id, one is made, so that a repeat of the call is harmless.

    Args:
        file: Path of JSON or YAML (of which JSON is a part), or `-` for standard input. Names of fields are the
            proto's, or those of its JSON form (`issueNumbers`).

    Raises:
        CliError: the file cannot be read or is neither; there is no field of a name; a field cannot have a value.
    """
    value = parsed_file(file)
    request = pb.SubmitBatchRequest()
    try:
        ParseDict(value, request)
    except ParseError as error:
        # The library lists the fields too, in its other names.
        what = str(error).partition("\n")[0]
        raise CliError(f"{file}: {what}", hint=f"fields are: {', '.join(_names())}") from error
    return checked(request)


def _names() -> list[str]:
    """Return the fields that a request has."""
    return [field.name for field in pb.SubmitBatchRequest.DESCRIPTOR.fields]
