"""The whole system where nobody is let in without a token."""

from __future__ import annotations

from pathlib import Path

import grpc
import httpx
import pytest
from running_system import running_system
from test_batches import explain, request

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi.coordinator.v1.state_pb2 import RunState


@pytest.mark.slow(reason="a second whole system, with identities")
@pytest.mark.timeout(300)
async def test_batch_ends_in_a_pull_request_with_every_hop_known(tmp_path: Path) -> None:
    """Each process knows its callers: a fix goes through all of them, and the audit and the log name who asked.

    The coordinator reads GitHub as a viewer, the agent attaches, clones, writes and pushes as an agent, and the page
    follows as a viewer; a caller without a token gets nowhere, and no log holds a token.
    """
    async with running_system(tmp_path, identity=True) as system:
        events = [event async for event in system.client.submit(request(1))]
        results = events[-1].batch_finished.results
        assert [result.state for result in results] == [RunState.RUN_STATE_SUCCEEDED], explain(events)
        assert (events[0].actor, events[0].batch_accepted.batch.spec.requester) == ("operator", "operator")
        audit = await system.stub.ListAuditEntries(pb.ListAuditEntriesRequest())
        assert [(entry.actor, entry.method, entry.code) for entry in audit.entries] == [
            ("operator", "SubmitBatch", "OK")
        ]
        async with grpc.aio.insecure_channel(system.target) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await CoordinatorServiceStub(channel).ListBatches(pb.ListBatchesRequest())
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        ports, identities = system.stack.options.ports, system.stack.options.identities
        token = identities.token_file("operator").read_text().strip()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.dashboard}") as http:
            assert (await http.get("/api/batches")).status_code == 401
            shown = await http.get("/api/batches", headers={"authorization": f"Bearer {token}"})
            assert [batch["name"] for batch in shown.json()["batches"]] == [events[0].batch]
    logs = "".join(path.read_text() for path in (tmp_path / "data/logs").iterdir())
    tokens = [path.read_text().strip() for path in identities.folder.glob("*.token")]
    assert len(tokens) == 5
    assert not any(secret in logs for secret in tokens)
    assert all(path.stat().st_mode & 0o077 == 0 for path in identities.folder.iterdir())
