"""Row identity: what knowing the caller costs a unary call."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.measuring.report import Options, Row, percentile
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import (
    CoordinatorServiceServicer,
    CoordinatorServiceStub,
    add_CoordinatorServiceServicer_to_server,
)
from miyabi_coordinator.policy import POLICY
from miyabi_core.access.identities import Identities
from miyabi_core.access.security import ClientSecurity, ServerSecurity
from miyabi_core.access.tokens import new_token, token_digest
from miyabi_core.channel import open_channel
from miyabi_core.testing import running_server

#: The service that is called.
SERVICE = "miyabi.coordinator.v1.CoordinatorService"
#: Calls of one turn; both sides take turns, so that the machine's moods meet both.
CALLS = 500
#: Turns for each of the repeats.
TURNS = 4
#: Identities in the file: a large team with its services.
IDENTITIES = 1000
#: Most that a call may cost in processor time, both ends together, beside one where identity is off.
GOAL_RATIO = 1.1
#: One turn: the milliseconds of each call, and the processor's milliseconds a call.
_Turn = tuple[list[float], float]
_REQUEST = pb.GetBatchRequest(name="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV")


class _Immediate(CoordinatorServiceServicer):
    """Answers at once, so that nothing is measured but what surrounds a call."""

    async def GetBatch(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchResponse:  # noqa: N802
        """Answer nothing."""
        del request, context
        return pb.GetBatchResponse()


async def rows(options: Options) -> AsyncIterator[Row]:
    """Measure calls to a server that knows its callers by token, and to one where identity is off."""
    with tempfile.TemporaryDirectory() as folder:
        off, on = await _measure(Path(folder), turns=TURNS * options.repeats)
    ours, baseline = _summary(on), _summary(off)
    added = ours["cpu_ms"] - baseline["cpu_ms"]
    yield Row(
        row="identity",
        ours={**ours, "added_cpu_ms": round(added, 4), "identities": IDENTITIES},
        baseline={**baseline, "what": "the same server and calls, identity off"},
        ratio=ours["cpu_ms"] / baseline["cpu_ms"],
        goal=f"a unary call takes ≤ {GOAL_RATIO} of the processor time",
        passed=ours["cpu_ms"] <= GOAL_RATIO * baseline["cpu_ms"],
        n=len(on) * CALLS,
    )


async def _measure(folder: Path, *, turns: int) -> tuple[list[_Turn], list[_Turn]]:
    """Return the turns without and with identity."""
    token, security = _known(folder)
    servicer = _Immediate()  # type: ignore[abstract]  # one of its calls is made
    registration = (add_CoordinatorServiceServicer_to_server, servicer, SERVICE)
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(running_server(registration))
        guarded = await stack.enter_async_context(running_server(registration, security=security, policy=POLICY))
        shown = ClientSecurity(token=lambda: token)
        stubs: list[Any] = [
            CoordinatorServiceStub(await stack.enter_async_context(open_channel(plain, service=SERVICE))),
            CoordinatorServiceStub(
                await stack.enter_async_context(open_channel(guarded, service=SERVICE, security=shown))
            ),
        ]
        for stub in stubs:
            await _turn(stub)
        found: tuple[list[_Turn], list[_Turn]] = ([], [])
        for turn in range(turns):
            for side in (0, 1) if turn % 2 else (1, 0):
                found[side].append(await _turn(stubs[side]))
    return found


async def _turn(stub: Any) -> _Turn:
    """Call one after the other."""
    spent = []
    cpu = time.process_time()
    for _ in range(CALLS):
        began = time.perf_counter()
        await stub.GetBatch(_REQUEST)
        spent.append((time.perf_counter() - began) * 1000)
    return spent, (time.process_time() - cpu) * 1000 / CALLS


def _known(folder: Path) -> tuple[str, ServerSecurity]:
    """Return a token and a server's security that knows it among many."""
    tokens = [new_token() for _ in range(IDENTITIES)]
    entries = [
        {"name": f"user{number}", "roles": ["viewer"], "tokens": [{"sha256": token_digest(token)}]}
        for number, token in enumerate(tokens)
    ]
    path = folder / "identities.yaml"
    path.write_text(yaml.safe_dump({"identities": entries}))
    return tokens[-1], ServerSecurity(identities=Identities(path))


def _summary(turns: list[_Turn]) -> dict[str, Any]:
    """Return the medians over turns."""
    return {
        "p50_ms": round(median(percentile(spent, 0.5) for spent, _ in turns), 4),
        "p99_ms": round(median(percentile(spent, 0.99) for spent, _ in turns), 4),
        "cpu_ms": round(median(cpu for _, cpu in turns), 4),
    }
