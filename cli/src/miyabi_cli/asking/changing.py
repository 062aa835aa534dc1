"""Asks the coordinator to change a batch, and shows the batch as it is afterwards."""

from __future__ import annotations

from typing import Any

from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.batch_view import show_changed
from miyabi_core.ids import new_ulid


def change_batch(batch: str, request: Any, *, as_json: bool, then: str = "") -> None:
    """Send a request that changes a batch.

    Args:
        batch: As it is named on the command line; an id, a full name, `latest`.
        request: Of a call that changes a batch, such as PauseBatchRequest; its name and request id are filled in.
        as_json: Print one JSON object.
        then: Word of the command that comes next, for the hint; empty: none.
    """
    name = batch_name(batch)
    call = type(request).__name__.removesuffix("Request")

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        request.name, request.request_id = await client.resolve(name), new_ulid()
        answer = await client.ask(getattr(client.stub, call), request)
        show_changed(runtime, answer.batch, as_json=as_json, then=then)
        return 0

    talk(main)
