"""Messages in which a stranger wrote every text: each field of each message, however deep."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

#: Depth to which messages hold messages; ours end before it.
MAX_DEPTH = 6


def filled(message: Message, text: str, *, depth: int = MAX_DEPTH) -> Message:
    """Fill every field of *message* that holds text with *text*, every list with one entry; returns the message."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.file.package.startswith("google."):
            continue
        target = getattr(message, field.name)
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                target.append(text)
            else:
                setattr(message, field.name, text)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and depth and not field.containing_oneof:
            filled(target.add() if field.is_repeated else target, text, depth=depth - 1)
    return message
