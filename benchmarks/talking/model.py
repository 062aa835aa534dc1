"""A simulated model in a process of its own that notes when answers leave it: `python -m benchmarks.talking.model`.

What it notes are lines of JSON in a file: of each request the number of its connection, of each answer its issue and
when its first text left, in seconds since 1970.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from miyabi_core.lifecycle import run_until_signal
from miyabi_sim.model.dials import ModelDials
from miyabi_sim.model.scenarios import Block, Scenarios
from miyabi_sim.model.server import SimulatedModel

#: How a conversation's first message names its issue.
_ISSUE = re.compile(r"#([0-9]+)\n")


@dataclass(frozen=True)
class Analyses(Scenarios):
    """Says of every issue the same: its number in the first piece, then words, then the call.

    Args:
        pieces: Of text, the number included.
    """

    pieces: int = 1

    def answer(self, request: Mapping[str, Any]) -> Sequence[Block]:
        """Return the blocks of the answer."""
        found = _ISSUE.search(json.dumps(request["messages"][0]).replace("\\n", "\n"))
        number = int(found.group(1)) if found else 0
        given = {
            "type": "bug", "priority": "P2", "severity": "Sev.3", "complexity": "small", "size": "XS", "area": "",
            "confidence": 0.9, "analysis": "Broken.",
        }  # fmt: skip
        return [{"text": f"#{number:03d}" + "word" * (self.pieces - 1)}, {"tool": "record_triage", "input": given}]


class TimedModel(SimulatedModel):
    """Notes when the first text of each answer leaves, and over which connection."""

    def __init__(self, times: TextIO, pieces: int, dials: ModelDials) -> None:
        super().__init__(Analyses(pieces=pieces), dials=dials)
        self._times = times
        # Kept, so that no connection takes the place of another.
        self._connections: dict[int, tuple[int, asyncio.Transport]] = {}

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        """Number the connection, then answer."""
        transport = request.transport
        assert transport is not None
        number, _ = self._connections.setdefault(id(transport), (len(self._connections) + 1, transport))
        self._times.write(json.dumps({"connection": number}) + "\n")
        return await super()._messages(request)

    async def _events(self, message: dict[str, Any], written: Mapping[int, str]) -> AsyncIterator[dict[str, Any]]:
        """Pass events on; the next thing that is done with one is to write it to the connection."""
        noted = False
        async for event in super()._events(message, written):
            if not noted and event.get("delta", {}).get("type") == "text_delta":
                noted = True
                issue = int(event["delta"]["text"].removeprefix("#"))
                self._times.write(json.dumps({"issue": issue, "left": time.time()}) + "\n")
            yield event


def noted(times: Path) -> list[dict[str, Any]]:
    """Return what a server noted in a file, in its order."""
    return [json.loads(line) for line in times.read_text(encoding="utf-8").split("\n") if line]


def main() -> None:
    """Serve until SIGTERM; one JSON line on standard output says where."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.talking.model", description=__doc__)
    parser.add_argument("--times", type=Path, required=True, help="file of what was noted")
    parser.add_argument("--piece-seconds", type=float, default=0.0, help="between two pieces of text (default: 0)")
    parser.add_argument("--pieces", type=int, default=1, help="of text in an answer (default: 1)")
    options = parser.parse_args()

    async def serve(stop: asyncio.Event) -> None:
        with options.times.open("w", buffering=1, encoding="utf-8") as times:
            dials = ModelDials(token_seconds=options.piece_seconds)
            async with TimedModel(times, options.pieces, dials) as model:
                print(json.dumps({"url": model.url}), flush=True)
                await stop.wait()

    asyncio.run(run_until_signal(serve))


if __name__ == "__main__":
    main()
