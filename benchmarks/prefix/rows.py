"""Row `prefix`: two issues of the demo on Django 3.2, one after the other: what the second reads from the cache.

Each goes through plan, change, tests and documentation as agents do them, with the scripted model, which counts the
prompt cache as the API documents it. Later turns of a conversation read their own beginning whatever is shared, so the
goal speaks of the first request of each conversation. Beside it: the same requests with an empty cache before the
second issue. A token is four characters here; shares hardly depend on that.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.measuring.report import Row
from benchmarks.prefix.surroundings import Surroundings, open_surroundings
from miyabi_agents.agents.documenter import DocumenterAgent
from miyabi_agents.agents.implementer import ImplementerAgent
from miyabi_agents.agents.planner import PlannerAgent
from miyabi_agents.localisation import Locator
from miyabi_agents.model import prices
from miyabi_sim.model.caching import PromptCache

#: Smallest share of input tokens that the second issue reads from the cache, in percent.
GOAL = 80.0
#: The issues, by their numbers.
FIRST, SECOND = 13933, 14155


async def rows() -> AsyncIterator[Row]:
    """Measure the row.

    Raises:
        OSError: Django's source cannot be had.
    """
    cache = Path(os.environ.get("PREFIX_CACHE", "build/prefix"))
    with tempfile.TemporaryDirectory() as folder, closing(Locator()) as locator:
        async with open_surroundings(Path(folder), cache) as place:
            first = await _issue(place, locator, FIRST)
            second = await _issue(place, locator, SECOND)
            alone = _counted_alone(second)
    begun = [entry for entry in second if len(entry[0]["messages"]) == 1]
    ours = {
        "read_percent_of_first_requests": share(begun),
        "read_percent_of_all": share(second),
        "written_percent_of_all": share(second, "cache_creation_input_tokens"),
        "prompt_dollars": _dollars(second),
        "first_issue_read_percent_of_all": share(first),
        "prefix_tokens": min(usage["cache_read_input_tokens"] for _, usage in begun),
    }
    baseline = {"read_percent_of_all": share(alone), "prompt_dollars": _dollars(alone)}
    read = ours["read_percent_of_first_requests"]
    goal = f"the second issue reads >= {GOAL:.0f} % of each first request's tokens"
    yield Row("prefix", ours, baseline, read / GOAL, goal, read >= GOAL, len(second), "django 3.2")


#: A request and what the API counted of it.
Counted = tuple[dict[str, Any], dict[str, int]]


async def _issue(place: Surroundings, locator: Locator, number: int) -> list[Counted]:
    """Take an issue from plan to documentation; returns its requests."""
    before = len(place.model.requests)
    plan = (await place.run(PlannerAgent(locator), number)).plan
    change = (await place.run(ImplementerAgent(locator), number, plan=plan)).change_set
    await place.run(DocumenterAgent(locator), number, change_set=change)
    model = place.model
    usages = [dict(usage) for usage in model.usages]
    return list(zip(model.requests[before:], usages[before:], strict=True))


def _counted_alone(counted: Sequence[Counted]) -> list[Counted]:
    """Return the same requests as an API counts them that has seen none before."""
    cache, found = PromptCache(), list[Counted]()
    for request, _ in counted:
        once = cache.count(request)
        cache.keep(once)
        found.append((request, dict(once.usage)))
    return found


def share(counted: Sequence[Counted], kind: str = "cache_read_input_tokens") -> float:
    """Return the share of input tokens that were read, or written, in percent."""
    return round(100 * sum(usage[kind] for _, usage in counted) / sum(sum(usage.values()) for _, usage in counted), 1)


def _dollars(counted: Sequence[Counted]) -> float:
    """Return what the prompts cost, by the table of prices."""
    micros = 0.0
    for request, usage in counted:
        price = prices.price_of(request["model"])
        micros += usage["input_tokens"] * price.input
        micros += usage["cache_creation_input_tokens"] * price.cache_write
        micros += usage["cache_read_input_tokens"] * price.cache_read
    return round(micros / 1e6, 4)
