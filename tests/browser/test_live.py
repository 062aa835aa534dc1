"""What happens is on the page at once, and the page says when it is not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from page_driver import PATIENCE, PageDriver
from playwright.async_api import expect
from running_system import System

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb

#: Seconds from an event's commit until the page shows it.
PROMPT = 1.0
#: Notes when a state of an issue is first seen on the page, by the clock that the events' times come from.
_WATCH = """
() => {
  window.seen = {}; window.notes = [];
  const look = () => {
    for (const row of document.querySelectorAll('.table .row[aria-rowindex]:not(.heading)')) {
      const number = row.querySelector('strong')?.textContent, state = row.querySelector('.state')?.textContent;
      if (number && state) window.seen[number + state.slice(1)] ??= Date.now();
      window.notes.push(row.querySelector('.what .small')?.textContent ?? '');
    }
  };
  look();
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""


async def test_what_happens_is_on_the_page_within_a_second(page: PageDriver) -> None:
    """Of three issues each end is shown within a second of its event, and no note names a kind that nobody told."""
    name = await page.submit(1, 2, 3)
    await page.go(f"#/{name}")
    await page.shows("#3")
    await page.page.evaluate(_WATCH)
    await expect(page.page.locator(".batch-head .state")).to_contain_text("succeeded", timeout=180_000)
    seen: dict[str, float] = await page.page.evaluate("window.seen")
    ended = [event for event in await page.events(name) if "issue_finished" in event]
    assert sorted(event["issue_number"] for event in ended) == [1, 2, 3]
    late = {event["issue_number"]: seen[f"#{event['issue_number']}succeeded"] / 1000 - _time(event) for event in ended}
    assert all(seconds <= PROMPT for seconds in late.values()), late
    assert not [note for note in await page.page.evaluate("window.notes") if "unspecified" in note]


async def test_steps_and_history_are_those_of_the_log(page: PageDriver) -> None:
    """A page that is opened after the end shows every step as it ended, and every event from the first."""
    name = await page.submit(4)
    await page.go(f"#/{name}")
    await expect(page.page.locator(".batch-head .state")).to_contain_text("succeeded", timeout=180_000)
    events = await page.events(name)
    await page.page.reload()
    await page.go(f"#/{name}/events")
    await page.shows(f"{len(events)} of {len(events)}", within=".filters")
    await page.go(f"#/{name}/issues/4")
    states = page.page.locator("section:has(#steps-title) tbody .state")
    await expect(states).to_have_count(7)
    assert [text.strip() for text in await states.all_text_contents()] == ["✓succeeded"] * 7


async def test_server_that_is_away_is_said_and_comes_back_by_itself(system: System, page: PageDriver) -> None:
    """Killed, the server is said to be away since when; restarted, the page is live again and shows what happened meanwhile."""
    name = await page.submit(5, 6, 7, concurrency=1)
    await page.ask(f"{name}/pause", {})
    await page.go(f"#/{name}")
    await page.shows("paused", within=".batch-head")
    dashboard = system.stack.children["dashboard"]
    dashboard.process.kill()
    await dashboard.process.wait()
    await expect(page.page.locator(".banner")).to_contain_text("What is shown is from then", timeout=PATIENCE)
    await expect(page.page.locator("header .live.bad")).to_be_visible()
    await page.shows("#7")
    await system.stub.CancelBatch(pb.CancelBatchRequest(name=name))
    await system.stack.restart("dashboard")
    await expect(page.page.locator("header .live.good")).to_be_visible(timeout=PATIENCE)
    await page.shows("cancelled", within=".batch-head")
    await expect(page.page.locator(".banner")).to_have_count(0)
    page.errors.clear()


async def test_events_that_cannot_be_read_are_said_to_be_so(system: System, page: PageDriver) -> None:
    """While the coordinator is away a batch's events say so, rather than to be loading for ever; they come when it is back."""
    name = await page.submit(8)
    await page.cancel(name)
    coordinator = system.stack.children["coordinator"]
    coordinator.process.kill()
    await coordinator.process.wait()
    try:
        await page.page.goto(f"{page.origin}/#/events?of={name}")
        await expect(page.page.locator("main .problem")).to_be_visible(timeout=PATIENCE)
        await expect(page.page.locator("main .loading")).to_have_count(0)
    finally:
        await system.stack.restart("coordinator")
    await expect(page.page.locator("main .event").first).to_be_visible(timeout=PATIENCE)
    page.errors.clear()


async def test_shell_opens_without_the_server(system: System, page: PageDriver) -> None:
    """Once seen, the page opens while its server is away, on every place, and says that it is."""
    await page.go()
    await page.page.evaluate("navigator.serviceWorker.ready")
    await page.page.wait_for_function(
        "() => caches.open('miyabi-shell').then(cache => cache.keys()).then(keys => keys.length > 15)"
    )
    await page.page.reload()
    dashboard = system.stack.children["dashboard"]
    dashboard.process.kill()
    await dashboard.process.wait()
    try:
        for place, words in (("#/submit", "Submit a batch"), ("#/performance", "Performance")):
            other = await page.context.new_page()
            await other.goto(f"{page.origin}/{place}")
            await expect(other.locator("main h1")).to_have_text(words)
            await expect(other.locator(".banner")).to_contain_text("The server does not answer", timeout=PATIENCE)
            await other.close()
    finally:
        await system.stack.restart("dashboard")
    await expect(page.page.locator("header .live.good")).to_be_visible(timeout=PATIENCE)
    page.errors.clear()


def _time(event: dict[str, Any]) -> float:
    """Return when an event was committed, in seconds since 1970."""
    return datetime.fromisoformat(event["time"]).timestamp()
