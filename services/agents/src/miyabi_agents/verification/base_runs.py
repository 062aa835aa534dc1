"""Keeps what base's own tests show, once for each commit, environment and choice of tests.

Ten issues of one commit ask for the same run; it is made once, whoever asks first, and read by the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from google.protobuf.json_format import MessageToDict, ParseDict

from miyabi.coordinator.v1.result_pb2 import TestRunReport
from miyabi_agents.environments.locks import hold_lock
from miyabi_agents.toolchains.port import RunVerdicts
from miyabi_agents.verification.execution import Ran

#: Runs that are kept; the oldest are removed.
MAX_KEPT = 500
#: Grows when what is kept changes its form.
FORM = 1

_LOCKS: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)


class BaseRuns:
    """Keeps runs as files below a folder that only agents write to.

    Args:
        folder: Where; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def get(self, key: Sequence[str], run: Callable[[], Awaitable[Ran]]) -> Ran:
        """Return the run of *key*, made by *run* where it is not kept.

        One that came to no end is kept only where it ran out of time, which another try would do as well.

        Args:
            key: Repository, commit, environment, project, targets: all that it depends on.
            run: Makes it.

        Raises:
            OSError: the disk is full.
        """
        name = hashlib.sha256(json.dumps([FORM, *key]).encode()).hexdigest()[:32]
        file = self._folder / f"{name}.json"
        async with _LOCKS[name], hold_lock(self._folder / f"{name}.lock"):
            kept = await asyncio.to_thread(_read, file)
            if kept is not None:
                return kept
            ran = await run()
            if ran.verdicts.complete or ran.timed_out:
                await asyncio.to_thread(_write, file, ran)
            return ran


def _read(file: Path) -> Ran | None:
    """Read a kept run; None where there is none, or it cannot be read."""
    try:
        body = json.loads(file.read_text(encoding="utf-8"))
        report = ParseDict(body["report"], TestRunReport())
        report.reused = True
        report.ClearField("duration")
        return Ran(RunVerdicts(**body["verdicts"]), report, tuple(body["layers"]), tuple(body["missing"]), body["late"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path, ran: Ran) -> None:
    """Keep a run, whole or not at all."""
    body = {
        "verdicts": asdict(ran.verdicts),
        "report": MessageToDict(ran.report),
        "layers": ran.layers,
        "missing": ran.missing_layers,
        "late": ran.timed_out,
    }
    temporary = file.with_suffix(f".{os.getpid()}.part")
    temporary.write_text(json.dumps(body), encoding="utf-8")
    temporary.replace(file)
    kept = sorted(file.parent.glob("*.json"), key=lambda entry: entry.stat().st_mtime)
    for old in kept[:-MAX_KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
