"""Every action of the page, by the mouse and by the keyboard, and what those see who may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_driver import PageDriver
from playwright.async_api import Browser, expect
from running_system import System, running_system


async def test_batch_is_paused_resumed_cancelled(page: PageDriver) -> None:
    """Each is asked for once more, done, and said; the reason is in the log."""
    name = await page.submit(11, 12, 13, concurrency=1)
    await page.go(f"#/{name}")
    await page.act("Pause", words="lunch")
    await page.shows("paused", within=".batch-head")
    await page.shows("The batch is paused.", within=".notices")
    await page.act("Resume")
    await page.shows("running", within=".batch-head")
    await page.act("Cancel batch", words="enough")
    await page.shows("cancelled", within=".batch-head")
    await expect(page.button("Cancel batch")).to_have_attribute("aria-disabled", "true")
    reasons = [
        event["batch_state_changed"]["reason"] for event in await page.events(name) if "batch_state_changed" in event
    ]
    assert reasons == ["lunch", "", "enough"]


async def test_change_is_approved_refused_and_retried(page: PageDriver) -> None:
    """One change is approved and gets its pull request, one is refused with a reason and run again."""
    name = await page.submit(14, 15, requireApproval=True)
    await page.go(f"#/{name}/issues/14")
    await expect(page.page.locator(".approval")).to_be_visible(timeout=120_000)
    await page.act("Approve", words="good")
    await expect(page.page.get_by_role("link", name="Draft pull request")).to_be_visible(timeout=60_000)
    await page.go(f"#/{name}/issues/15")
    await expect(page.page.locator(".approval")).to_be_visible(timeout=120_000)
    await page.button("Refuse").click()
    await page.page.locator("dialog[open]").get_by_role("button", name="Refuse", exact=True).click()
    await expect(page.page.locator("dialog[open]"), "a refusal without a reason is not sent").to_be_visible()
    await page.page.keyboard.press("Escape")
    await page.act("Refuse", words="wrong approach")
    await page.shows("failed")
    decided = [event["approval_resolved"] for event in await page.events(name) if "approval_resolved" in event]
    assert [(one["approved"], one["comment"]) for one in decided] == [(True, "good"), (False, "wrong approach")]
    await page.go(f"#/{name}")
    await page.shows("failed", within=".batch-head")
    await page.act("Retry failed")
    await page.shows("running", within=".batch-head")
    await page.cancel(name)


async def test_batch_is_submitted_after_a_preview(page: PageDriver) -> None:
    """The search shows what matches; what is ticked is submitted, as a dry run with its budget."""
    await page.go("#/submit")
    await page.page.get_by_label("repository").fill("acme/synthetic")
    await page.page.get_by_label("At most").fill("8")
    await page.button("Preview").click()
    await page.shows("8 of 8 issues are ticked")
    await page.shows("What it would cost is not known")
    for row in range(6):
        await page.page.locator(".match input").nth(row).uncheck()
    await page.page.get_by_label("Budget of the batch").fill("2.5")
    await page.page.get_by_label("Dry run").check()
    await page.picture("submit")
    await page.act("Submit as a dry run")
    await page.shows("dry run", within=".batch-head")
    name = page.page.url.split("#/")[1]
    spec = (await page.ask(name))["batch"]["spec"]
    assert (spec["issue_numbers"], spec["dry_run"], spec["budget"]["usd_micros"]) == ([7, 8], True, "2500000")
    await page.cancel(name)


async def test_what_stands_in_the_way_is_said_and_may_be_overruled(page: PageDriver) -> None:
    """An issue that another batch has is named; one goes on all the same by ticking it."""
    first = await page.submit(21, concurrency=1, dryRun=False)
    await page.ask(f"{first}/pause", {})
    await page.go("#/submit?repository=acme/synthetic")
    await page.page.get_by_label("by number").check()
    await page.page.get_by_label("Issue numbers").fill("21")
    await page.button("Submit").click()
    dialog = page.page.locator("dialog[open]")
    await dialog.get_by_role("button", name="Submit", exact=True).click()
    await expect(dialog).to_contain_text("#21")
    await dialog.get_by_role("checkbox").check()
    await dialog.get_by_role("button", name="Submit", exact=True).click()
    await expect(dialog).to_have_count(0)
    await page.shows("acme/synthetic", within=".batch-head")
    second = page.page.url.split("#/")[1]
    assert second != first
    for name in (first, second):
        await page.cancel(name)
    page.errors.clear()  # the browser logs the refusal, 409, as an error


async def test_page_is_worked_by_keys_alone(page: PageDriver) -> None:
    """The sheet, places, lines, tabs, a dialog and its end, without a mouse."""
    name = await page.submit(31, 32, concurrency=1)
    keys = page.page.keyboard
    await page.go()
    await keys.press("?")
    await expect(page.page.locator("dialog[open]")).to_contain_text("Keyboard shortcuts")
    await keys.press("Escape")
    await expect(page.page.locator("dialog[open]")).to_have_count(0)
    for letter, title in (("a", "Agents"), ("p", "Performance"), ("e", "Events"), ("s", "Submit a batch")):
        await keys.press("g")
        await keys.press(letter)
        await expect(page.page.locator("main h1")).to_have_text(title)
    await keys.press("g")
    await keys.press("o")
    await page.shows("Running")
    await keys.press("j")
    await keys.press("Enter")
    await page.shows("acme/synthetic", within=".batch-head")
    await keys.press("3")
    await expect(page.page.locator(".drawing")).to_be_visible()
    await keys.press("1")
    await keys.press("/")
    await keys.type("#32")
    await page.shows("1 of 2")
    await keys.press("Tab")
    await keys.press("Tab")
    await keys.press("Enter")
    await page.shows("#32", within="main h1")
    await keys.press("u")
    await page.button("Pause").focus()
    await keys.press("Enter")
    await keys.type("by keys")
    await keys.press("Tab")
    await keys.press("Tab")
    await keys.press("Enter")
    await page.shows("paused", within=".batch-head")
    await page.cancel(name)


@pytest.mark.timeout(300)
async def test_those_who_may_not_see_why(browser: Browser, tmp_path: Path) -> None:
    """A viewer logs in by the form, sees every page, and every action closed with its reason; an operator's are open."""
    async with running_system(tmp_path, agents=0, identity=True) as system:
        for name, lacks in (("dashboard", "You would need the role “submitter”."), ("operator", None)):
            async with PageDriver.opened(browser, system.stack.page) as page:
                await page.page.goto(page.origin)
                token = system.stack.options.identities.token_file(name).read_text().strip()
                await page.page.get_by_label("Token").fill(token)
                await page.page.get_by_role("button", name="Log in").click()
                await page.go("#/submit")
                await page.page.get_by_label("repository").fill("acme/synthetic")
                button = page.button("Submit")
                if lacks is None:
                    await expect(button).not_to_have_attribute("aria-disabled", "true")
                else:
                    await expect(button).to_have_attribute("aria-disabled", "true")
                    await expect(button).to_have_attribute("title", lacks)
                assert page.errors == []


async def test_agent_is_drained(system: System, page: PageDriver) -> None:
    """It takes no more, is marked, and cannot be drained twice."""
    await page.go("#/agents")
    row = page.page.locator("tbody tr").filter(has_text="local-2")
    await row.get_by_role("button", name="Drain").click()
    await page.page.locator("dialog[open]").get_by_role("button", name="Drain", exact=True).click()
    await expect(row.locator(".badge")).to_have_text("draining")
    await expect(row.get_by_role("button", name="Drain")).to_have_attribute("aria-disabled", "true")
    # The one who runs the agents takes it away and gives a new one, for the other tests.
    await system.stack.children["local-2"].stop()
    await system.stack.restart("local-2")
