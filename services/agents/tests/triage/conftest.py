"""The agent that is tested."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from miyabi_agents.agents.triage import TriageAgent
from miyabi_agents.localisation import Locator


@pytest.fixture
def triage() -> Iterator[TriageAgent]:
    """An agent of triage."""
    with closing(Locator()) as locator:
        yield TriageAgent(locator)
