"""`miyabi logs`: the event log of a batch, or of one of its issues, a line an event."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import typer

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_cli.asking.arguments import LARGEST_ISSUE, After, Batch, Json
from miyabi_cli.asking.choices import chosen, names_of
from miyabi_cli.asking.completion import complete_issues
from miyabi_cli.calling.wire import json_of
from miyabi_cli.client import CoordinatorClient, batch_name, talk
from miyabi_cli.errors import CliError
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.event_lines import is_failure, line_of, payload_names
from miyabi_cli.terminal import ours, say, shown
from miyabi_core.text import Untrusted

#: Tells whether an event is wanted.
Wanted = Callable[[BatchEvent], bool]

Events = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Only events of this name, as BatchEvent's payload names them; repeat for more.",
        autocompletion=payload_names,
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND",
        help="Only tasks of this kind: triage, plan, implement …; repeat for more.",
        autocompletion=lambda: list(names_of(TaskKind)),
    ),
]
OneIssue = Annotated[
    int | None,
    typer.Argument(metavar="ISSUE", min=1, max=LARGEST_ISSUE, help="Only this issue.", autocompletion=complete_issues),
]


def logs(
    batch: Batch,
    issue: OneIssue = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, to the batch's end.")] = False,
    after: After = 0,
    tail: Annotated[int | None, typer.Option(min=0, help="Of what is there only the last so many lines.")] = None,
    event: Events = None,
    kind: Kinds = None,
    failures: Annotated[bool, typer.Option("--failures", help="Only what did not go well.")] = False,
    steps: Annotated[
        bool, typer.Option("--steps", help="With --follow: what tasks are doing too, which is not kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Print the event log of a batch, or of one of its issues, a line an event.

    Without --follow it ends at the newest event; with it at the batch's end.
    """
    name = batch_name(batch)
    if steps and not follow:
        raise CliError("--steps needs --follow: what tasks are doing is not kept")
    wanted = _wanted(issue, event or [], kind or [], failures=failures)

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        show = _Printer(runtime, as_json=as_json)
        found = await client.resolve(name)
        last = await _print_there(client, found, after, wanted, show=show, tail=tail)
        if follow:
            events = client.watch(found, after=max(last, after), committed_only=not steps)
            await _print_coming(runtime, f"{found} {issue or ''}".strip(), events, wanted, show=show, last=last)
        elif not show.printed:
            say(runtime.errors, ours("no such event; the newest of the batch is {}", last, style="dim"))
        return 0

    talk(main)


class _Printer:
    """Prints events, and knows whether there were any."""

    def __init__(self, runtime: Runtime, *, as_json: bool) -> None:
        self._runtime = runtime
        self._as_json = as_json
        self.printed = False

    def __call__(self, event: BatchEvent) -> None:
        """Print one."""
        self.printed = True
        if self._as_json:
            self._runtime.print_line(json_of(event))
        else:
            say(self._runtime.output, line_of(event))


async def _print_coming(
    runtime: Runtime,
    log: str,
    events: AsyncIterator[BatchEvent],
    wanted: Wanted,
    *,
    show: Callable[[BatchEvent], None],
    last: int,
) -> None:
    """Print the wanted events that come, to the batch's end; then, or when the person hangs up, how to go on."""
    try:
        async for event in events:
            last = max(last, event.sequence)
            if wanted(event):
                show(event)
    finally:
        where = shown(Untrusted(f"miyabi logs {log}"), style="dim")
        say(runtime.errors, ours("go on with: ", style="dim"), where, ours(" --after {} -f", last, style="dim"))


def _wanted(issue: int | None, events: list[str], kinds: list[str], *, failures: bool) -> Wanted:
    """Return what tells which events are wanted.

    Raises:
        CliError: there is no event, or no kind of task, of a name.
    """
    names = {name.lower().replace("_", "-") for name in events}
    unknown = sorted(names - set(payload_names()))
    if unknown:
        raise CliError(f"--event: {unknown[0]!r} is none of {', '.join(payload_names())}")
    numbers = {chosen(TaskKind, name, option="--kind") for name in kinds}

    def wanted(event: BatchEvent) -> bool:
        return (
            (issue is None or event.issue_number == issue)
            and (not names or str(event.WhichOneof("payload")).replace("_", "-") in names)
            and (not numbers or event.task_kind in numbers)
            and (not failures or is_failure(event))
        )

    return wanted


async def _print_there(
    client: CoordinatorClient,
    name: str,
    after: int,
    wanted: Wanted,
    *,
    show: Callable[[BatchEvent], None],
    tail: int | None,
) -> int:
    """Print the wanted events that are there now; returns the newest sequence."""
    newest = (await client.ask(client.stub.GetBatch, pb.GetBatchRequest(name=name))).batch.last_sequence
    kept: deque[BatchEvent] = deque(maxlen=tail)
    async for event in _until(client, name, after, newest):
        if not wanted(event):
            continue
        if tail is None:
            show(event)
        else:
            kept.append(event)
    for event in kept:
        show(event)
    return newest


async def _until(client: CoordinatorClient, name: str, after: int, newest: int) -> AsyncIterator[BatchEvent]:
    """Yield committed events to the newest one."""
    if after >= newest:
        return
    async for event in client.watch(name, after=after, committed_only=True):
        yield event
        if event.sequence >= newest:
            return
