"""The little that shows first whether the page works: every page once, one action, and how soon an event is shown."""

from __future__ import annotations

from datetime import datetime
from statistics import median

from page_driver import PATIENCE, PLACES, PageDriver
from playwright.async_api import expect

#: Times that a batch is paused and resumed; half of the changes have to be shown in time, whatever else the machine does.
ROUNDS = 3
#: Seconds from an event's commit until the page shows it.
PROMPT = 1.0
#: Notes when the batch's state is first seen on the page as another one, by the clock that the events' times come from.
_WATCH = """
() => {
  window.changes = [];
  const look = () => {
    const state = document.querySelector('.batch-head .state')?.textContent?.slice(1);
    if (state && state !== window.changes.at(-1)?.[0]) window.changes.push([state, Date.now() / 1000]);
  };
  look();
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""


async def test_every_page_of_a_live_system(page: PageDriver) -> None:
    """An issue goes from submission to its pull request; then no page lacks anything, keeps anybody out or logs an error."""
    name = await page.submit(47)
    await page.go(f"#/{name}")
    await expect(page.page.locator(".batch-head .state")).to_contain_text("succeeded", timeout=300_000)
    for place in PLACES:
        assert await page.faults(place, batch=name, issue=47) == [], place


async def test_action_and_its_event_are_shown_at_once(page: PageDriver) -> None:
    """A batch is paused and resumed by its buttons; the page shows each change within a second of its event."""
    name = await page.submit(48, 49, 50, concurrency=1)
    await page.go(f"#/{name}")
    await page.shows("running", within=".batch-head")
    await page.page.evaluate(_WATCH)
    for _ in range(ROUNDS):
        await page.act("Pause")
        await page.shows("paused", within=".batch-head")
        await page.act("Resume")
        await page.shows("running", within=".batch-head")
    seen: list[tuple[str, float]] = (await page.page.evaluate("window.changes"))[1:]
    events = [event for event in await page.events(name) if "batch_state_changed" in event]
    assert [state for state, _ in seen] == ["paused", "running"] * ROUNDS
    assert len(events) == len(seen)
    delays = [
        shown - datetime.fromisoformat(event["time"]).timestamp()
        for event, (_, shown) in zip(events, seen, strict=True)
    ]
    assert median(delays) <= PROMPT, delays
    await page.act("Cancel batch", words="the test is over")
    await expect(page.page.locator(".batch-head .state")).to_contain_text("cancelled", timeout=PATIENCE)
