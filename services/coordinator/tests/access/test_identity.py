"""Who may do what to a coordinator, whose name stands in its log, and what the audit keeps."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from identity_files import entry, new_token, write_identities

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc, state_pb2
from miyabi.keda.v1 import external_scaler_pb2
from miyabi_coordinator.policy import POLICY
from miyabi_coordinator.servicer.audit import AUDITED
from miyabi_coordinator.testing import REPOSITORY
from miyabi_core.access.identity import Identity, Role, expanded
from miyabi_core.access.security import ClientSecurity
from miyabi_core.channel import open_channel
from miyabi_core.ids import new_ulid
from miyabi_core.status import from_rpc_error

OPERATORS = "miyabi.coordinator.v1.CoordinatorService"
DISPATCH = "miyabi.coordinator.v1.DispatchService"
MISSING = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"
#: A well-formed request of each RPC, about things that are not there.
REQUESTS = {
    "SubmitBatch": pb.SubmitBatchRequest(repository="no/such", issue_numbers=[1]),
    "WatchBatch": pb.WatchBatchRequest(name=MISSING),
    "GetBatch": pb.GetBatchRequest(name=MISSING),
    "ListBatches": pb.ListBatchesRequest(),
    "CancelBatch": pb.CancelBatchRequest(name=MISSING),
    "PauseBatch": pb.PauseBatchRequest(name=MISSING),
    "ResumeBatch": pb.ResumeBatchRequest(name=MISSING),
    "RetryBatch": pb.RetryBatchRequest(name=MISSING),
    "GetIssueRun": pb.GetIssueRunRequest(name=f"{MISSING}/runs/1"),
    "ListAgents": pb.ListAgentsRequest(),
    "DrainAgent": pb.DrainAgentRequest(name="agents/nobody"),
    "ResolveApproval": pb.ResolveApprovalRequest(name=f"{MISSING}/runs/1", approved=True),
    "WatchEvents": pb.WatchEventsRequest(cursor="nonsense"),
    "ListAuditEntries": pb.ListAuditEntriesRequest(),
    "ListLimitSteps": pb.ListLimitStepsRequest(),
    "ListModelCalls": pb.ListModelCallsRequest(parent=f"{MISSING}/runs/1"),
    "Attach": dispatch_service_pb2.AttachRequest(heartbeat=dispatch_service_pb2.Heartbeat()),
    "IsActive": external_scaler_pb2.ScaledObjectRef(),
    "StreamIsActive": external_scaler_pb2.ScaledObjectRef(),
    "GetMetricSpec": external_scaler_pb2.ScaledObjectRef(),
    "GetMetrics": external_scaler_pb2.GetMetricsRequest(),
}
REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


class Known:
    """A coordinator that knows its callers: their tokens, and a stub for each of them."""

    def __init__(self, target, tokens):
        self.target = target
        self.tokens = tokens

    @asynccontextmanager
    async def channel(self, name, *, service=OPERATORS):
        """Open a channel of an identity; "" shows nothing."""
        token = self.tokens.get(name)
        security = ClientSecurity(token=(lambda: token) if token else None)
        async with open_channel(self.target, service=service, security=security) as channel:
            yield channel


@pytest.fixture
def known(stack, tmp_path):
    """Starts a coordinator that knows one identity of each role, and a few more."""

    @asynccontextmanager
    async def start():
        people = {
            "vera": ("viewer",), "sam": ("submitter",), "sue": ("submitter",), "olga": ("operator",),
            "agent-1": ("agent",), "agent-2": ("agent",),
        }  # fmt: skip
        tokens = {name: new_token() for name in people}
        entries = [entry(name, *roles, token=tokens[name]) for name, roles in people.items()]
        path = write_identities(tmp_path / "identities.yaml", *entries)
        async with stack.serving(identities_file=path) as target:
            yield Known(target, tokens)

    return start


async def code_of(channel, service, method):
    """Call an RPC by its descriptor; returns the code that it ends with, OK where it goes on."""
    pool = pb.DESCRIPTOR.pool.FindServiceByName(service).methods_by_name[method]
    kind = f"{'stream' if pool.client_streaming else 'unary'}_{'stream' if pool.server_streaming else 'unary'}"
    request = REQUESTS[method]
    call = getattr(channel, kind)(
        f"/{service}/{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=lambda data: data,
    )(iter([request]) if pool.client_streaming else request)
    try:
        async with asyncio.timeout(20):
            if pool.server_streaming:
                async for _ in call:
                    break
            else:
                await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def submit(*numbers, **fields):
    return pb.SubmitBatchRequest(
        repository=REPOSITORY, issue_numbers=numbers, pipeline=state_pb2.PIPELINE_TRIAGE, **fields
    )


async def submitted(channel, operators, *numbers, **fields):
    """Submit and return the name of the batch, from its first event."""
    call = operators(channel).SubmitBatch(submit(*numbers, **fields))
    answer = await call.read()
    call.cancel()
    return answer.events[0].batch


async def test_each_role_against_each_rpc(known):
    """Every identity gets to exactly the calls that the table gives its roles, and nobody without a token to any."""
    roles = {"vera": Role.VIEWER, "sam": Role.SUBMITTER, "olga": Role.OPERATOR, "agent-1": Role.AGENT}
    expected, actual = {}, {}
    async with known() as coordinator:
        for name in (*roles, ""):
            for service, methods in POLICY.items():
                async with coordinator.channel(name, service=service) as channel:
                    for method, wanted in methods.items():
                        allowed = bool(name) and Identity(name, expanded([roles[name]])).has(*wanted)
                        expected[name, method] = "let in" if allowed else "refused"
                        code = await code_of(channel, service, method)
                        actual[name, method] = "refused" if code in REFUSED else "let in"
    assert expected == actual
    assert len(REQUESTS) * 5 == len(actual)


def test_every_call_that_changes_something_is_audited():
    """What is not audited only reads, by its name."""
    others = set(POLICY[OPERATORS]) - AUDITED
    assert all(method.startswith(("Get", "List", "Watch")) for method in others)
    assert not any(method.startswith(("Get", "List", "Watch")) for method in AUDITED)


async def test_who_did_what_stands_in_the_batch(known, operators):
    """The requester is in the spec, and each change of the batch's state names who made it."""
    async with known() as coordinator, coordinator.channel("sam") as sam, coordinator.channel("olga") as olga:
        name = await submitted(sam, operators, 1)
        await operators(sam).PauseBatch(pb.PauseBatchRequest(name=name))
        await operators(olga).ResumeBatch(pb.ResumeBatchRequest(name=name))
        await operators(sam).CancelBatch(pb.CancelBatchRequest(name=name))
        answer = await operators(sam).GetBatch(pb.GetBatchRequest(name=name))
        events = [
            event
            async for response in operators(sam).WatchBatch(pb.WatchBatchRequest(name=name))
            for event in response.events
        ]
    assert answer.batch.spec.requester == "sam"
    assert events[0].actor == "sam"
    states = [event for event in events if event.HasField("batch_state_changed")]
    changes = [(event.actor, event.batch_state_changed.to_state) for event in states]
    assert changes == [
        ("sam", state_pb2.BATCH_STATE_PAUSED),
        ("olga", state_pb2.BATCH_STATE_RUNNING),
        ("sam", state_pb2.BATCH_STATE_CANCELLED),
    ]


