"""`miyabi resume`: a paused batch goes on."""

from __future__ import annotations

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Json
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.batch_view import show_changed
from miyabi_core.ids import new_ulid


def resume(batch: Batch, *, as_json: Json = False) -> None:
    """Give leases again for a paused batch."""
    name = batch_name(batch)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        request = pb.ResumeBatchRequest(name=await client.resolve(name), request_id=new_ulid())
        answer = await client.ask(client.stub.ResumeBatch, request)
        show_changed(runtime, answer.batch, as_json=as_json, then="watch")
        return 0

    talk(main)
