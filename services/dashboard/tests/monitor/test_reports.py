"""What a report tells of a batch and of a period, and which requests it refuses."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest
from story import Story

from miyabi.coordinator.v1.limits_pb2 import LimitReason, LimitStep
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import (
    GitHubGatewayServiceServicer,
    add_GitHubGatewayServiceServicer_to_server,
)
from miyabi_core.errors import InvalidArgumentError, NotFoundError
from miyabi_core.testing import running_server
from miyabi_dashboard.gateway import GatewayClient
from miyabi_dashboard.monitor.following import Follower
from miyabi_dashboard.monitor.storing import MeasurementStore

#: When everything happens: the first minute of an hour.
NOW = 1_789_999_200.0


def seconds(duration) -> float:
    return round(duration.ToTimedelta().total_seconds(), 3)


def told(summaries) -> dict[str, tuple[int, float, float]]:
    """Return count, median and longest by subject."""
    return {entry.subject: (entry.count, seconds(entry.p50), seconds(entry.max)) for entry in summaries}


def failing_batch() -> Story:
    """Return a batch of two issues: one goes well after a repeat, one fails."""
    story = Story(NOW, issues=(1, 2), concurrency=2)
    story.task(1, "triage", "leased", agent="one")
    story.now += 6
    story.task(1, "triage", "backoff", agent="one", reason="model_unavailable", cost=10)
    story.now += 2
    story.task(1, "triage", "ready")
    story.work(1, "triage", 4, after=1, agent="two")
    story.run(1, "succeeded")
    story.task(2, "triage", "leased", agent="one")
    story.call(2, "triage", "model.messages", 12.0, model="claude-test")
    story.call(2, "triage", "ruff", 1.2)
    story.call(2, "triage", "github.get_issue", 0.3)
    story.now += 15
    story.task(2, "triage", "failed", agent="one", reason="tests_failed", cost=20)
    story.run(2, "failed", reason="tests_failed")
    story.finish("failed")
    return story


async def kept(around, *stories) -> None:
    """Have the batches measured and written."""
    store = MeasurementStore(around.client)
    assert await store.take_lease()
    end = max(story.now for story in stories)
    monitor = Follower(around.upstream.stub, store, retention=timedelta(days=30), clock=lambda: end)
    for story in stories:
        await around.coordinator.append(story.events)
        await monitor.take(story.events)
    await monitor.write()


async def test_a_batch_is_told_exactly(around):
    """Durations, totals, failures and the critical path are those of its log."""
    story = failing_batch()
    await around.coordinator.append(story.events)
    report = await around.reports(story.now).report(pb.GetPerformanceReportRequest(batch=story.name))
    assert told(report.tasks) == {"triage": (3, 6.0, 15.0)}
    assert told(report.agents) == {"one": (2, 6.0, 15.0), "two": (1, 4.0, 4.0)}
    assert told(report.tools) == {"ruff": (1, 1.2, 1.2)}
    assert told(report.model_calls) == {"claude-test": (1, 12.0, 12.0)}
    assert told(report.gateway_waits) == {"github.get_issue": (1, 0.3, 0.3)}
    totals = report.totals
    assert (totals.batches, totals.runs_succeeded, totals.runs_failed, totals.runs_open) == (1, 1, 1, 0)
    assert (totals.success_share, totals.cost_usd_micros, totals.cache_share) == (0.5, 130, 0.4)
    groups = {group.reason: (group.runs, group.attempts) for group in report.failures}
    assert groups == {"tests_failed": (1, 1), "model_unavailable": (0, 1)}
    path = report.critical_paths[0]
    assert path.name == story.name
    assert seconds(path.duration) == story.now - NOW
    assert len(report.critical_paths) == 3


async def test_the_chain_of_a_run_has_its_waits_attempts_and_pauses(around):
    """What a run waited for, lost and did stands in its path, in order."""
    story = failing_batch()
    await around.coordinator.append(story.events)
    request = pb.GetPerformanceReportRequest(batch=story.name, issue_number=1)
    report = await around.reports(story.now).report(request)
    (path,) = report.critical_paths
    found = [
        (pb.SegmentKind.Name(step.kind).removeprefix("SEGMENT_KIND_"), seconds(step.duration)) for step in path.steps
    ]
    assert found == [("LOST_ATTEMPT", 6.0), ("BACKOFF", 2.0), ("QUEUE_WAIT", 1.0), ("WORK", 4.0)]
    assert told(report.tasks) == {"triage": (2, 4.0, 6.0)}


async def test_bottlenecks_have_levels_shares_and_where_they_were_seen(around):
    """A planted call of 1.2 s is low and one of 12 s high, each with its task."""
    story = failing_batch()
    await around.coordinator.append(story.events)
    report = await around.reports(story.now).report(pb.GetPerformanceReportRequest(batch=story.name))
    found = {entry.subject: entry for entry in report.bottlenecks}
    assert found["ruff"].level == pb.BOTTLENECK_LEVEL_LOW
    assert found["claude-test"].level == pb.BOTTLENECK_LEVEL_HIGH
    assert seconds(found["claude-test"].duration) == 12.0
    assert found["claude-test"].example == f"{story.name}/runs/2/tasks/triage"
    assert found["claude-test"].critical_path_share == pytest.approx(12 / (story.now - NOW))
    assert "github.get_issue" not in found


def one_by_one() -> Story:
    """Return three issues of ten seconds that one slot works on, one after the other."""
    story = Story(NOW, issues=(1, 2, 3), concurrency=3)
    for issue in (1, 2, 3):
        story.work(issue, "triage", 10.0)
        story.run(issue, "succeeded")
    story.finish()
    return story


async def test_what_cannot_be_predicted_is_said_with_its_reason(around):
    """More slots where the model API refused calls meanwhile, and anything of a batch that was retried: no number."""
    quiet, refused, retried = one_by_one(), one_by_one(), one_by_one()
    retried.batch("succeeded", "running")
    retried.run(3, "pending")
    await around.coordinator.append([*quiet.events, *refused.events, *retried.events])
    request = pb.GetPerformanceReportRequest
    report = await around.reports(quiet.now).report(request(batch=quiet.name))
    assert {"slots+1", "half:triage"} <= {entry.change for entry in report.critical_paths[0].what_ifs}
    assert [entry.catalogue_id for entry in report.recommendations] == ["more-slots"]
    step = LimitStep(target="model-api/example", reason=LimitReason.LIMIT_REASON_REFUSED, time=refused.events[3].time)
    around.coordinator.steps = [step]
    report = await around.reports(refused.now).report(request(batch=refused.name))
    assert {entry.change for entry in report.critical_paths[0].what_ifs} == {"half:triage"}
    assert [entry.catalogue_id for entry in report.recommendations] == []
    assert any("the model API refused calls" in entry for entry in report.not_measured)
    report = await around.reports(retried.now).report(request(batch=retried.name))
    assert list(report.critical_paths[0].what_ifs) == []
    assert any("were retried" in entry for entry in report.not_measured)


async def test_a_period_is_told_from_what_is_kept(around):
    """Another process's report has the same figures, within one percent, after the one that measured has ended."""
    story = failing_batch()
    await kept(around, story)
    report = await around.reports(story.now).report(pb.GetPerformanceReportRequest())
    assert [(entry.subject, entry.count, entry.failed) for entry in report.tasks] == [("triage", 3, 2)]
    assert seconds(report.tasks[0].p50) == pytest.approx(6.0, rel=0.011)
    assert seconds(report.tasks[0].max) == 15.0
    assert (report.totals.runs_succeeded, report.totals.runs_failed) == (1, 1)
    assert report.totals.events == len(story.events)
    assert {entry.subject for entry in report.bottlenecks} >= {"triage", "ruff", "claude-test"}
    assert any(entry.startswith("The gateway's limits") for entry in report.not_measured)


