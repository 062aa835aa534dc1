"""Commands on identities: audit says who did what, token makes a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from google.protobuf.json_format import MessageToDict
from rich.table import Table

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.client import CALL_TIMEOUT, CoordinatorClient, batch_name, coordinator
from miyabi_cli.errors import CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.stack.identities import entry_of, write_secret
from miyabi_cli.terminal import json_line, row, say_table, shown
from miyabi_core.identity import Role
from miyabi_core.text import Untrusted
from miyabi_core.tokens import new_token

#: Entries of one answer; the coordinator gives at most 1,000.
LARGEST_PAGE = 1000


def audit(
    *,
    actor: Annotated[str, typer.Option(help="Only calls of this identity.")] = "",
    batch: Annotated[str, typer.Option(help="Only calls on this batch: batches/ULID, the ULID, or latest.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Newest entries.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")] = False,
) -> None:
    """Say who called what that changes something, newest first; refused calls too. Takes an operator."""
    name = batch_name(batch) if batch else ""

    async def main(runtime: Runtime) -> int:
        async with coordinator(runtime.settings) as client:
            resource = await client.resolve(name) if name else ""
            entries = await _entries(client, pb.ListAuditEntriesRequest(actor=actor, resource=resource), limit=limit)
        if as_json:
            for entry in entries:
                runtime.print_line(json_line(MessageToDict(entry, preserving_proto_field_name=True)))
        else:
            say_table(runtime.output, _table(entries))
        return 0

    run(main)


def token(
    name: Annotated[str, typer.Argument(help="Who it stands for: a person or a service.")],
    role: Annotated[list[str], typer.Option(help="viewer, submitter, operator or agent; may be repeated.")],
    *,
    out: Annotated[Path, typer.Option(help="File for the token; only its owner can read it.")],
) -> None:
    """Make a bearer token: it goes to a file, and its entry for an identities file to the output."""
    try:
        roles = [Role(value) for value in role]
    except ValueError as error:
        raise typer.BadParameter(f"must be one of {', '.join(Role)}", param_hint="--role") from error

    async def main(runtime: Runtime) -> int:
        if out.exists():
            raise CliError(f"{out} exists already")
        secret = new_token()
        write_secret(out, secret)
        runtime.print_line(yaml.safe_dump([entry_of(name, roles, secret)], sort_keys=False).rstrip())
        return 0

    run(main)


async def _entries(
    client: CoordinatorClient, request: pb.ListAuditEntriesRequest, *, limit: int
) -> list[pb.AuditEntry]:
    """Return the newest entries, page by page."""
    found: list[pb.AuditEntry] = []
    while len(found) < limit:
        request.page_size = min(LARGEST_PAGE, limit - len(found))
        answer = await client.call(client.stub.ListAuditEntries(request, timeout=CALL_TIMEOUT.total_seconds()))
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
