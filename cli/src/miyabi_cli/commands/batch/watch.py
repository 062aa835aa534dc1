"""`miyabi watch`: a batch's events from any point to the end."""

from __future__ import annotations

from functools import partial

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import After, Batch, Json
from miyabi_cli.calling.following import follow
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.views import choose_view


def watch(
    batch: Batch,
    after: After = 0,
    *,
    as_json: Json = False,
) -> None:
    """Show a batch's events from any point to the end; works after the end too."""
    name = batch_name(batch)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        found = await client.resolve(name)
        # Watching is patient with a coordinator that goes away; one that was not there at all is said at once.
        await client.ask(client.stub.GetBatch, pb.GetBatchRequest(name=found))
        view = choose_view(runtime.output, as_json=as_json)
        ended = partial(client.results, found)
        return await follow(client.watch(found, after=after), view, errors=runtime.errors, ended=ended)

    talk(main)