async def test_filters_of_a_period_choose(around):
    """A repository, a model, an agent and a time each leave out what is not theirs."""
    first, second = failing_batch(), Story(NOW + 7200, repository="acme/other")
    second.work(1, "triage", 3.0, agent="three")
    await kept(around, first, second)
    reports = around.reports(second.now)
    ask = pb.GetPerformanceReportRequest
    assert told((await reports.report(ask(repository="acme/other"))).tasks)["triage"][0] == 1
    assert told((await reports.report(ask(agent="two"))).tasks)["triage"][0] == 1
    assert (await reports.report(ask(agent="two"))).totals.cost_usd_micros == 100
    by_model = await reports.report(ask(model="claude-test"))
    assert (list(by_model.tasks), told(by_model.model_calls)["claude-test"][0]) == ([], 1)
    assert by_model.totals.cost_usd_micros == 5
    later = ask()
    later.start_time.FromSeconds(int(NOW) + 7200)
    assert (await reports.report(later)).totals.events == len(second.events)
    earlier = ask()
    earlier.end_time.FromSeconds(int(NOW) + 3600)
    assert (await reports.report(earlier)).totals.events == len(first.events)


async def test_filters_of_a_batch_choose(around):
    """An agent and a model, each alone and together; what they cannot be combined for is said and not told whole."""
    story = one_by_one()
    story.call(1, "triage", "model.messages", 2.0, model="claude-test")
    await around.coordinator.append(story.events)
    reports, ask = around.reports(story.now), pb.GetPerformanceReportRequest
    whole = await reports.report(ask(batch=story.name))
    assert (whole.totals.cost_usd_micros, len(whole.recommendations)) == (300, 1)
    by_agent = await reports.report(ask(batch=story.name, agent="one"))
    assert (by_agent.totals.cost_usd_micros, told(by_agent.tasks)["triage"][0]) == (300, 3)
    by_model = await reports.report(ask(batch=story.name, model="claude-test"))
    assert (by_model.totals.cost_usd_micros, list(by_model.tasks)) == (5, [])
    both = await reports.report(ask(batch=story.name, agent="one", model="claude-test"))
    assert both.totals == pb.Totals()
    assert any(entry.startswith("Totals:") for entry in both.not_measured)
    for report in (by_agent, by_model, both):
        assert list(report.recommendations) == []
        assert any(entry.startswith("Recommendations:") for entry in report.not_measured)


