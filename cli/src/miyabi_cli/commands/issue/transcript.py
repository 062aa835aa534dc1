"""`miyabi transcript`: what the steps of one issue asked a model, and what it answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Issue, Json
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.errors import EXIT_OK, CliError
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.transcript_view import show_call, show_sum
from miyabi_cli.terminal import ours, say
from miyabi_core.text import enumerated, exact

#: Calls of one request: a page is cut by its size anyway.
PAGE = 50
#: Steps that an error names.
MOST_NAMED = 20

Step = Annotated[
    str,
    typer.Argument(
        metavar="STEP", show_default=False, help="Only this step: implement, or one of them: implement-step-2."
    ),
]


def transcript(batch: Batch, issue: Issue, step: Step = "", *, as_json: Json = False) -> None:
    """Show every call of a model for one issue: request without its shared begin, answer, cost, times."""
    name = batch_name(batch)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        found = await client.resolve(name)
        if step:
            await _check(client, found, issue, step)
        calls, gone = [], 0
        async for answer in _pages(client, pb.ListModelCallsRequest(parent=f"{found}/runs/{issue}", task=step)):
            gone = answer.gone
            for call in answer.model_calls:
                if as_json:
                    runtime.print_line(json_of(call))
                    continue
                show_call(runtime.output, call)
                call.ClearField("messages")
                call.ClearField("answer")
                calls.append(call)
        if not as_json and (calls or gone):
            show_sum(runtime.output, calls, gone=gone)
        elif not as_json:
            say(runtime.output, ours("no model was asked"))
        return EXIT_OK

    talk(main)


async def _pages(
    client: CoordinatorClient, request: pb.ListModelCallsRequest
) -> AsyncIterator[pb.ListModelCallsResponse]:
    """Yield page after page, oldest calls first."""
    request.page_size = PAGE
    while True:
        answer = await client.ask(client.stub.ListModelCalls, request)
        yield answer
        request.page_token = answer.next_page_token
        if not request.page_token:
            return


async def _check(client: CoordinatorClient, batch: str, issue: int, step: str) -> None:
    """Refuse a step that the issue does not have.

    Raises:
        CliError: it has none of that name; those that it has are named.
    """
    run = await client.run(batch, issue)
    tasks = [task.name.rpartition("/")[2] for task in run.tasks]
    if not any(task == step or task.startswith(f"{step}-") for task in tasks):
        known = enumerated([exact(task) for task in tasks], MOST_NAMED)
        raise CliError(f"STEP: issue {issue} has no step {step!r}; it has {known or 'none yet'}")
