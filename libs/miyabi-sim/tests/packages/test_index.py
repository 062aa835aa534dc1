"""The package index that a cluster without a network installs test environments from."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from miyabi_core.edge import HttpDoor, ServedHosts
from miyabi_sim.packages import application


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[str]:
    """Serve one wheel; gives the index's URL."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    metadata = "miyabi_sample-1.0.dist-info"
    with zipfile.ZipFile(folder / "miyabi_sample-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("miyabi_sample.py", "VALUE = 42\n")
        wheel.writestr(f"{metadata}/METADATA", "Metadata-Version: 2.1\nName: miyabi-sample\nVersion: 1.0\n")
        wheel.writestr(f"{metadata}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{metadata}/RECORD", "")
    runner = web.AppRunner(application(folder, door=HttpDoor(ServedHosts("127.0.0.1:0"))), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/simple"
    await runner.cleanup()


async def test_a_package_is_installed_from_it(index: str, tmp_path: Path) -> None:
    """uv, which agents use, finds the wheel under any spelling of its name and takes it."""
    target = tmp_path / "target"
    command = [
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--no-cache",
        "--python",
        sys.executable,
    ]
    command += ["--default-index", index, "--target", str(target), "Miyabi.Sample==1.0"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (target / "miyabi_sample.py").read_text() == "VALUE = 42\n"
