"""JSON Schemas of messages, made from their descriptors: the JSON that this service answers and takes."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_F = FieldDescriptor
#: What ProtoJSON writes for each type of field: numbers of 64 bits are texts. As an answer, and as it may be asked.
_NUMBER_64 = {"type": "string", "pattern": "^-?[0-9]{1,20}$"}
_FLOAT = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
_SCALARS: dict[int, dict[str, Any]] = {
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    _F.TYPE_DOUBLE: _FLOAT,
    _F.TYPE_FLOAT: _FLOAT,
    **{kind: {"type": "integer"} for kind in (_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_UINT32)},
    **dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_UINT64), _NUMBER_64),
}
#: Messages that ProtoJSON writes in a form of their own.
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$"},
    "google.protobuf.Struct": {"type": "object"},
}


class ProtoSchemas:
    """Schemas by the messages' full names, with all that they hold."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}

    def of(self, message: type[Message]) -> dict[str, Any]:
        """Return a reference to the schema of a message."""
        return self.reference(message.DESCRIPTOR)

    def reference(self, descriptor: Any) -> dict[str, Any]:
        """Return a reference to the schema of a message, which is made where it is not there yet."""
        if descriptor.full_name in _WELL_KNOWN:
            return _WELL_KNOWN[descriptor.full_name]
        if descriptor.full_name not in self.components:
            # A place is taken first, since messages may hold themselves.
            self.components[descriptor.full_name] = {}
            self.components[descriptor.full_name] = {
                "type": "object",
                "properties": {field.name: self._field(field) for field in descriptor.fields},
                "additionalProperties": False,
            }
        return {"$ref": f"#/components/schemas/{descriptor.full_name}"}

    def _field(self, field: Any) -> dict[str, Any]:
        """Return the schema of a field."""
        if field.type == _F.TYPE_MESSAGE and field.message_type.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._one(field.message_type.fields_by_name["value"])}
        return {"type": "array", "items": self._one(field)} if field.is_repeated else self._one(field)

    def _one(self, field: Any) -> dict[str, Any]:
        """Return the schema of one value of a field."""
        if field.type == _F.TYPE_MESSAGE:
            return self.reference(field.message_type)
        if field.type == _F.TYPE_ENUM:
            # A newer peer may send a number that has no name here.
            return {"anyOf": [{"enum": [value.name for value in field.enum_type.values]}, {"type": "integer"}]}
        return _SCALARS[field.type]
