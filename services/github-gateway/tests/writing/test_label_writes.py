"""Labels are set with one query and one mutation, once, and nobody else's are lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
import httpx
import pytest
from running_gateway import REPOSITORY, Running, push_branches

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.errors import NotFoundError
from miyabi_core.status import from_rpc_error
from miyabi_sim.github import Fault

BUG = pb.LabelDefinition(name="type:bug", color="d73a4a", description="A defect")


def request(
    *, add: Sequence[pb.LabelDefinition] = (), remove: Sequence[str] = (), number: int = 1, repository: str = REPOSITORY
) -> pb.SetLabelsRequest:
    """Return a request; issue 1 has the label `old`."""
    return pb.SetLabelsRequest(repository=repository, number=number, add=add, remove=remove)


def labels(gateway: Running, number: int = 1) -> list[str]:
    """Return the labels of an issue at GitHub."""
    return gateway.github.store.repository("acme", "toy").items[number].labels


def after_the_look(gateway: Running, act: Callable[[], object]) -> None:
    """Let something happen at GitHub, once, between the gateway's query and its mutation."""
    waiting = [act]

    async def heard(answer: httpx.Response) -> None:
        if waiting and b"FindLabels" in answer.request.content:
            waiting.pop()()

    gateway.gateway.sender.client.event_hooks["response"].append(heard)


async def test_labels_are_set_with_one_mutation(running_gateway: Running) -> None:
    """Two labels that the repository has are added and one is removed: a query and a mutation."""
    repository = running_gateway.github.store.repository("acme", "toy")
    for name in ("state:done", "type:bug"):
        running_gateway.github._forge.create_label(repository, name, color="", description="")
    add = [pb.LabelDefinition(name="State:Done"), BUG]
    answer = await running_gateway.stub.SetLabels(request(add=add, remove=["OLD", "none"]))
    assert (list(answer.labels), answer.changed) == (["state:done", "type:bug"], True)
    assert running_gateway.reads() == ["FindLabels", "SetLabels"]
    assert sorted(labels(running_gateway)) == ["state:done", "type:bug"]


async def test_labels_that_are_as_wanted_cost_one_query(running_gateway: Running) -> None:
    """Nothing is written where nothing differs; a label that is to be added and removed is added."""
    answer = await running_gateway.stub.SetLabels(
        request(add=[pb.LabelDefinition(name="OLD")], remove=["old", "type:bug"])
    )
    assert (list(answer.labels), answer.changed) == (["old"], False)
    assert running_gateway.reads() == ["FindLabels"]


async def test_label_is_created_once_with_colour_and_description(running_gateway: Running) -> None:
    """The repository gets the label with the first issue that has it; the next issue finds it."""
    for number in (1, 2):
        await running_gateway.stub.SetLabels(request(add=[BUG], number=number))
    assert running_gateway.reads() == ["FindLabels", "labels.create", "SetLabels", "FindLabels", "SetLabels"]
    made = running_gateway.github.store.repository("acme", "toy").label("type:bug")
    assert made is not None
    assert (made.color, made.description) == ("d73a4a", "A defect")


async def test_pull_request_is_labelled_like_an_issue(running_gateway: Running) -> None:
    """A number may be a pull request's."""
    github = running_gateway.github
    repository = github.store.repository("acme", "toy")
    push_branches(running_gateway, "miyabi/x")
    headers = {"authorization": f"Bearer {running_gateway.token}"}
    async with httpx.AsyncClient(base_url=github.url, headers=headers) as client:
        from_branch = {"title": "t", "head": "miyabi/x", "base": "main"}
        assert (await client.post("/repos/acme/toy/pulls", json=from_branch)).status_code == 201
    number = max(repository.items)
    answer = await running_gateway.stub.SetLabels(request(add=[BUG], number=number))
    assert (list(answer.labels), labels(running_gateway, number)) == (["type:bug"], ["type:bug"])


@pytest.mark.parametrize("operation", ["labels.create", "SetLabels"])
@pytest.mark.parametrize("kind", ["drop", "reset", "status", "malformed"])
async def test_lost_answer_changes_labels_once(running_gateway: Running, kind: str, operation: str) -> None:
    """GitHub acts and its answer is lost: the repeat finds it done, and so does the caller's own repeat."""
    fault = Fault(kind=kind, operation=operation, after_handling=True)
    running_gateway.github.dials.faults.append(fault)
    first = await running_gateway.stub.SetLabels(request(add=[BUG], remove=["old"]))
    second = await running_gateway.stub.SetLabels(request(add=[BUG], remove=["old"]))
    assert (fault.count, first.changed, second.changed) == (0, True, False)
    assert list(first.labels) == list(second.labels) == labels(running_gateway) == ["type:bug"]
    repository = running_gateway.github.store.repository("acme", "toy")
    assert [label.name for label in repository.labels if label.name == "type:bug"] == ["type:bug"]


async def test_label_that_someone_adds_meanwhile_stays(running_gateway: Running) -> None:
    """What a person sets between the look and the write is neither lost nor hidden from the caller."""
    github = running_gateway.github
    repository = github.store.repository("acme", "toy")

    def add() -> None:
        github._forge.set_labels(repository, repository.items[1], names=["theirs"], replace=False)

    after_the_look(running_gateway, add)
    answer = await running_gateway.stub.SetLabels(request(add=[BUG], remove=["old"]))
    assert list(answer.labels) == sorted(labels(running_gateway)) == ["theirs", "type:bug"]


async def test_label_that_is_made_anew_meanwhile_is_set_by_its_new_id(running_gateway: Running) -> None:
    """GitHub does the part whose ids it knows; the other is looked for again, under the id that it has now."""
    repository = running_gateway.github.store.repository("acme", "toy")
    running_gateway.github._forge.create_label(repository, "type:bug", color="", description="")

    def remake() -> None:
        label = repository.label("type:bug")
        assert label is not None
        label.id += 1000

    after_the_look(running_gateway, remake)
    answer = await running_gateway.stub.SetLabels(request(add=[BUG], remove=["old"]))
    assert (list(answer.labels), answer.changed) == (["type:bug"], True)
    assert running_gateway.reads() == ["FindLabels", "SetLabels"] * 2
    assert labels(running_gateway) == ["type:bug"]


async def test_mutation_is_paid_as_a_write(running_gateway: Running) -> None:
    """The budget knows a query and a mutation: six points of GraphQL's minute, as GitHub counts them."""
    await running_gateway.stub.SetLabels(request(remove=["old"]))
    (governor,) = running_gateway.gateway.governors
    state = await governor.budget.state()
    assert state.minute_points["graphql"] == 6
    assert running_gateway.github.minute_points("graphql") == 6


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (request(remove=["x"], number=999), "ISSUE_NOT_FOUND"),
        (request(remove=["x"], repository="acme/none"), "REPOSITORY_NOT_FOUND"),
    ],
)
async def test_labels_of_what_is_not_there_are_not_set(running_gateway: Running, wanted: Any, reason: str) -> None:
    """The reason says what is missing, with a hint at the rights that it takes to see it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running_gateway.stub.SetLabels(wanted)
    error = from_rpc_error(caught.value)
    assert (isinstance(error, NotFoundError), error.reason, "credential lacks" in error.message) == (True, reason, True)
