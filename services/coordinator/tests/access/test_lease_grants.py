"""Leases carry grants for what their tasks write, and for nothing else."""

from __future__ import annotations

import asyncio
import time

import pytest
from grant_samples import new_key

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.models import Branch, Run, Spec, Task, TaskKind
from miyabi_coordinator.testing import REPOSITORY
from miyabi_coordinator.translate.grants import WRITES, grant_of, signed_grant
from miyabi_core.grants import GrantKeys, Write, branch_of, read

BATCH = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def leases_of(stack, operators, *, key="", **fields):
    """Run a batch of one issue to its end; returns its leases by kind of task."""
    settings = {"grant_key": key} if key else {}
    async with stack.coordinator(**settings) as channel, stack.agent(channel, agent_id="agent-1") as agent:
        request = pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=[7], **fields)
        async with asyncio.timeout(20):
            async for _ in operators(channel).SubmitBatch(request):
                pass
        found = {}
        while not agent.leases.empty():
            lease = agent.leases.get_nowait()
            found[TaskKind(lease.kind)] = lease
        return found


async def test_leases_carry_what_their_tasks_write(stack, operators):
    """Triage labels, review comments, the pull request is pushed and opened; each grant names its lease, and no other kind has one."""
    key = new_key()
    leases = await leases_of(stack, operators, key=key, pipeline=state_pb2.PIPELINE_FIX)
    grants = {kind: read(lease.grant, [key.encode()]) for kind, lease in leases.items() if lease.grant}
    assert set(grants) == {TaskKind.TRIAGE, TaskKind.REVIEW, TaskKind.PULL_REQUEST}
    assert set(leases) == set(TaskKind)
    for kind, grant in grants.items():
        lease = leases[kind]
        reference = lease.reference
        assert (grant.task, grant.fencing_token, grant.agent) == (reference.task, reference.fencing_token, "agent-1")
        assert (grant.repository, grant.issue, grant.base_branch) == (REPOSITORY, 7, lease.inputs.base_branch)
        assert (grant.writes, grant.branch) == (WRITES[kind], branch_of(reference.task))
        assert grant.expires.timestamp() == int(lease.deadline.ToDatetime(tzinfo=grant.expires.tzinfo).timestamp())
        assert grant.not_before.timestamp() <= time.time()


@pytest.mark.parametrize(("key", "dry_run"), [("", False), (new_key(), True)], ids=["no key", "dry run"])
async def test_no_grant_where_nothing_is_written(key, dry_run, stack, operators):
    """Without a key, and in a dry run, no lease has a grant."""
    leases = await leases_of(stack, operators, key=key, dry_run=dry_run)
    assert leases
    assert not any(lease.grant for lease in leases.values())


def test_only_three_kinds_write_and_none_opens_issues():
    """What is not in the table writes nothing; a new issue is in nobody's grant."""
    run = Run(BATCH, 7)
    spec = Spec(repository=REPOSITORY, issues=(7,), base_branch="main")
    tasks = {kind: Task("t", kind, agent="agent-1", fence=1, deadline=2e9) for kind in TaskKind}
    found = {kind: grant_of(run, task, spec=spec, now=1e9) for kind, task in tasks.items()}
    assert {kind for kind, grant in found.items() if grant is not None} == set(WRITES)
    assert not any(grant is not None and Write.ISSUE in grant.writes for grant in found.values())
    assert [kind for kind, grant in found.items() if grant is not None and Write.PUSH in grant.writes] == [
        TaskKind.PULL_REQUEST
    ]


def test_the_first_key_signs():
    """While a rotation is under way, grants are signed with the key that stands first."""
    first, second = new_key(), new_key()
    spec = Spec(repository=REPOSITORY, issues=(7,), base_branch="main")
    task = Task("t", TaskKind.TRIAGE, agent="agent-1", fence=1, deadline=2e9)
    text = signed_grant(Run(BATCH, 7), task, spec=spec, keys=GrantKeys(f"{first} {second}"), now=1e9)
    assert read(text, [first.encode()]).issue == 7


def test_a_change_on_another_issues_branch_may_ask_for_that_branch_alone():
    """The grant of a pull request names the branch that the change starts from, not the batch's."""
    task = Task("pull-request", TaskKind.PULL_REQUEST, agent="agent-1", fence=3, deadline=900.0)
    run = Run(BATCH, 7, tasks=(task,), base=Branch("miyabi/issue-5-x", "b" * 40))
    grant = grant_of(run, task, spec=Spec(REPOSITORY, (5, 7), base_branch="main"), now=1.0)
    assert grant is not None
    assert grant.base_branch == "miyabi/issue-5-x"
