"""Stock grpcurl, with reflection alone."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from running_system import System
from toy_repository import REPOSITORY

GRPCURL = shutil.which("grpcurl") or shutil.which("grpcurl", path=str(Path.home() / "go/bin"))

pytestmark = pytest.mark.skipif(GRPCURL is None, reason="grpcurl is not installed")


async def grpcurl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run grpcurl."""
    command = [GRPCURL or "grpcurl", "-plaintext", *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=120)


async def test_submit_streams_to_the_end(system: System) -> None:
    """A batch that is handed over without any proto file streams its events until the last."""
    body = {"repository": REPOSITORY, "issue_numbers": [1, 2], "pipeline": "PIPELINE_FIX", "concurrency": 2}
    done = await grpcurl("-d", json.dumps(body), system.target, "miyabi.coordinator.v1.CoordinatorService/SubmitBatch")
    assert done.returncode == 0, done.stderr
    # Versions of grpcurl differ in whether they print the proto's names or JSON's.
    names = done.stdout.replace("batchAccepted", "batch_accepted").replace("batchFinished", "batch_finished")
    assert '"batch_accepted"' in names
    assert '"batch_finished"' in names


async def test_bad_field_is_named(system: System) -> None:
    """What is wrong comes back as a field violation."""
    body = {"repository": REPOSITORY, "issue_numbers": [0]}
    done = await grpcurl("-d", json.dumps(body), system.target, "miyabi.coordinator.v1.CoordinatorService/SubmitBatch")
    assert done.returncode != 0
    assert "InvalidArgument" in done.stderr
    assert "issue_numbers[0]" in done.stderr


async def test_services_are_listed(system: System) -> None:
    """Reflection lists what there is."""
    done = await grpcurl(system.target, "list")
    assert {"miyabi.coordinator.v1.CoordinatorService", "miyabi.coordinator.v1.DispatchService"} <= set(
        done.stdout.split()
    )
