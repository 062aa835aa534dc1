"""Every page, light and dark, wide and narrow, in both languages: complete, without barriers, without an error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from page_driver import PLACES, PageDriver
from playwright.async_api import Browser, expect
from running_system import System

#: What a look of the page is made of.
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}},
    "japanese": {"locale": "ja-JP"},
}


@pytest_asyncio.fixture(scope="module")
async def batch(system: System, browser: Browser) -> AsyncIterator[str]:
    """A batch of six issues; the first of them has ended, others run."""
    async with PageDriver.opened(browser, system.stack.page) as page:
        name = await page.submit(41, 42, 43, 44, 45, 46, concurrency=3, budget={"usdMicros": "2000000"})
        await page.go(f"#/{name}/issues/41")
        await expect(page.page.locator("main .state").first).to_contain_text("succeeded", timeout=180_000)
        yield name
        state = (await page.ask(name))["batch"]["state"]
        if state == "BATCH_STATE_RUNNING":
            await page.cancel(name)


@pytest.mark.parametrize("look", LOOKS)
async def test_pages_are_complete_and_without_barriers(system: System, browser: Browser, batch: str, look: str) -> None:
    """Each has a heading and its content, keeps nobody out by WCAG AA, runs over no edge, and logs no error."""
    async with PageDriver.opened(browser, system.stack.page, **LOOKS[look]) as page:
        for place in PLACES:
            assert await page.faults(place, batch=batch, issue=41) == [], place
            await page.picture(f"{place}-{look}")
        assert ("ja" if look == "japanese" else "en") == await page.page.evaluate("document.documentElement.lang")


async def test_transcript_and_tools_of_an_issue(page: PageDriver, batch: str) -> None:
    """What the models were asked and every tool call with its time are there when one opens them."""
    await page.go(f"#/{batch}/issues/41")
    await page.page.get_by_text("Transcript", exact=True).click()
    await expect(page.page.locator(".call").first).to_be_visible()
    await page.page.locator(".call summary").first.click()
    await expect(page.page.locator(".call[open] .speech").first).not_to_be_empty()
    await page.page.get_by_text("Tools and events", exact=True).click()
    await expect(page.page.locator(".event").filter(has_text="tool").first).to_be_visible()
    assert await page.barriers() == []


async def test_events_are_filtered_and_exported(page: PageDriver, batch: str) -> None:
    """By kind, issue and words; the export has the whole log."""
    await page.go(f"#/{batch}/events")
    await page.page.get_by_label("kind").select_option("plan_recorded")
    await page.page.get_by_label("issue no.").fill("41")
    await page.shows("1 of", within=".filters")
    async with page.page.expect_download() as download:
        await page.page.get_by_role("link", name="Export").click()
    lines = (await (await download.value).path()).read_text().split("\n")
    assert len(lines) > 50


async def test_language_and_colours_are_kept(page: PageDriver) -> None:
    """What one chooses holds at once and after a reload."""
    await page.go()
    await page.page.get_by_label("Language").select_option("ja")
    await expect(page.page.locator("header nav")).to_contain_text("概要")
    await page.page.get_by_label("配色").select_option("dark")
    await page.page.reload()
    await expect(page.page.locator("header nav")).to_contain_text("概要")
    assert await page.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


async def test_policy_allows_nothing_inline_and_no_other_host(page: PageDriver) -> None:
    """The page is served under a policy without `unsafe-…`, and asked for nothing elsewhere on any page."""
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url))
    answer = await page.page.goto(page.origin)
    assert answer is not None
    policy = await answer.header_value("content-security-policy")
    assert policy is not None
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    for place in ("#/agents", "#/performance", "#/events", "#/submit"):
        await page.go(place)
    host = page.origin.split("//")[1]
    assert [url for url in asked if url.split("/")[2] != host] == []
