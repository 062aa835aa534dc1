"""`miyabi pause`: no new lease for a batch; what runs is finished."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Json
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.batch_view import show_changed
from miyabi_core.ids import new_ulid


def pause(
    batch: Batch,
    reason: Annotated[str, typer.Option(help="For the log; at most 500 characters.")] = "",
    *,
    as_json: Json = False,
) -> None:
    """Give no new lease for a running batch; tasks that run are finished. `miyabi resume` goes on."""
    name = batch_name(batch)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        found = await client.resolve(name)
        request = pb.PauseBatchRequest(name=found, reason=reason, request_id=new_ulid())
        answer = await client.ask(client.stub.PauseBatch, request)
        show_changed(runtime, answer.batch, as_json=as_json, then="resume")
        return 0

    talk(main)
