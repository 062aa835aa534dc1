"""`miyabi cancel`: ends a batch before its end."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Json
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.batch_view import show_changed
from miyabi_core.ids import new_ulid


def cancel(
    batch: Batch,
    reason: Annotated[str, typer.Option(help="For the log; at most 500 characters.")] = "",
    *,
    as_json: Json = False,
) -> None:
    """End a batch; what leased tasks have done so far stays, pull requests too. A cancelled batch stays cancelled."""
    name = batch_name(batch)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        found = await client.resolve(name)
        request = pb.CancelBatchRequest(name=found, reason=reason, request_id=new_ulid())
        answer = await client.ask(client.stub.CancelBatch, request)
        show_changed(runtime, answer.batch, as_json=as_json)
        return 0

    talk(main)
