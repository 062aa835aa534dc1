"""The page of events: what a batch's log holds."""

from __future__ import annotations

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from scripts.docs.reference.described import described
from scripts.docs.reference.interfaces import fields_table, page_of
from scripts.docs.reference.markdown import code, prose, table

#: The message that every event is.
_EVENT = "miyabi.coordinator.v1.BatchEvent"


def page() -> str:
    """Return the page."""
    (event,) = [message for file in described() for message in file.messages if message.name == _EVENT]
    payloads = {field.name for field in BatchEvent.DESCRIPTOR.oneofs_by_name["payload"].fields}
    around = [field for field in event.fields if field.name not in payloads]
    rows = (
        (code(field.name), field.comment, f"[{field.type_name.rpartition('.')[2]}]({page_of(field.type_name)})")
        for field in event.fields
        if field.name in payloads
    )
    return (
        f"# Events\n\n{prose(event.comment)}\n\n`miyabi logs`, `miyabi watch`, `WatchBatch` and the page read the same "
        "log. Events of other programs come in [over HTTP](http.md).\n\n"
        f"## What happened\n\nOne of these is set.\n\n{table(('event', 'when', 'holds'), rows)}\n"
        f"## What every event says\n\n{fields_table(around, here='events.md')}"
    )
