"""`miyabi pause`: no new lease for a batch; what runs is finished."""

from __future__ import annotations

from typing import Annotated

import typer

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Json
from miyabi_cli.asking.changing import change_batch


def pause(
    batch: Batch,
    reason: Annotated[str, typer.Option(help="For the log; at most 500 characters.")] = "",
    *,
    as_json: Json = False,
) -> None:
    """Give no new lease for a running batch; tasks that run are finished. `miyabi resume` goes on."""
    change_batch(batch, pb.PauseBatchRequest(reason=reason), as_json=as_json, then="resume")
