"""Arguments and options that several words have, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi_cli.asking.completion import complete_agents, complete_batches, complete_issues

Batch = Annotated[
    str, typer.Argument(metavar="BATCH", help="batches/ULID, the ULID, or latest.", autocompletion=complete_batches)
]
Issue = Annotated[
    int, typer.Argument(metavar="ISSUE", min=1, help="Number of the issue.", autocompletion=complete_issues)
]
AgentId = Annotated[
    str,
    typer.Argument(
        metavar="AGENT", help="agents/ID or the id, as `miyabi agents` lists it.", autocompletion=complete_agents
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it again whenever it changed, until Ctrl-C.")]
Every = Annotated[float, typer.Option(min=0.2, max=3600, help="With --watch: seconds between two looks.")]
