"""A browser without a screen, and the running systems that its pages show."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from page_driver import PageDriver
from playwright.async_api import Browser, async_playwright
from running_system import System, running_system
from toy_repository import make_toy

#: Programs that can; the first one that is there is taken.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Seconds of a test, the start of the system among them: on a machine at a load of 25, 2 cores, that alone took 220.
LIMIT = 900
#: As many as the tests name between them.
ISSUES = 50


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the page in one worker: they share a system, and measure times."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow(reason="a whole system and a browser"))
            item.add_marker(pytest.mark.xdist_group("browser"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(LIMIT))


@pytest_asyncio.fixture(scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """One running system with two agents."""
    folder = tmp_path_factory.mktemp("system")
    async with running_system(folder, agents=2, toy=make_toy(folder / "toy", issues=ISSUES)) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The machine's own Chromium; without one the tests fail, since what they show is not shown then."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(f"no browser: install one of {', '.join(BROWSERS)} (Debian: `apt-get install chromium`)")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture
async def page(system: System, browser: Browser) -> AsyncIterator[PageDriver]:
    """A fresh page of the shared system, 1400 pixels wide, light, in English; it must end without an error of its own."""
    async with PageDriver.opened(browser, system.stack.page) as driver:
        yield driver
        assert driver.errors == []
