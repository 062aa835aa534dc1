"""Whatever goes wrong at GitHub or on the way, callers get data or one documented reason, and no write happens twice."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from running_gateway import REPOSITORY, Running, gateway_before, push_branches, simulated

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.metrics import REGISTRY
from miyabi_core.status import from_rpc_error
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_sim.github import Fault, fast_clock

#: GitHub's clock runs so fast that a minute's pause is over within the caller's time.
SCALE = 1000.0
#: What goes wrong, by name. Slow ones last for as long as the gateway waits, and longer.
FAULTS = {
    "timeout": Fault(kind="timeout", seconds=3),
    "cut before the answer": Fault(kind="drop"),
    "reset mid-body": Fault(kind="reset"),
    "500": Fault(status=500),
    "502 with HTML": Fault(kind="html", status=502),
    "503": Fault(status=503),
    "403 secondary with healthy headers": Fault(kind="secondary"),
    "403 secondary with retry-after": Fault(kind="secondary", retry_after=60),
    "429 with retry-after": Fault(status=429, retry_after=60),
    "429 without retry-after": Fault(status=429),
    "200 with a limit in the errors": Fault(kind="graphql_limit"),
    "malformed JSON": Fault(kind="malformed"),
    "wrong content type": Fault(kind="content_type"),
    "slow drip": Fault(kind="drip", seconds=5),
}
LIMITS = [name for name in FAULTS if name.startswith(("403", "429", "200"))]
SPOILED = ["malformed JSON", "wrong content type"]
#: What each is called in the metric of faults.
REASONS = {
    "timeout": "no_answer_in_time", "cut before the answer": "cut_off", "reset mid-body": "cut_off",
    "500": "server_error", "502 with HTML": "too_long", "503": "server_error",
    **dict.fromkeys(LIMITS, "secondary_limit"), **dict.fromkeys(SPOILED, "malformed"), "slow drip": "no_answer_in_time",
}  # fmt: skip
#: Done before the fault, whatever the fault says: their answers are the right ones, spoiled.
ALWAYS_DONE = ["reset mid-body", "wrong content type", "slow drip"]

#: Branches that were not read yet.
UNREAD_BRANCHES = range(200)
UNREAD = iter(UNREAD_BRANCHES)

Call = Callable[[Running, str], Awaitable[object]]


async def read(gateway: Running) -> object:
    """Read something that was not read before, so that no read of another test answers it."""
    request = pb.GetRepositoryRequest(repository=REPOSITORY, branch=f"branch-{next(UNREAD)}")
    return await gateway.stub.GetRepository(request, timeout=20)


async def comment(gateway: Running, mark: str) -> object:
    """Write a comment."""
    request = pb.UpsertCommentRequest(repository=REPOSITORY, number=3, marker=mark, body=f"<{mark}>")
    return await gateway.stub.UpsertComment(request, timeout=20)


async def issue(gateway: Running, mark: str) -> object:
    """Open an issue."""
    request = pb.CreateIssueRequest(repository=REPOSITORY, title=f"<{mark}>", body="b", marker=mark)
    return await gateway.stub.CreateIssue(request, timeout=20)


async def labels(gateway: Running, mark: str) -> object:
    """Add a label."""
    request = pb.SetLabelsRequest(repository=REPOSITORY, number=4, add=[pb.LabelDefinition(name=f"<{mark}>")])
    return await gateway.stub.SetLabels(request, timeout=20)


#: Writes by the operation that the simulated GitHub knows them by.
WRITES: dict[str, Call] = {"comments.create": comment, "issues.create": issue, "SetLabels": labels}


def made(gateway: Running, mark: str) -> int:
    """Return how often a write has taken effect at GitHub, whichever it was."""
    items = gateway.github.store.repository("acme", "toy").items
    return (
        sum(f"<{mark}>" in comment.body for comment in items[3].comments)
        + sum(item.title == f"<{mark}>" for item in items.values())
        + items[4].labels.count(f"<{mark}>")
    )


def counted(resource: str, reason: str) -> float:
    """Return how many requests have gone wrong in a way."""
    labels = {"resource": resource, "reason": reason}
    return REGISTRY.get_sample_value("miyabi_github_faults_total", labels) or 0.0


def fault_of(name: str, **more: object) -> Fault:
    """Return a fresh fault."""
    pattern = FAULTS[name]
    options = {"kind": pattern.kind, "status": pattern.status, "seconds": pattern.seconds, **more}
    return Fault(retry_after=pattern.retry_after, **options)  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(tmp_path_factory: pytest.TempPathFactory, valkey: EmbeddedValkey) -> AsyncIterator[Running]:
    """A gateway that keeps nothing, waits a quarter of a second for an answer and draws short pauses, before a GitHub whose clock is fast."""
    folder = tmp_path_factory.mktemp("matrix")
    uncached = {"cache_ttl_ms": 0, "cache_volatile_ms": 0, "cache_revalidate_seconds": 0, "cache_spare_seconds": 0}
    options = {"time_scale": SCALE, "answer_seconds": 0.25, **uncached}
    async with (
        simulated(folder, clock=fast_clock(SCALE)) as (github, token),
        gateway_before(github, token, valkey.url, **options) as running,
    ):
        running.gateway.sender.jitter = lambda: 0.05
        push_branches(running, *(f"branch-{number}" for number in UNREAD_BRANCHES))
        yield running


@pytest.fixture
def gateway(shared: Running) -> Running:
    """The gateway, with nothing left of the test before."""
    shared.github.dials.faults.clear()
    shared.github.requests.clear()
    shared.gateway.sender.circuits.clear()
    return shared


@pytest.fixture
def mark() -> str:
    """A name for what the test writes."""
    return secrets.token_hex(6)


async def reason_of(call: Awaitable[object]) -> str:
    """Return why a call failed; empty where it did not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        found = from_rpc_error(error)
        assert found.code is not grpc.StatusCode.RESOURCE_EXHAUSTED or found.retry_after is not None
        return f"{found.code.name} {found.reason}"
    return ""


