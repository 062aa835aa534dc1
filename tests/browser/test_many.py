"""A thousand issues on the page, and what a page weighs."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from page_driver import PageDriver
from playwright.async_api import Browser, expect
from running_system import System

#: Frames in a second while one scrolls.
SMOOTH = 50
#: Bytes of compressed JavaScript before the first view is complete.
LIGHT = 120 * 1024
#: Milliseconds from the first request to the first view, of a warm server.
QUICK = 1000
#: Scrolls from top to end within three seconds, and counts frames.
_SCROLL = """
(selector) => new Promise(done => {
  const box = document.querySelector(selector), end = box.scrollHeight - box.clientHeight, begin = performance.now();
  let frames = 0;
  const step = now => {
    frames += 1;
    const part = Math.min(1, (now - begin) / 3000);
    box.scrollTop = end * part;
    if (part < 1) requestAnimationFrame(step);
    else done({rate: 1000 * frames / (now - begin), end, top: box.scrollTop});
  };
  requestAnimationFrame(step);
})
"""


@pytest_asyncio.fixture(scope="module")
async def thousand(system: System, browser: Browser) -> AsyncIterator[str]:
    """A paused batch of a thousand issues."""
    async with PageDriver.opened(browser, system.stack.page) as page:
        request = {"repository": "acme/synthetic", "query": {"limit": 1000}, "concurrency": 4, "noGrouping": True}
        name: str = (await page.ask("batches", request))["batch"]["name"]
        await page.ask(f"{name}/pause", {})
        yield name
        await page.cancel(name)


@pytest.mark.parametrize(
    ("tab", "box"), [("issues", ".virtual"), ("timeline", ".virtual"), ("graph", ".drawing"), ("events", ".virtual")]
)
async def test_thousand_issues_scroll_smoothly(page: PageDriver, thousand: str, tab: str, box: str) -> None:
    """From the first to the last at 50 frames a second, with no more on the page than is in sight."""
    await page.go(f"#/{thousand}/{tab}")
    await expect(page.page.locator(f"main {box}")).to_be_visible()
    await page.page.wait_for_function(
        "selector => { const box = document.querySelector(selector); return box.scrollHeight > 1.5 * box.clientHeight }",
        arg=f"main {box}",
    )
    measured = await page.page.evaluate(_SCROLL, f"main {box}")
    assert measured["top"] >= measured["end"] - 2
    assert measured["rate"] >= SMOOTH, measured
    assert await page.page.locator("main *").count() < 4000


async def test_first_view_is_light_and_quick(browser: Browser, system: System, thousand: str) -> None:
    """At most 120 KB of compressed JavaScript; the batches are shown within a second of the first request."""
    assert thousand
    watch = """
    new MutationObserver((_, self) => {
      if (!document.querySelector('.overview a[data-line]')) return;
      window.shownAt = performance.now();
      self.disconnect();
    }).observe(document, {subtree: true, childList: true});
    """
    times: list[float] = []
    for _ in range(3):
        async with PageDriver.opened(browser, system.stack.page, service_workers="block") as page:
            await page.page.add_init_script(watch)
            await page.go()
            times.append(await page.page.evaluate("window.shownAt"))
            loaded = await page.page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
            scripts = {name for name in loaded if name.endswith(".js") and "/assets/" in name}
            bodies = [await (await page.context.request.get(name)).body() for name in scripts]
            assert 0 < sum(len(gzip.compress(body)) for body in bodies) <= LIGHT
    assert min(times) <= QUICK, times
