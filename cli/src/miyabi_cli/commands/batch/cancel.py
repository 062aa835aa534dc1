"""`miyabi cancel`: ends a batch before its end."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Json
from miyabi_cli.asking.changing import change_batch


def cancel(
    batch: Batch,
    reason: Annotated[str, typer.Option(help="For the log; at most 500 characters.")] = "",
    *,
    as_json: Json = False,
) -> None:
    """End a batch; what leased tasks have done so far stays, pull requests too. A cancelled batch stays cancelled."""
    change_batch(batch, pb.CancelBatchRequest(reason=reason), as_json=as_json)
