"""Limits that follow what their targets bear, to and from messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from miyabi.coordinator.v1 import limits_pb2 as pb
from miyabi_coordinator.models.pacing import LimitStep, Seen, Share
from miyabi_coordinator.translate.values import timestamp
from miyabi_core.proto_time import from_duration, to_duration


def seen_of(report: pb.TargetReport) -> Seen:
    """Return what an agent saw of a target."""
    return Seen(
        in_flight=report.in_flight,
        demand=report.demand,
        answered=report.answered,
        refused=report.refused,
        latency=max(0.0, from_duration(report.latency).total_seconds()),
        retry_after=max(0.0, from_duration(report.retry_after).total_seconds()),
        epoch=report.epoch,
    )


def limits(shares: Iterable[Share], *, off: bool) -> pb.Limits:
    """Return an agent's shares."""
    return pb.Limits(shares=[_share(share) for share in shares], off=off)


def _share(share: Share) -> pb.TargetShare:
    """Return a share."""
    message = pb.TargetShare(
        target=share.target,
        share=share.share,
        limit=share.limit,
        epoch=share.epoch,
        lasts=to_duration(timedelta(seconds=share.lasts)),
    )
    if share.pause:
        message.pause.CopyFrom(to_duration(timedelta(seconds=share.pause)))
    return message


def limit_step(step: LimitStep) -> pb.LimitStep:
    """Return a step of a limit."""
    return pb.LimitStep(
        time=timestamp(step.time),
        target=step.target,
        agent=f"agents/{step.agent}" if step.agent else "",
        limit=step.limit,
        previous=step.previous,
        reason=pb.LimitReason.ValueType(int(step.reason)),
        detail=step.detail,
    )