@pytest.mark.parametrize("method", ["CancelBatch", "PauseBatch", "ResumeBatch", "RetryBatch"])
async def test_submitter_changes_only_its_own_batches(method, known, operators):
    """Another submitter's batch is seen and not touched; an operator may touch it."""
    request = getattr(pb, f"{method}Request")
    async with known() as coordinator, coordinator.channel("sam") as sam, coordinator.channel("sue") as sue:
        name = await submitted(sam, operators, 1)
        assert (await operators(sue).GetBatch(pb.GetBatchRequest(name=name))).batch.name == name
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await getattr(operators(sue), method)(request(name=name))
        error = from_rpc_error(caught.value)
        assert (caught.value.code(), error.reason, error.metadata) == (
            grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED", {"role": "operator"},
        )  # fmt: skip
        after = await operators(sue).GetBatch(pb.GetBatchRequest(name=name))
        assert after.batch.state == state_pb2.BATCH_STATE_RUNNING


@pytest.mark.parametrize(
    ("name", "agent_id", "welcome"),
    [
        ("agent-1", "agent-1", True), ("agent-1", "agent-1-pod7", True), ("agent-1", "agent-2", False),
        ("agent-1", "agent-11", False), ("agent-2", "agent-1", False), ("agent-2", "agent-1-pod7", False),
    ],
)  # fmt: skip
async def test_agent_id_is_bound_to_its_identity(name, agent_id, welcome, known):
    """An agent attaches under its own name or an id below it; nobody takes over another one's id."""
    async with known() as coordinator, coordinator.channel(name, service=DISPATCH) as channel:
        call = dispatch_service_pb2_grpc.DispatchServiceStub(channel).Attach()
        hello = dispatch_service_pb2.Hello(agent_id=agent_id, capabilities=[1], slots=1)
        await call.write(dispatch_service_pb2.AttachRequest(hello=hello))
        if welcome:
            assert (await call.read()).HasField("welcome")
            call.cancel()
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert from_rpc_error(caught.value).metadata == {"role": "agent"}


