"""Arguments and options that several words have, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi_cli.asking.completion import complete_agents, complete_batches, complete_issues

#: Largest number of an issue: what the protos hold (int32).
LARGEST_ISSUE = 2**31 - 1
#: Largest sequence of an event: what the protos hold (int64).
LARGEST_SEQUENCE = 2**63 - 1

Batch = Annotated[
    str, typer.Argument(metavar="BATCH", help="batches/ULID, the ULID, or latest.", autocompletion=complete_batches)
]
Issue = Annotated[
    int,
    typer.Argument(
        metavar="ISSUE", min=1, max=LARGEST_ISSUE, help="Number of the issue.", autocompletion=complete_issues
    ),
]
After = Annotated[int, typer.Option(min=0, max=LARGEST_SEQUENCE, help="Last sequence that was seen.")]
AgentId = Annotated[
    str,
    typer.Argument(
        metavar="AGENT", help="agents/ID or the id, as `miyabi agents` lists it.", autocompletion=complete_agents
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it again whenever it changed, until Ctrl-C.")]
Every = Annotated[float, typer.Option(min=0.2, max=3600, help="With --watch: seconds between two looks.")]
