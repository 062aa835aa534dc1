"""`miyabi emit`: sends an event of another program to the dashboard's intake, where the page shows it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from miyabi_cli.asking.arguments import Json
from miyabi_cli.asking.input_file import parsed_file
from miyabi_cli.calling.intake import send
from miyabi_cli.errors import CliError
from miyabi_cli.runtime import Runtime, run
from miyabi_cli.terminal import json_line, ours, say, shown
from miyabi_core.text import Untrusted

EventType = Annotated[
    str,
    typer.Argument(
        metavar="TYPE",
        help="started, progress, completed, error, state:transition, task:discovered, coordinator:analyzing, "
        "coordinator:decomposing or coordinator:assigning.",
    ),
]

Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A field of the type: progress=40, result.success=true, fromState=open. VALUE is JSON where it is "
        "some, else a text; repeat for more.",
    ),
]


def emit(
    event_type: EventType = "",
    agent: Annotated[str, typer.Option(help="Who says it: a name of your program.")] = "",
    issue: Annotated[int | None, typer.Option(min=0, help="Number of the issue; 0 where it is about none.")] = None,
    repository: Annotated[str, typer.Option(help="OWNER/REPO of the issue.")] = "",
    set_: Assignments = None,
    *,
    from_file: Annotated[
        str, typer.Option(metavar="FILE", help="The event as JSON or YAML; the other options come before its fields.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Send an event of your own program to the page, by POST /api/agent-event of MIYABI_DASHBOARD_URL.

    The dashboard checks it; what it refuses is named by field. Takes a submitter or an agent where identity is on.
    """
    if not event_type and not from_file:
        raise CliError("TYPE: which event?", hint="for example: miyabi emit started --agent ci --issue 60")
    event = parsed_file(from_file) if from_file else {}
    given = {"eventType": event_type, "agentId": agent, "issueNumber": issue, "repository": repository}
    event.update({name: value for name, value in given.items() if value not in {None, ""}})
    for assignment in set_ or ():
        _assign(event, assignment)

    async def main(runtime: Runtime) -> int:
        answer = await asyncio.to_thread(send, runtime.caller, event)
        if as_json:
            runtime.print_line(json_line(answer))
        else:
            say(runtime.output, ours("taken as event "), shown(Untrusted(str(answer.get("id", "")))))
        return 0

    run(main)


def _assign(event: dict[str, Any], assignment: str) -> None:
    """Set a field, or one of an object's fields, by `a.b=value`.

    Raises:
        CliError: there is no `=`, or something on the way is no object.
    """
    path, found, text = assignment.partition("=")
    *way, last = path.split(".")
    if not found or not all([*way, last]):
        raise CliError(f"--set: {assignment!r} is no NAME=VALUE", hint="for example --set progress=40")
    target: Any = event
    for name in way:
        target = target.setdefault(name, {})
        if not isinstance(target, dict):
            raise CliError(f"--set: {name!r} of {assignment!r} is no object already")
    try:
        target[last] = json.loads(text)
    except (ValueError, RecursionError):
        target[last] = text
