"""Messages of the services as one line of JSON: the proto's own names, unset fields left out."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from miyabi_cli.terminal import json_line


def json_of(message: Message) -> str:
    """Return a message as one line of JSON.

    Names are those of the proto. What is unset, zero or empty is left out, as everywhere in proto3's JSON.
    """
    return json_line(MessageToDict(message, preserving_proto_field_name=True))
