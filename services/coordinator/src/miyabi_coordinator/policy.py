"""Which call to the coordinator asks for which role."""

from __future__ import annotations

from miyabi_core.access.identity import Role
from miyabi_core.interceptors import Policy

_VIEWER, _SUBMITTER, _OPERATOR = (Role.VIEWER,), (Role.SUBMITTER,), (Role.OPERATOR,)

#: Every RPC with the least role; a test compares it with the descriptors, and what is not in it is closed to everyone.
#: A submitter looks after its own batches only: `service.ownership`.
POLICY: Policy = {
    "miyabi.coordinator.v1.CoordinatorService": {
        "SubmitBatch": _SUBMITTER,
        "WatchBatch": _VIEWER,
        "GetBatch": _VIEWER,
        "ListBatches": _VIEWER,
        "CancelBatch": _SUBMITTER,
        "PauseBatch": _SUBMITTER,
        "ResumeBatch": _SUBMITTER,
        "RetryBatch": _SUBMITTER,
        "GetIssueRun": _VIEWER,
        "ListAgents": _VIEWER,
        "DrainAgent": _OPERATOR,
        "ResolveApproval": _OPERATOR,
        "WatchEvents": _VIEWER,
        "ListAuditEntries": _OPERATOR,
        "ListLimitSteps": _VIEWER,
        "ListModelCalls": _VIEWER,
    },
    "miyabi.coordinator.v1.DispatchService": {
        "Attach": (Role.AGENT,),
    },
    # KEDA asks how much work there is; it can show a certificate, but no token.
    "externalscaler.ExternalScaler": {
        "IsActive": _VIEWER,
        "StreamIsActive": _VIEWER,
        "GetMetricSpec": _VIEWER,
        "GetMetrics": _VIEWER,
    },
}
