"""`miyabi resume`: a paused batch goes on."""

from __future__ import annotations

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_cli.asking.arguments import Batch, Json
from miyabi_cli.asking.changing import change_batch


def resume(batch: Batch, *, as_json: Json = False) -> None:
    """Give leases again for a paused batch."""
    change_batch(batch, pb.ResumeBatchRequest(), as_json=as_json, then="watch")