#: Each fault, before GitHub has acted and after. A refusal for a limit is GitHub's word that it has not.
CASES = [(name, done) for name in FAULTS for done in (False, True) if not (done and name in LIMITS)]


@pytest.mark.parametrize("name", FAULTS)
async def test_read_survives_one_fault(gateway: Running, name: str) -> None:
    """A read whose first try goes wrong gets its data, and the metric says what went wrong."""
    before = counted("graphql", REASONS[name])
    gateway.github.dials.faults.append(fault_of(name, operation="GetRepository"))
    assert await reason_of(read(gateway)) == ""
    assert gateway.github.dials.faults[0].count == 0
    assert counted("graphql", REASONS[name]) - before == 1


@pytest.mark.parametrize(("name", "done"), CASES)
@pytest.mark.parametrize("operation", WRITES)
async def test_write_survives_one_fault_and_happens_once(
    gateway: Running, mark: str, operation: str, done: bool, name: str
) -> None:
    """A write whose first try goes wrong succeeds, whether GitHub had acted or not, and GitHub acted once."""
    gateway.github.dials.faults.append(fault_of(name, operation=operation, after_handling=done))
    assert await reason_of(WRITES[operation](gateway, mark)) == ""
    assert (made(gateway, mark), gateway.github.dials.faults[0].count) == (1, 0)


@pytest.mark.slow(reason="every try of every fault is waited out")
@pytest.mark.parametrize("name", FAULTS)
async def test_read_that_stays_broken_has_one_reason(gateway: Running, name: str) -> None:
    """When every try goes wrong, the caller learns why within its time: trouble, a limit, or nonsense."""
    gateway.github.dials.faults.append(fault_of(name, operation="GetRepository", count=1000))
    expected = "UNAVAILABLE GITHUB_UNAVAILABLE"
    if name in LIMITS:
        expected = "RESOURCE_EXHAUSTED GITHUB_RATE_LIMITED"
    elif name in SPOILED:
        expected = "INTERNAL GITHUB_MALFORMED_ANSWER"
    assert await reason_of(read(gateway)) == expected
    await settled(gateway)


@pytest.mark.slow(reason="every try of every fault is waited out")
@pytest.mark.parametrize("name", FAULTS)
async def test_write_that_stays_broken_has_one_reason_and_happens_at_most_once(
    gateway: Running, mark: str, name: str
) -> None:
    """When every answer to the write goes wrong, it has happened once (and is found) or never (and the caller knows)."""
    gateway.github.dials.faults.append(fault_of(name, operation="comments.create", count=1000))
    reason = await reason_of(comment(gateway, mark))
    if name in ALWAYS_DONE:
        assert (reason, made(gateway, mark)) == ("", 1)
    else:
        expected = "RESOURCE_EXHAUSTED GITHUB_RATE_LIMITED" if name in LIMITS else "UNAVAILABLE GITHUB_UNAVAILABLE"
        assert (reason, made(gateway, mark)) == (expected, 0)
    await settled(gateway)


async def settled(gateway: Running) -> None:
    """Let one read succeed, which ends refusals in a row."""
    gateway.github.dials.faults.clear()
    gateway.gateway.sender.circuits.clear()
    assert await reason_of(read(gateway)) == ""


async def test_pause_longer_than_the_callers_time_is_told_before_it_is_waited(tmp_path: Path, redis_url: str) -> None:
    """After a refusal for two hours, this caller and the next learn at once when to come back."""
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url) as gateway:
        push_branches(gateway, *(f"branch-{number}" for number in UNREAD_BRANCHES))
        github.dials.faults.append(Fault(kind="secondary", retry_after=7200, operation="GetRepository"))
        for call in (read(gateway), comment(gateway, "x")):
            assert await reason_of(call) == "RESOURCE_EXHAUSTED GITHUB_RATE_LIMITED"
        sent = gateway.reads()
        assert (sent.count("GetRepository"), sent.count("comments.list"), sent.count("comments.create")) == (1, 0, 0)


async def test_host_that_fails_again_and_again_is_left_alone(gateway: Running) -> None:
    """After failures in a row nothing is sent, and the caller is told at once; a probe finds the host well again."""
    fault = Fault(status=503, count=1000)
    gateway.github.dials.faults.append(fault)
    while not any(circuit.is_open for circuit in gateway.gateway.sender.circuits.values()):
        assert await reason_of(read(gateway)) == "UNAVAILABLE GITHUB_UNAVAILABLE"
    circuit = next(iter(gateway.gateway.sender.circuits.values()))
    circuit.until += 1_000_000  # the gateway's clock is fast
    # By the fault's count: what a test before left under way is recorded late, but took its fault then.
    left = fault.count
    assert await reason_of(read(gateway)) == "UNAVAILABLE GITHUB_UNAVAILABLE"
    assert fault.count == left
    gateway.github.dials.faults.clear()
    circuit.until = 0.0
    assert await reason_of(read(gateway)) == ""
    assert not circuit.is_open
