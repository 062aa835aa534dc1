"""Opens channels to other services: keepalive, retries, trace context and token in one place."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc

from miyabi_core.access.carried_grant import GRANT_HEADER, current_grant
from miyabi_core.access.client_security import PLAIN, ClientSecurity
from miyabi_core.trace_context import inject

#: The largest message that is taken: a change set of many files fits, a mistake does not.
MAX_MESSAGE_BYTES = 32 << 20
#: A silent connection is probed this often; servers permit it (server.py).
KEEPALIVE_INTERVAL = timedelta(seconds=20)
#: A probe without an answer for this long means that the peer is gone.
KEEPALIVE_TIMEOUT = timedelta(seconds=10)
#: Largest trailers of an answer: an error may list some hundred problems; gRPC's own 8 KB hold thirty of them.
MAX_METADATA_BYTES = 256 << 10
#: Names are looked up at most this often; gRPC's own 30 s would outlast a rolling update.
NAME_LOOKUP_INTERVAL = timedelta(seconds=1)
#: RPCs that may not be repeated by the channel: they are not idempotent without a request id, or live streams.
NOT_REPEATED = ("SubmitBatch", "Attach")

_RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}

_Metadata = list[tuple[str, str | bytes]]
_Decorate = Callable[[Any], grpc.aio.ClientCallDetails]


def service_config(service: str, *, wait_for_ready: bool = False) -> str:
    """Return the gRPC service config: idempotent RPCs are repeated on UNAVAILABLE, the others never.

    With *wait_for_ready* a call waits for a server until its deadline, rather than fail while there is none. Calls go
    round all addresses of a name, so that a headless Kubernetes service is balanced.

    Source: github.com/grpc/proposal A6, A24; github.com/grpc/grpc doc/service_config.md, doc/wait-for-ready.md.
    """
    waits = {"waitForReady": True} if wait_for_ready else {}
    excluded = [{"service": service, "method": method} for method in NOT_REPEATED]
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [
                {"name": excluded, **waits},
                {"name": [{"service": service}], "retryPolicy": _RETRY_POLICY, **waits},
            ],
        }
    )


def open_channel(
    target: str,
    *,
    service: str,
    security: ClientSecurity = PLAIN,
    wait_for_ready: bool = False,
    carries_grants: bool = False,
) -> grpc.aio.Channel:
    """Open a channel; it connects at the first call and reconnects by itself.

    Args:
        target: gRPC name, for example `localhost:50051` or `dns:///coordinator:50051`.
        service: Full name of the service whose RPCs may be repeated.
        security: What to show. Default: nothing, in plain text.
        wait_for_ready: Let calls wait for a server until their deadline, which each must have. Default: they fail.
        carries_grants: Let each call show the grant of the task that makes it. Default: none does.

    Raises:
        FailedPreconditionError: a token would cross a network in plain text.
    """
    security.check(target)
    options = _options(service, wait_for_ready=wait_for_ready)
    interceptors = _interceptors(_decorator(security.token, carries_grants=carries_grants))
    if security.tls is not None:
        return grpc.aio.secure_channel(target, security.tls, options=options, interceptors=interceptors)
    return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)


def _options(service: str, *, wait_for_ready: bool) -> list[tuple[str, str | int]]:
    """Return a channel's options, in gRPC's names."""
    return [
        ("grpc.service_config", service_config(service, wait_for_ready=wait_for_ready)),
        ("grpc.keepalive_time_ms", _milliseconds(KEEPALIVE_INTERVAL)),
        ("grpc.keepalive_timeout_ms", _milliseconds(KEEPALIVE_TIMEOUT)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.dns_min_time_between_resolutions_ms", _milliseconds(NAME_LOOKUP_INTERVAL)),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 5000),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        # Two stacks on one machine must not share connections through the process-wide pool.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def _milliseconds(span: timedelta) -> int:
    """Convert to whole milliseconds."""
    return int(span.total_seconds() * 1000)


def _decorator(token: Callable[[], str] | None, *, carries_grants: bool) -> _Decorate:
    """Return what adds the trace context, the token and the grant to a call."""

    def decorate(details: Any) -> grpc.aio.ClientCallDetails:
        metadata: _Metadata = inject(list(details.metadata or ()))
        if token is not None:
            metadata.append(("authorization", f"Bearer {token()}"))
        if carries_grants and (grant := current_grant()):
            metadata.append((GRANT_HEADER, grant))
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=details.timeout,
            metadata=grpc.aio.Metadata(*metadata),
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )

    return decorate


def _interceptors(decorate: _Decorate) -> list[grpc.aio.ClientInterceptor]:
    """Return one interceptor for each kind of call; gRPC sorts them by class, so that four are needed."""

    class UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
            return await continuation(decorate(client_call_details), request)

    class UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
        async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
            return await continuation(decorate(client_call_details), request)

    class StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
        async def intercept_stream_unary(
            self, continuation: Any, client_call_details: Any, request_iterator: Any
        ) -> Any:
            return await continuation(decorate(client_call_details), request_iterator)

    class StreamStream(grpc.aio.StreamStreamClientInterceptor):
        async def intercept_stream_stream(
            self, continuation: Any, client_call_details: Any, request_iterator: Any
        ) -> Any:
            return await continuation(decorate(client_call_details), request_iterator)

    return [UnaryUnary(), UnaryStream(), StreamUnary(), StreamStream()]
