"""Prints logs of batches that anything happened to, each with what the coordinator says at some of its sequences.

`python services/coordinator/tests/random_logs.py SEED COUNT`: one JSON object a line, for readers of events that are no
Python: the page's reducer replays them. The real use cases run on the reference rules, without a server.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from batch_machine import KINDS
from google.protobuf.json_format import MessageToDict
from reference_machine import ReferenceMachine

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import event_pb2
from miyabi_coordinator.models import Pipeline
from miyabi_coordinator.translate import values
from miyabi_coordinator.translate.frames import split

#: Things that happen to one batch.
STEPS = 40
#: Share of them after which the coordinator is asked.
ASKED = 0.2
#: How agents end tasks: mostly well.
ENDS = ("done",) * 8 + ("no", "failed", "again", "back")


def as_json(message: Any) -> dict[str, Any]:
    """Return a message as the dashboard sends it."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


class LoggedMachine(ReferenceMachine):
    """A batch that is asked for now and then."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.asked: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Hand a batch over."""
        chance, count = self.chance, self.chance.randint(1, 5)
        edges = [(chance.randint(1, 5), chance.randint(1, 5)) for _ in range(chance.randint(0, 4))]
        self.submit(
            pipeline=chance.choice([Pipeline.FIX, Pipeline.FIX, Pipeline.TRIAGE, Pipeline.REVIEW]),
            gate=chance.random() < 0.5, rounds=chance.randint(0, 2), concurrency=chance.randint(1, 3),
            parallel=chance.randint(1, 4), budgets=chance.choice([(0, 0), (40_000, 0), (0, 12_000)]), weight=1,
            priority=0, edges=edges, count=count, grouping=chance.random() < 0.5, copied=chance.random() < 0.3,
        )  # fmt: skip

    def step(self) -> None:
        """Let something happen."""
        chance, replica = self.chance, self.chance.randint(0, 1)
        happens = chance.choice(
            ["lease", "outcome", "outcome", "work", "work", "time", "restart", "operate", "approve"]
        )
        if happens == "lease":
            self.lease(count=chance.randint(1, 4), kinds=KINDS, replica=replica, lose=chance.random() < 0.2, limits=())
        elif happens == "outcome":
            self.outcome(
                index=chance.randint(0, 30), what=chance.choice((*ENDS, "silence")), cost=chance.randint(0, 5),
                replica=replica, twice=chance.random() < 0.3,
            )  # fmt: skip
        elif happens == "work":
            answers = [chance.choice(ENDS) for _ in range(chance.randint(3, 15))]
            self.work(answers=answers, replica=replica, slots=chance.randint(1, 4))
        elif happens == "time":
            self.pass_time(seconds=chance.choice([1, 16, 70]), replica=replica)
        elif happens == "restart":
            self.restart(replica=replica)
        elif happens == "operate":
            what = chance.choice(["pause", "resume", "resume", "retry", "retry some", "cancel"])
            self.operate(what=what, chosen={chance.randint(1, 5)}, replica=replica, sure=chance.randint(0, 9))
        else:
            self.decide_approval(issue=chance.randint(1, 5), approved=chance.random() < 0.8, replica=replica)
        if chance.random() < ASKED:
            self.asked.append(self.do(self.answer()))

    async def answer(self) -> dict[str, Any]:
        """Return what `GetBatch` says now, but for results."""
        batch = await self.store.load_batch(self.batch)
        runs = await self.store.load_runs(self.batch)
        return as_json(pb.GetBatchResponse(batch=values.batch(batch), runs=[values.run(run) for run in runs]))

    async def log(self) -> list[dict[str, Any]]:
        """Return all events of the batch."""
        events: list[dict[str, Any]] = []
        while chunks := await self.store.read_log(self.batch, after=len(events)):
            for chunk in chunks:
                events += [as_json(event_pb2.BatchEvent.FromString(frame)) for frame in split(chunk.frames)]
        return events


def logs(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield batches, each from its own seed on."""
    for number in range(seed, seed + count):
        machine = LoggedMachine(random.Random(number))
        machine.begin()
        for _ in range(STEPS):
            machine.step()
        machine.asked.append(machine.do(machine.answer()))
        yield {"seed": number, "events": machine.do(machine.log()), "answers": machine.asked}
        machine.runner.close()


if __name__ == "__main__":
    for line in logs(int(sys.argv[1]), int(sys.argv[2])):
        sys.stdout.write(f"{json.dumps(line)}\n")
