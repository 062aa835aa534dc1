"""`miyabi batches`: what was handed over, newest first."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import Batch
from miyabi.coordinator.v1.state_pb2 import BatchState
from miyabi_cli.asking.arguments import Every, Json, Watch
from miyabi_cli.asking.choices import chosen
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.batch_view import show_batches
from miyabi_cli.showing.watching import EVERY, Seen, shown_once_or_watched

#: Batches of one answer; the coordinator gives at most 500.
LARGEST_PAGE = 500


def batches(
    *,
    repository: Annotated[str, typer.Option(help="Only batches of this OWNER/REPO.")] = "",
    state: Annotated[str, typer.Option(help="Only running, paused, succeeded, failed or cancelled ones.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Newest batches.")] = 50,
    watch: Watch = False,
    every: Every = EVERY,
    as_json: Json = False,
) -> None:
    """List batches, newest first."""
    wanted = chosen(BatchState, state, option="--state") if state else 0

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        async def look() -> Seen:
            found = await _newest(client, pb.ListBatchesRequest(repository=repository, state=wanted), limit=limit)  # type: ignore[arg-type]
            return Seen(tuple(map(json_of, found)), lambda: show_batches(runtime.output, found))

        return await shown_once_or_watched(runtime, look, as_json=as_json, watch=watch, every=every)

    talk(main)


async def _newest(client: CoordinatorClient, request: pb.ListBatchesRequest, *, limit: int) -> list[Batch]:
    """Return the newest batches, page by page."""
    found: list[Batch] = []
    while len(found) < limit:
        request.page_size = min(LARGEST_PAGE, limit - len(found))
        answer = await client.ask(client.stub.ListBatches, request)
        found.extend(answer.batches)
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    return found
