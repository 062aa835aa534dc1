"""Builds the environment that a repository's tests need, once for each set of requirements."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.verification.config import EnvConfig

#: Building may fetch packages.
TIMEOUT = timedelta(minutes=5)
#: Variables that package installers need; no credential is among them.
_PASSED_ON = (
    "PATH", "HOME", "LANG", "UV_DEFAULT_INDEX", "PIP_INDEX_URL", "UV_CACHE_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "XDG_CACHE_HOME",
)  # fmt: skip


class Environments:
    """Keeps environments below a folder, one for each interpreter and set of requirements.

    Args:
        folder: Where they are kept; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    async def python(self, config: EnvConfig) -> Path:
        """Return the interpreter of the environment for *config*, built where it is not there yet.

        Raises:
            EnvironmentBuildError: no interpreter fits, or a package cannot be installed.
        """
        chosen = choose_interpreter(config)
        key = hashlib.sha256(json.dumps([str(chosen), config.requirements]).encode()).hexdigest()[:16]
        target = self._folder / key
        if not (target / "complete").exists():
            lock = await asyncio.to_thread(_take_lock, self._folder, key)
            try:
                if not await asyncio.to_thread((target / "complete").exists):
                    await self._build(target, chosen, config)
            finally:
                os.close(lock)
        return target / "bin/python"

    async def _build(self, target: Path, interpreter: Path, config: EnvConfig) -> None:
        """Make a virtual environment and install the requirements; a half-built one is never used."""
        await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
        uv = find_uv()
        await _run(uv, "venv", "--quiet", "--no-config", "--python", str(interpreter), str(target))
        if config.requirements:
            python = str(target / "bin/python")
            await _run(uv, "pip", "install", "--quiet", "--no-config", "--python", python, *config.requirements)
        await asyncio.to_thread((target / "complete").touch)


def choose_interpreter(config: EnvConfig) -> Path:
    """Return the first preferred Python that is there, else the one that runs us."""
    for version in config.prefer:
        ours = f"{sys.version_info.major}.{sys.version_info.minor}"
        if version == ours:
            return Path(sys.executable)
        found = shutil.which(f"python{version}")
        if found:
            return Path(found)
    return Path(sys.executable)


def find_uv() -> str:
    """Return uv's program: beside our interpreter, from its package, or on the path.

    Raises:
        EnvironmentBuildError: there is none.
    """
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise EnvironmentBuildError("uv is not installed, so that no test environment can be built")
    return found


def _take_lock(folder: Path, key: str) -> int:
    """Take the lock of one environment; closing the handle gives it back."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


async def _run(*command: str) -> None:
    """Run an installer.

    Raises:
        EnvironmentBuildError: it failed; the message ends with its own words.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(TIMEOUT.total_seconds()):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise EnvironmentBuildError(f"{command[1]} took longer than {TIMEOUT}", retryable=True) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        words = output.decode(errors="replace").strip()[-800:]
        raise EnvironmentBuildError(f"the test environment could not be built: {words}", retryable=True)