async def audit(channel, operators, **fields):
    """Return the audit's newest entries as short tuples."""
    answer = await operators(channel).ListAuditEntries(pb.ListAuditEntriesRequest(**fields))
    return [(entry.actor, entry.method, entry.resource, entry.code) for entry in answer.entries]


async def refused_calls(coordinator, operators, name):
    """Ask for what is not there or not allowed, as several people and as nobody."""
    for who, method, message in (
        ("vera", "CancelBatch", pb.CancelBatchRequest(name=name)),
        ("sue", "CancelBatch", pb.CancelBatchRequest(name=name)),
        ("", "DrainAgent", pb.DrainAgentRequest(name="agents/a")),
        ("sam", "ResolveApproval", pb.ResolveApprovalRequest(name=f"{name}/runs/1", approved=True)),
        ("olga", "ResolveApproval", pb.ResolveApprovalRequest(name=f"{name}/runs/1", approved=True)),
    ):
        async with coordinator.channel(who) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await getattr(operators(channel), method)(message)


async def test_audit_keeps_what_was_done_and_what_was_refused(known, operators):
    """Each mutating call leaves one entry, whether it worked, failed, was forbidden or came from nobody."""
    request_id = new_ulid()
    async with known() as coordinator:
        async with coordinator.channel("sam") as sam:
            name = await submitted(sam, operators, 1, request_id=request_id)
            await operators(sam).PauseBatch(pb.PauseBatchRequest(name=name))
            await operators(sam).GetBatch(pb.GetBatchRequest(name=name))
            for request in (submit(99), pb.SubmitBatchRequest(repository="bad")):
                with pytest.raises(grpc.aio.AioRpcError):
                    await operators(sam).SubmitBatch(request).read()
        await refused_calls(coordinator, operators, name)
        async with coordinator.channel("olga") as olga:
            entries = await audit(olga, operators)
            below = await audit(olga, operators, resource=name, actor="olga")
            whole = await operators(olga).ListAuditEntries(pb.ListAuditEntriesRequest(page_size=1000))
    run = f"{name}/runs/1"
    assert entries == [
        ("olga", "ResolveApproval", run, "NOT_FOUND"),
        ("sam", "ResolveApproval", run, "PERMISSION_DENIED"),
        ("", "DrainAgent", "agents/a", "UNAUTHENTICATED"),
        ("sue", "CancelBatch", name, "PERMISSION_DENIED"),
        ("vera", "CancelBatch", name, "PERMISSION_DENIED"),
        ("sam", "SubmitBatch", "bad", "INVALID_ARGUMENT"),
        ("sam", "SubmitBatch", REPOSITORY, "NOT_FOUND"),
        ("sam", "PauseBatch", name, "OK"),
        ("sam", "SubmitBatch", name, "OK"),
    ]
    assert below == entries[:1]
    assert whole.entries[-1].request_id == request_id
    times = [entry.time.ToNanoseconds() for entry in whole.entries]
    assert times == sorted(times, reverse=True)


