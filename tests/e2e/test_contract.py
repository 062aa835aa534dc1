"""RPCs that are not served yet say so with a reason."""

from __future__ import annotations

import grpc
import pytest
from running_system import System

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_core.status import from_rpc_error

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetBatch", pb.GetBatchRequest(name=f"batches/{ULID}")),
        ("CancelBatch", pb.CancelBatchRequest(name=f"batches/{ULID}")),
        ("PauseBatch", pb.PauseBatchRequest(name=f"batches/{ULID}")),
        ("ResumeBatch", pb.ResumeBatchRequest(name=f"batches/{ULID}")),
        ("RetryBatch", pb.RetryBatchRequest(name=f"batches/{ULID}")),
        ("GetIssueRun", pb.GetIssueRunRequest(name=f"batches/{ULID}/runs/7")),
        ("DrainAgent", pb.DrainAgentRequest(name="agents/none")),
        ("ResolveApproval", pb.ResolveApprovalRequest(name=f"batches/{ULID}/runs/7", approved=True)),
    ],
)
async def test_refusal_has_a_reason(system: System, method: str, request_: object) -> None:
    """What is not there is NOT_FOUND, what is not served is UNIMPLEMENTED; both carry one reason of the proto."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(system.stub, method)(request_, timeout=10)
    error = from_rpc_error(caught.value)
    expected = {
        "NOT_FOUND": ("BATCH_NOT_FOUND", "RUN_NOT_FOUND", "AGENT_NOT_FOUND"),
        "UNIMPLEMENTED": ("NOT_IMPLEMENTED",),
    }
    assert error.reason in expected[error.code.name]
