"""Stock grpcurl, with reflection alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

from running_system import System
from toy_repository import REPOSITORY

#: `make setup-dev` builds it.
GRPCURL = Path(__file__).parents[2] / ".tools/bin/grpcurl"


async def grpcurl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run grpcurl."""
    assert GRPCURL.exists(), "there is no grpcurl: run `make setup-dev`"
    command = [GRPCURL, "-plaintext", *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=120)


async def test_submit_streams_to_the_end(system: System) -> None:
    """A batch that is handed over without any proto file streams its events until the last."""
    body = {"repository": REPOSITORY, "issue_numbers": [1, 2], "pipeline": "PIPELINE_FIX", "concurrency": 2}
    # Tests share one system.
    body["overrule"] = ["PROBLEM_KIND_PULL_REQUEST_OPEN", "PROBLEM_KIND_ISSUE_IN_BATCH"]
    done = await grpcurl("-d", json.dumps(body), system.target, "miyabi.coordinator.v1.CoordinatorService/SubmitBatch")
    assert done.returncode == 0, done.stderr
    assert '"batch_accepted"' in done.stdout
    assert '"batch_finished"' in done.stdout


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