async def test_audit_in_pages(stack, operators):
    """Pages join without a gap or an overlap; where identity is off the actor is `local`."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        for number in range(7):
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.DrainAgent(pb.DrainAgentRequest(name=f"agents/a{number}"))
        pages, token = [], ""
        while not pages or token:
            answer = await stub.ListAuditEntries(pb.ListAuditEntriesRequest(page_size=3, page_token=token))
            pages.append([entry.resource for entry in answer.entries])
            token = answer.next_page_token
        assert pages == [
            ["agents/a6", "agents/a5", "agents/a4"],
            ["agents/a3", "agents/a2", "agents/a1"],
            ["agents/a0"],
        ]
        assert await audit(channel, operators, resource="agents/a3") == [
            ("local", "DrainAgent", "agents/a3", "NOT_FOUND")
        ]
        for bad in ("nonsense", "cDE6eA=="):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ListAuditEntries(pb.ListAuditEntriesRequest(page_token=bad))
            assert from_rpc_error(caught.value).reason == "BAD_CURSOR"


async def test_entry_of_a_submit_does_not_wait_for_its_stream(known, operators):
    """A batch that runs on is in the audit as soon as it was accepted."""
    async with known() as coordinator, coordinator.channel("sam") as sam, coordinator.channel("olga") as olga:
        call = operators(sam).SubmitBatch(submit(1))
        name = (await call.read()).events[0].batch
        await operators(sam).PauseBatch(pb.PauseBatchRequest(name=name))
        assert await audit(olga, operators, resource=name) == [
            ("sam", "PauseBatch", name, "OK"),
            ("sam", "SubmitBatch", name, "OK"),
        ]
        call.cancel()


async def test_revoked_agent_loses_its_stream(stack, tmp_path):
    """An agent that is struck from the identities is cut off with its next heartbeat."""
    token = new_token()
    path = write_identities(tmp_path / "identities.yaml", entry("agent-1", "agent", token=token))
    async with (
        stack.serving(identities_file=path) as target,
        open_channel(target, service=DISPATCH, security=ClientSecurity(token=lambda: token)) as own,
    ):
        call = dispatch_service_pb2_grpc.DispatchServiceStub(own).Attach()
        hello = dispatch_service_pb2.Hello(agent_id="agent-1", capabilities=[1], slots=1)
        await call.write(dispatch_service_pb2.AttachRequest(hello=hello))
        assert (await call.read()).HasField("welcome")
        write_identities(path, entry("agent-2", "agent", token=new_token()))
        beat = dispatch_service_pb2.AttachRequest(heartbeat=dispatch_service_pb2.Heartbeat())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async with asyncio.timeout(20):
                await _beat_until_cut(call, beat)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def _beat_until_cut(call, beat):
    """Send heartbeats until the stream ends with an error."""
    reading = asyncio.create_task(call.read())
    while not reading.done():
        await call.write(beat)
        await asyncio.wait({reading}, timeout=0.2)
    await reading


async def test_token_stands_in_no_log(known, operators, capfd):
    """Neither a good token nor a bad one is written anywhere."""
    wrong = new_token()
    async with known() as coordinator:
        async with coordinator.channel("sam") as sam:
            await submitted(sam, operators, 1)
        coordinator.tokens["mallory"] = wrong
        async with coordinator.channel("mallory") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await operators(channel).ListBatches(pb.ListBatchesRequest())
        tokens = list(coordinator.tokens.values())
    written = "".join(capfd.readouterr())
    assert "actor=sam" in written or '"actor": "sam"' in written
    assert not any(token in written for token in tokens)