class Limits(GitHubGatewayServiceServicer):
    """A gateway that tells one limit."""

    async def GetRateLimits(self, request, context):  # noqa: N802 - gRPC names the methods
        """Tell it."""
        del request, context
        limit = gateway_pb.RateLimit(resource="graphql", limit=5000, used=1200, remaining=3800)
        limit.reset_time.FromSeconds(int(NOW))
        return gateway_pb.GetRateLimitsResponse(limits=[limit])


async def test_the_gateways_limits_are_told(around):
    """As it says them now."""
    service = "miyabi.github_gateway.v1.GitHubGatewayService"
    async with running_server((add_GitHubGatewayServiceServicer_to_server, Limits(), service)) as target:
        around.gateway, unreachable = GatewayClient(target), around.gateway
        await unreachable.close()
        report = await around.reports(NOW).report(pb.GetPerformanceReportRequest())
    (limit,) = report.rate_limits
    assert (limit.resource, limit.limit, limit.used, limit.remaining) == ("graphql", 5000, 1200, 3800)
    assert limit.reset_time.seconds == int(NOW)
    assert not any("gateway" in entry for entry in report.not_measured)


REFUSED = {
    "start_time": pb.GetPerformanceReportRequest(batch="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    "repository": pb.GetPerformanceReportRequest(batch="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV", repository="a/b"),
    "issue_number": pb.GetPerformanceReportRequest(issue_number=3),
    "agent": pb.GetPerformanceReportRequest(agent="one", repository="a/b"),
    "end_time": pb.GetPerformanceReportRequest(),
}
REFUSED["start_time"].start_time.FromSeconds(5)
REFUSED["end_time"].start_time.FromSeconds(5)
REFUSED["end_time"].end_time.FromSeconds(5)


@pytest.mark.parametrize("field", REFUSED)
async def test_what_cannot_be_obeyed_is_refused_by_name(around, field):
    """No field is ignored."""
    with pytest.raises(InvalidArgumentError) as refused:
        await around.reports(NOW).report(REFUSED[field])
    assert [violation.field for violation in refused.value.violations] == [field]


async def test_what_is_not_there_is_not_found(around):
    """A batch that nobody knows, and an issue that a batch has not."""
    story = failing_batch()
    await around.coordinator.append(story.events)
    reports = around.reports(NOW)
    with pytest.raises(NotFoundError):
        await reports.report(pb.GetPerformanceReportRequest(batch=story.name, issue_number=99))
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await reports.report(pb.GetPerformanceReportRequest(batch="batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND


async def test_where_nothing_was_measured_nothing_is_told(around):
    """An empty store gives empty lists and no share."""
    report = await around.reports(NOW).report(pb.GetPerformanceReportRequest())
    assert (report.samples, list(report.tasks), list(report.bottlenecks), list(report.recommendations)) == (
        0,
        [],
        [],
        [],
    )
    assert not report.totals.HasField("success_share")


async def test_reports_at_once_read_a_log_once(around):
    """Ten people who look at a batch get the same answer."""
    story = failing_batch()
    await around.coordinator.append(story.events)
    reports, request = around.reports(story.now), pb.GetPerformanceReportRequest(batch=story.name)
    answers = await asyncio.gather(*(reports.report(request) for _ in range(10)))
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
