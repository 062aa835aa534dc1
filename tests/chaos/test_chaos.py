"""The short form of `make chaos`: half a minute of kills and cuts, then every figure is checked."""

from __future__ import annotations

from pathlib import Path

import chaos
import pytest

#: What is killed and when; `make chaos` takes another one each time.
SEED = 20
#: Half a minute, and as many issues as a busy machine does in it.
SECONDS, ISSUES = 30, 36


@pytest.mark.timeout(300)
async def test_half_a_minute_of_kills(tmp_path: Path) -> None:
    """With a process killed every second no issue is lost, nothing is done twice, and no watcher sees a gap."""
    report = await chaos.run(chaos.Plan(SEED, SECONDS, ISSUES), tmp_path)
    assert report.problems == [], report.line()
    kills = report.figures["kills"]
    assert sum(count for kind, count in kills.items() if "was down" not in kind) == SECONDS
