"""Reads the interfaces with their comments, as protoc understood them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from buf.validate import validate_pb2
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from scripts.docs.reference.markdown import cell
from scripts.proto import BUILD, image

#: Numbers of fields of descriptor.proto, which make up the path of a comment.
_MESSAGES, _ENUMS, _SERVICES, _FIELDS, _NESTED, _NESTED_ENUMS, _METHODS, _VALUES = 4, 5, 6, 2, 3, 4, 2, 2

_Path = tuple[int, ...]
_Comments = dict[_Path, str]


@dataclass(frozen=True)
class Field:
    """A field, or a value of an enum."""

    name: str
    #: As a proto file writes it: `repeated int32`, `map<string, int64>`; empty for a value of an enum.
    kind: str
    #: Full name of the message or enum that it holds; empty where it holds none.
    type_name: str
    comment: str  #: Markdown of one line
    #: What protovalidate asks of it, as the proto file writes it; empty: nothing.
    rule: str = ""


@dataclass(frozen=True)
class Message:
    """A message or an enum."""

    name: str  #: full
    comment: str
    fields: Sequence[Field]
    is_enum: bool = False


@dataclass(frozen=True)
class Method:
    """An RPC."""

    name: str
    comment: str
    request: str  #: full name of its message
    response: str
    request_streams: bool
    response_streams: bool


@dataclass(frozen=True)
class Service:
    """A service."""

    name: str  #: full
    comment: str
    methods: Sequence[Method]


@dataclass(frozen=True)
class File:
    """A proto file of ours."""

    name: str  #: relative to `proto`
    services: Sequence[Service]
    messages: Sequence[Message]


@cache
def described() -> Sequence[File]:
    """Return every proto file of ours."""
    BUILD.mkdir(parents=True, exist_ok=True)
    found = FileDescriptorSet.FromString(image(BUILD / "described.binpb").read_bytes())
    return [_file(file) for file in found.file if file.name.startswith("miyabi/")]


def _file(file: FileDescriptorProto) -> File:
    """Return one file."""
    comments = {tuple(entry.path): entry.leading_comments for entry in file.source_code_info.location}
    services = [_service(file, number, comments) for number in range(len(file.service))]
    messages: list[Message] = []
    for number, message in enumerate(file.message_type):
        messages += _messages(message, file.package, (_MESSAGES, number), comments)
    messages += [_enum(enum, file.package, (_ENUMS, number), comments) for number, enum in enumerate(file.enum_type)]
    return File(file.name, services, messages)


def _service(file: FileDescriptorProto, number: int, comments: _Comments) -> Service:
    """Return one service."""
    service, path = file.service[number], (_SERVICES, number)
    methods = [
        Method(
            method.name,
            comments.get((*path, _METHODS, position), ""),
            method.input_type.lstrip("."),
            method.output_type.lstrip("."),
            method.client_streaming,
            method.server_streaming,
        )
        for position, method in enumerate(service.method)
    ]
    return Service(f"{file.package}.{service.name}", comments.get(path, ""), methods)


def _messages(message: DescriptorProto, within: str, path: _Path, comments: _Comments) -> list[Message]:
    """Return a message with those within it; entries of maps are none."""
    name = f"{within}.{message.name}"
    maps = {f".{name}.{inner.name}": inner for inner in message.nested_type if inner.options.map_entry}
    fields = [
        _field(field, maps, comments.get((*path, _FIELDS, number), "")) for number, field in enumerate(message.field)
    ]
    found = [Message(name, comments.get(path, ""), fields)]
    for number, inner in enumerate(message.nested_type):
        if not inner.options.map_entry:
            found += _messages(inner, name, (*path, _NESTED, number), comments)
    enums = enumerate(message.enum_type)
    return found + [_enum(enum, name, (*path, _NESTED_ENUMS, number), comments) for number, enum in enums]


def _field(field: FieldDescriptorProto, maps: dict[str, DescriptorProto], comment: str) -> Field:
    """Return a field."""
    kind, name = _kind(field), field.type_name.lstrip(".")
    if field.type_name in maps:
        key, value = maps[field.type_name].field
        kind, name = f"map<{_kind(key)}, {_kind(value)}>", value.type_name.lstrip(".")
    elif field.label == FieldDescriptorProto.LABEL_REPEATED:
        kind = f"repeated {kind}"
    elif field.proto3_optional:
        kind = f"optional {kind}"
    rule = text_format.MessageToString(field.options.Extensions[validate_pb2.field], as_one_line=True)
    return Field(field.name, kind, name, cell(comment), rule)


def _kind(field: FieldDescriptorProto) -> str:
    """Return what one value of a field is."""
    if field.type_name:
        return field.type_name.rpartition(".")[2]
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _enum(enum: EnumDescriptorProto, within: str, path: _Path, comments: _Comments) -> Message:
    """Return an enum."""
    values = [
        Field(value.name, "", "", cell(comments.get((*path, _VALUES, number), "")))
        for number, value in enumerate(enum.value)
    ]
    return Message(f"{within}.{enum.name}", comments.get(path, ""), values, is_enum=True)
