"""Hands batches to the coordinator over gRPC."""

from __future__ import annotations

from typing import Any

import grpc

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi_core.access.security import ClientSecurity
from miyabi_core.channel import open_channel
from miyabi_core.errors import UnavailableError
from miyabi_core.status import from_rpc_error

#: The proto's name.
SERVICE = "miyabi.coordinator.v1.CoordinatorService"
#: The first event, `accepted`, comes as soon as the batch is committed.
ANSWER_SECONDS = 5.0

#: What a batch that a person asks for on its issue goes on with.
OVERRULED = (ProblemKind.PROBLEM_KIND_ISSUE_ASSIGNED,)


class CoordinatorBatches:
    """Implements `ports.BatchStarter`.

    Args:
        target: host:port of the coordinator.
        security: What is shown to it.
    """

    def __init__(self, target: str, *, security: ClientSecurity) -> None:
        self._channel = open_channel(target, service=SERVICE, security=security)
        self._stub: Any = CoordinatorServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def start(self, repository: str, number: int, *, request_id: str) -> str:
        """Start a batch for one issue; hanging up after its first event never cancels it.

        Who asks on the issue itself sees to whom it is assigned: that alone is overruled. What else stands in the way,
        an open pull request or a batch that runs among it, refuses the batch as it would any other.

        Raises:
            FailedPreconditionError: something stands in the way.
            MiyabiError: the coordinator did not accept it for another reason.
        """
        request = pb.SubmitBatchRequest(
            repository=repository, issue_numbers=[number], request_id=request_id, overrule=OVERRULED
        )
        call = self._stub.SubmitBatch(request, timeout=ANSWER_SECONDS)
        try:
            async for answer in call:
                for event in answer.events:
                    return str(event.batch)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()
        raise UnavailableError("the coordinator answered with nothing", reason="SHUTTING_DOWN")
