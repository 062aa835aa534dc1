"""`miyabi audit`: who did what."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Json
from miyabi_cli.asking.completion import complete_batches
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.terminal import row, say_rows, shown
from miyabi_core.text import Untrusted

#: Entries of one answer; the coordinator gives at most 1,000.
LARGEST_PAGE = 1000


def audit(
    *,
    actor: Annotated[str, typer.Option(help="Only calls of this identity.")] = "",
    batch: Annotated[
        str,
        typer.Option(
            help="Only calls on this batch: batches/ULID, the ULID, or latest.", autocompletion=complete_batches
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Newest entries.")] = 50,
    as_json: Json = False,
) -> None:
    """Say who called what that changes something, newest first; refused calls too. Takes an operator."""
    name = batch_name(batch) if batch else ""

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        resource = await client.resolve(name) if name else ""
        entries = await _entries(client, pb.ListAuditEntriesRequest(actor=actor, resource=resource), limit=limit)
        if as_json:
            for entry in entries:
                runtime.print_line(json_of(entry))
        else:
            say_rows(runtime.output, _table(entries))
        return 0

    talk(main)


async def _entries(
    client: CoordinatorClient, request: pb.ListAuditEntriesRequest, *, limit: int
) -> list[pb.AuditEntry]:
    """Return the newest entries, page by page."""
    found: list[pb.AuditEntry] = []
    while len(found) < limit:
        request.page_size = min(LARGEST_PAGE, limit - len(found))
        answer = await client.ask(client.stub.ListAuditEntries, request)
        found.extend(answer.entries)
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    return found


def _table(entries: list[pb.AuditEntry]) -> Table:
    """Return the table of entries."""
    table = Table(header_style="bold")
    for column in ("time (UTC)", "actor", "call", "on", "answer"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        time = entry.time.ToDatetime().isoformat(sep=" ", timespec="milliseconds")
        cells = (time, entry.actor or "(not known)", entry.method, entry.resource, entry.code)
        row(
            table,
            *(shown(Untrusted(text)) for text in cells),
            style=None if entry.code == "OK" else "yellow",
        )
    return table
