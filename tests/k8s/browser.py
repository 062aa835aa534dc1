"""Drives a browser without a screen over its debugging protocol: opens a page, waits for words, takes a picture."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from tests.k8s.rig import StepError

#: Programs that can.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str:
    """Return a browser.

    Raises:
        StepError: there is none.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise StepError(f"no browser: install one of {', '.join(BROWSERS)} (Debian: `apt-get install chromium`)")
    return found


async def look(url: str, *, words: str, picture: Path, seconds: float = 60) -> str:
    """Open *url*, wait until the page shows *words*, take a picture; returns the page's text.

    Raises:
        StepError: the words did not come.
    """
    with tempfile.TemporaryDirectory() as profile:
        process = await asyncio.create_subprocess_exec(
            find_browser(), "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", "--window-size=1400,900", url,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                return await _watch(Path(profile), url, words, picture)
        except TimeoutError as error:
            raise StepError(f"the page did not show {words!r} within {seconds:.0f} s") from error
        finally:
            process.terminate()
            await process.wait()


async def _watch(profile: Path, url: str, words: str, picture: Path) -> str:
    """Connect to the browser and ask the page again and again."""
    while not (profile / "DevToolsActivePort").exists():
        await asyncio.sleep(0.1)
    port = (profile / "DevToolsActivePort").read_text().split()[0]
    async with aiohttp.ClientSession() as http:
        target = await _target(http, f"http://127.0.0.1:{port}/json", url)
        async with http.ws_connect(target, max_msg_size=64 << 20) as socket:
            text = ""
            while words not in text:
                await asyncio.sleep(0.3)
                answer = await _ask(
                    socket, "Runtime.evaluate", expression="document.body ? document.body.innerText : ''"
                )
                text = str(answer["result"].get("value", ""))
            shot = await _ask(socket, "Page.captureScreenshot", format="png")
            picture.write_bytes(base64.b64decode(shot["data"]))
            return text


async def _target(http: aiohttp.ClientSession, where: str, url: str) -> str:
    """Return the address of the page's debugger."""
    while True:
        async with http.get(where) as answer:
            for entry in await answer.json():
                if entry["type"] == "page" and entry["url"].startswith(url):
                    return str(entry["webSocketDebuggerUrl"])
        await asyncio.sleep(0.1)


async def _ask(socket: aiohttp.ClientWebSocketResponse, method: str, **parameters: Any) -> dict[str, Any]:
    """Send a command and return its answer; what else arrives is of no interest."""
    await socket.send_str(json.dumps({"id": 1, "method": method, "params": parameters}))
    while True:
        message = json.loads((await socket.receive()).data)
        if message.get("id") == 1:
            result: dict[str, Any] = message["result"]
            return result
