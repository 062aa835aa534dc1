"""A simulated model that bears so many requests at once refuses the others as the API does, and counts both."""

from __future__ import annotations

import asyncio

import anthropic
import httpx2
import pytest

from miyabi_sim.model import ModelDials, Scenario, Scenarios, SimulatedModel


async def ask(client):
    """Ask once; returns the text, or the status."""
    try:
        message = await client.messages.create(
            model="claude-sonnet-4-6", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
        )
    except anthropic.APIStatusError as error:
        return error.status_code, error.response.headers.get("retry-after")
    return message.content[0].text


@pytest.mark.parametrize(
    ("kind", "after", "expected"),
    [("overloaded", None, (529, None)), ("rate_limited", None, (429, None)), ("rate_limited", 7.0, (429, "7"))],
)
async def test_requests_beyond_what_is_borne_are_refused(kind, after, expected):
    """Those at once are answered, the ones beyond refused; afterwards as many are answered again."""
    dials = ModelDials(0.2, most_in_flight=2, refusal=kind, refusal_retry_after_seconds=after)
    async with SimulatedModel(Scenarios([Scenario("all", [[{"text": "Yes"}]])]), dials=dials) as model:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=model.url, max_retries=0) as client:
            answers = await asyncio.gather(*(ask(client) for _ in range(5)))
            assert sorted(map(str, answers)) == sorted(map(str, ["Yes"] * 2 + [expected] * 3))
            assert await ask(client) == "Yes"
        async with httpx2.AsyncClient() as http:
            load = (await http.get(f"{model.url}/_sim/load")).json()
    assert load == {"in_flight": 0, "most_in_flight": 2, "answered": 3, "refused": 3}
