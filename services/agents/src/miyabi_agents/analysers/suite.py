"""Runs every analyser at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from miyabi.coordinator.v1.result_pb2 import AnalyserRun
from miyabi_agents.analysers.base import Analyser, AnalyserError, RawFinding, Subject
from miyabi_core.proto_time import to_duration

if TYPE_CHECKING:
    from miyabi_agents.ports import ProgressSink

Found = list[tuple[str, RawFinding]]


async def run_all(
    analysers: Sequence[Analyser], subject: Subject, progress: ProgressSink
) -> tuple[Found, list[AnalyserRun]]:
    """Return the findings of all analysers, and how each ended."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_run(analyser, subject, progress)) for analyser in analysers]
    findings = [(run.analyser, finding) for task in running for run, found in [task.result()] for finding in found]
    return findings, [task.result()[0] for task in running]


async def _run(analyser: Analyser, subject: Subject, progress: ProgressSink) -> tuple[AnalyserRun, list[RawFinding]]:
    """Run one; what keeps it from a verdict is said, not hidden."""
    report = AnalyserRun(analyser=analyser.name)
    if not analyser.applies(subject):
        report.not_applicable = True
        return report, []
    began = time.monotonic()
    found: list[RawFinding] = []
    async with progress.invocation(analyser.name, detail=f"{len(subject.files)} files") as invocation:
        try:
            report.version = await analyser.version()
            found = await analyser.analyse(subject)
            report.completed = True
        except AnalyserError as error:
            report.error = str(error)[:500]
            invocation.failed(str(error))
        except (KeyError, TypeError, IndexError, ValueError) as error:
            report.error = f"its output could not be understood: {type(error).__name__}"
            invocation.failed(report.error)
    report.duration.CopyFrom(to_duration(timedelta(seconds=time.monotonic() - began)))
    return report, found
