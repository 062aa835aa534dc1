"""What tests do with a page: open it, wait for words, look for errors and for what keeps people out, take pictures."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

ROOT = Path(__file__).resolve().parents[2]
#: Finds what keeps people out of a page.
AXE = ROOT / "services/dashboard/web/node_modules/axe-core/axe.min.js"
#: Where pictures for the documentation lie.
IMAGES = ROOT / "docs/images"
#: Set to 1, the tests write their pictures there.
WRITES_IMAGES = "MIYABI_WRITE_IMAGES"
#: Rules of WCAG 2.2 up to AA, as axe names them.
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Places of the page; `{batch}` is one, `{issue}` an issue of it that has ended well.
PLACES = {
    "overview": "#/",
    "batch": "#/{batch}",
    "timeline": "#/{batch}/timeline",
    "graph": "#/{batch}/graph",
    "costs": "#/{batch}/costs",
    "log": "#/{batch}/events",
    "issue": "#/{batch}/issues/{issue}",
    "agents": "#/agents",
    "performance": "#/performance?batch={batch}",
    "events": "#/events",
    "submit": "#/submit",
}
#: What is on a place once all of it is there; elsewhere a heading is enough.
WHOLE = {
    "batch": ".table .row[aria-rowindex='2']",
    "timeline": ".span",
    "graph": ".box",
    "log": ".event",
    "issue": ".diff .plus",
    "agents": "tbody tr button",
    "performance": ".chart canvas",
}
#: Milliseconds that the page may take for what a test waits for, on a busy machine.
PATIENCE = 30_000


@dataclass
class PageDriver:
    """One page.

    Args:
        page: Playwright's.
        context: Its own cookies, storage and service worker.
        origin: Of the dashboard.
        errors: What the page logged as an error, policy violations among them.
    """

    page: Page
    context: BrowserContext
    origin: str
    errors: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def opened(cls, browser: Browser, origin: str, **options: Any) -> AsyncIterator[PageDriver]:
        """Open a page in a context of its own."""
        settings = {"viewport": {"width": 1400, "height": 900}, "color_scheme": "light", "locale": "en-GB", **options}
        context = await browser.new_context(**settings)
        context.set_default_timeout(PATIENCE)
        try:
            driver = cls(await context.new_page(), context, origin)
            driver.page.on("console", driver._heard)
            driver.page.on("pageerror", lambda error: driver.errors.append(str(error)))
            yield driver
        finally:
            await context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        """Keep errors."""
        if message.type == "error":
            self.errors.append(message.text)

    async def go(self, place: str = "#/") -> None:
        """Open a place of the page and wait until it is connected."""
        await self.page.goto(f"{self.origin}/{place}")
        await expect(self.page.locator("header .live.good")).to_be_visible(timeout=PATIENCE)

    async def shows(self, words: str, *, within: str = "main") -> None:
        """Wait until a part of the page shows words."""
        await expect(self.page.locator(within).first).to_contain_text(words, timeout=PATIENCE)

    def button(self, name: str) -> Locator:
        """Return a button by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def act(self, name: str, *, words: str = "") -> None:
        """Press a button, fill in the dialog that asks, confirm, and wait until it is closed."""
        await self.button(name).first.click()
        dialog = self.page.locator("dialog[open]")
        await expect(dialog).to_be_visible()
        if words:
            await dialog.locator("textarea").fill(words)
        await dialog.get_by_role("button", name=name, exact=True).click()
        await expect(dialog).to_have_count(0)

    async def barriers(self) -> list[str]:
        """Return what axe finds serious or critical, a line each."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text())
        script = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
        found = await self.page.evaluate(script, WCAG)
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in found["violations"]
            if violation["impact"] in {"serious", "critical"}
            for node in violation["nodes"]
        ]

    async def faults(self, place: str, *, batch: str, issue: int) -> list[str]:
        """Open one of `PLACES`, wait until all of it is there, and return what is wrong with it, a line each."""
        await self.go(PLACES[place].format(batch=batch, issue=issue))
        main = self.page.locator("main")
        await expect(main.locator("h1, h2").first).to_be_attached(timeout=PATIENCE)
        if place in WHOLE:
            await expect(main.locator(WHOLE[place]).first).to_be_visible(timeout=PATIENCE)
        await expect(main.locator(".loading")).to_have_count(0, timeout=PATIENCE)
        root = "document.scrollingElement"
        beyond = await self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
        words = await main.inner_text()
        return [
            *await self.barriers(),
            *([f"runs over the edge by {beyond} pixels"] if beyond > 0 else []),
            *[f"says {word!r}" for word in ("unspecified", "undefined", "NaN", "[object") if word in words],
            *self.errors,
        ]

    async def picture(self, name: str) -> None:
        """Take a picture for the documentation, where that is asked for."""
        if os.environ.get(WRITES_IMAGES) == "1":
            IMAGES.mkdir(exist_ok=True)
            await self.page.screenshot(path=IMAGES / f"{name}.png")

    async def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the dashboard itself, as the page does."""
        if body is None:
            answer = await self.context.request.get(f"{self.origin}/api/{path}")
        else:
            headers = {"content-type": "application/json", "origin": self.origin}
            answer = await self.context.request.post(
                f"{self.origin}/api/{path}", data=json.dumps(body), headers=headers
            )
        assert answer.ok, await answer.text()
        return await answer.json()

    async def submit(self, *numbers: int, **fields: Any) -> str:
        """Submit issues, of the toy repository unless it is said; returns the batch's name."""
        request = {"repository": "acme/synthetic", "issueNumbers": list(numbers), "concurrency": 4, **fields}
        name: str = (await self.ask("batches", request))["batch"]["name"]
        return name

    async def cancel(self, name: str) -> None:
        """End a batch, so that its issues are free for the next test."""
        await self.ask(f"{name}/cancel", {"reason": "the test is over"})

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log of a batch, which must have fewer than a thousand events."""
        found: list[dict[str, Any]] = (await self.ask(f"{name}/events"))["events"]
        return found
