"""Kills a random process every second while 300 issues are worked on, and checks that nothing was lost or done twice.

`python tests/chaos/chaos.py [--seed N] [--seconds 180] [--issues 300]`; the seed decides what is killed and when.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import script
from invariants import attempts, batch_problems, effect_problems, measurement_problems, queue_problems
from system import AGENTS, COORDINATORS, DASHBOARDS, ChaosSystem, chaos_system
from watchers import Seen, Watchers

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_coordinator.shards import prefix
from miyabi_core.ids import new_ulid
from miyabi_core.logging import configure_logging

#: Batches, watchers of each, and issues in flight of each.
BATCHES, WATCHERS, CONCURRENCY = 6, 2, 12
#: The last batch is submitted when this share of the time is over, so that there is work until the end.
SUBMITTED_WITHIN = 0.6
#: Chance that a second also cuts the connections of a relay.
CUT_CHANCE = 0.6
#: After the last kill everything must end within this many seconds: leases expire, pauses grow.
SETTLE_SECONDS = 300.0


@dataclass(frozen=True)
class Plan:
    """What a run is, all from its seed."""

    seed: int
    seconds: int
    issues: int

    def steps(self, victims: list[str], relays: list[str]) -> list[tuple[float, str, str]]:
        """Return what happens when: one kill a second, and cuts between them."""
        chance = random.Random(self.seed)
        steps = []
        for second in range(1, self.seconds + 1):
            steps.append((float(second), "kill", chance.choice(victims)))
            if chance.random() < CUT_CHANCE:
                steps.append((second + chance.random(), "cut", chance.choice(relays)))
        return sorted(steps)

    def batches(self) -> list[tuple[float, list[int]]]:
        """Return which issues are submitted when."""
        numbers = list(range(1, self.issues + 1))
        size = -(-self.issues // BATCHES)
        groups = [numbers[start : start + size] for start in range(0, self.issues, size)]
        return [(index * self.seconds * SUBMITTED_WITHIN / len(groups), group) for index, group in enumerate(groups)]


@dataclass
class Report:
    """What a run came to; without problems it is good."""

    plan: Plan
    problems: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Render one line for people and machines."""
        head = {"seed": self.plan.seed, "seconds": self.plan.seconds, "issues": self.plan.issues}
        return json.dumps({**head, **self.figures, "problems": len(self.problems)})


async def run(plan: Plan, folder: Path) -> Report:
    """Run the whole thing below *folder*; nothing is left running."""
    report = Report(plan)
    watchers = Watchers()
    async with chaos_system(folder, issues=plan.issues) as system:
        began = time.monotonic()
        try:
            async with asyncio.timeout(plan.seconds + SETTLE_SECONDS), asyncio.TaskGroup() as group:
                chaos = group.create_task(_chaos(system, plan))
                followed = [
                    group.create_task(_batch(system, watchers, index, at=at, numbers=numbers))
                    for index, (at, numbers) in enumerate(plan.batches())
                ]
            took = time.monotonic() - began
            await _check(report, system, watchers, [task.result() for task in followed])
            report.figures |= _figures(system, watchers, cuts=chaos.result(), took=took)
        except TimeoutError:
            open_ones = [(seen.name, len(seen.events)) for seen in watchers.seen if not seen.finished]
            report.problems.append(
                f"not over after {plan.seconds + SETTLE_SECONDS:.0f} s; watchers still at {open_ones}"
            )
            report.figures |= _figures(system, watchers, cuts=0, took=time.monotonic() - began)
    return report


async def _chaos(system: ChaosSystem, plan: Plan) -> int:
    """Carry the plan's steps out; returns how many connections were cut."""
    began, cuts = time.monotonic(), 0
    for at, what, name in plan.steps(system.victims, list(system.relays)):
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        if what == "cut":
            cuts += system.relays[name].cut()
        else:
            await system.kill(name)
    return cuts


async def _batch(
    system: ChaosSystem, watchers: Watchers, index: int, *, at: float, numbers: list[int]
) -> tuple[str, list[Seen]]:
    """Submit a batch when it is due and follow it to its end."""
    await asyncio.sleep(at)
    request = pb.SubmitBatchRequest(
        repository=script.REPOSITORY,
        issue_numbers=numbers,
        pipeline=Pipeline.PIPELINE_FIX,
        concurrency=CONCURRENCY,
        overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH, ProblemKind.PROBLEM_KIND_PULL_REQUEST_OPEN],
        request_id=new_ulid(),
    )
    name = await watchers.submit(system.coordinators(index), request)
    follow = (watchers.follow(system.coordinators(index + turn), name) for turn in range(WATCHERS))
    return name, await asyncio.gather(*follow)


async def _check(
    report: Report, system: ChaosSystem, watchers: Watchers, followed: list[tuple[str, list[Seen]]]
) -> None:
    """Compare everything with what must hold."""
    counted: Counter[int] = Counter()
    for name, seen in followed:
        stored = await watchers.read(system.coordinators(0), name)
        report.problems += batch_problems(stored, seen)
        counted += attempts(seen[0].events)
    report.problems += await effect_problems(system.github, issues=report.plan.issues)
    batches = [name.partition("/")[2] for name, _ in followed]
    report.problems += await queue_problems(system.valkey.url, prefix=prefix(0), batches=batches)
    report.problems += await measurement_problems(system.valkey.url, [seen[0].events for _, seen in followed])
    report.problems += system.unplanned
    report.figures["tasks_by_attempts"] = dict(sorted(counted.items()))


def _figures(system: ChaosSystem, watchers: Watchers, *, cuts: int, took: float) -> dict[str, Any]:
    """Return what happened."""
    return {
        "took_s": round(took, 1),
        "kills": dict(system.kills),
        "connections_cut": cuts,
        "watchers": len(watchers.seen),
        "reconnects": sum(seen.reconnects for seen in watchers.seen),
        "events": sum(len(seen.events) for seen in watchers.seen),
        "codes": dict(watchers.codes),
        "coordinators": COORDINATORS,
        "agents": AGENTS,
        "dashboards": DASHBOARDS,
    }


def main() -> None:
    """Run, print the summary and the problems; the exit code is 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="decides what is killed and when (default: a new one)")
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--issues", type=int, default=300)
    parser.add_argument("--keep", type=Path, help="an empty folder that keeps logs and state")
    options = parser.parse_args()
    configure_logging(service="chaos", json=True, level="ERROR")
    plan = Plan(secrets.randbelow(1 << 31) if options.seed is None else options.seed, options.seconds, options.issues)
    print(f"seed {plan.seed}: {plan.issues} issues, a kill a second for {plan.seconds} s", flush=True)
    with tempfile.TemporaryDirectory() as name:
        report = asyncio.run(run(plan, options.keep or Path(name)))
    print(report.line())
    for problem in report.problems:
        print(f"problem: {problem}")
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
