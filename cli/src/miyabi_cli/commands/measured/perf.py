"""`miyabi perf`: what is measured now, again whenever it changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.limits_pb2 import LimitStep
from miyabi_cli.asking.arguments import Every, Json
from miyabi_cli.asking.completion import complete_batches
from miyabi_cli.calling.telemetry import Asked, duration_of, telemetry
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.errors import EXIT_UNAVAILABLE, CliError
from miyabi_cli.report.live import live_report
from miyabi_cli.report.on_terminal import show_report
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.watching import Seen, shown_once_or_watched

#: Seconds between two looks: the monitor counts by the minute, a person looks every few seconds.
EVERY = 5.0
#: The period that is followed where none is named.
SINCE = "1h"
#: Steps of limits that are shown: the newest, what fits beside the rest.
STEPS = 10


def perf(
    batch: Annotated[
        str,
        typer.Argument(
            metavar="BATCH",
            help="batches/ULID, the ULID, or latest; default: all batches.",
            autocompletion=complete_batches,
        ),
    ] = "",
    since: Annotated[str, typer.Option(help=f"The last so long, of all batches: 15min, 1h; default: {SINCE}.")] = "",
    repository: Annotated[str, typer.Option(help="Of a period: only batches of this OWNER/REPO.")] = "",
    *,
    once: Annotated[bool, typer.Option("--once", help="Look once rather than follow.")] = False,
    every: Every = EVERY,
    as_json: Json = False,
) -> None:
    """Follow what is measured: durations, waits, bottlenecks, limits and their steps, until Ctrl-C."""
    if batch and since:
        raise CliError("give BATCH or --since, not both: what is measured of a batch is whole")
    name = batch_name(batch) if batch else ""
    period = duration_of(since or SINCE, option="--since")

    async def main(runtime: Runtime, coordinator: CoordinatorClient) -> int:
        found = await coordinator.resolve(name) if name else ""
        asked = Asked(batch=found, since=since or SINCE, repository=repository)
        async with telemetry(runtime.caller) as client:

            async def look() -> Seen:
                answer = await client.report(asked)
                request = pb.ListLimitStepsRequest(page_size=STEPS)
                request.start_time.FromDatetime(datetime.now(UTC) - period)
                steps, not_known = await _steps(coordinator, request)
                report = live_report(answer, steps, about=asked.about, filters=asked.filters, not_known=not_known)
                return Seen((json_of(answer),), lambda: show_report(runtime.output, report))

            return await shown_once_or_watched(runtime, look, as_json=as_json, watch=not once, every=every)

    talk(main)


async def _steps(client: CoordinatorClient, request: pb.ListLimitStepsRequest) -> tuple[list[LimitStep], list[str]]:
    """Return the newest steps of limits, or why they are not known: a coordinator that is older lists none.

    Raises:
        CliError: the coordinator is out of reach.
    """
    try:
        return list((await client.ask(client.stub.ListLimitSteps, request)).steps), []
    except CliError as error:
        if error.exit_code == EXIT_UNAVAILABLE:
            raise
        return [], [f"steps of limits: {error}"]
