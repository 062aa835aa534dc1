"""Runs programs and talks to the person at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

#: Root of the checkout.
ROOT = Path(__file__).resolve().parents[2]


class K8sError(Exception):
    """Something is missing or did not work; the message says what to do."""


def fail(message: str) -> NoReturn:
    """Stop with a sentence for a person."""
    raise K8sError(message)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def run(
    *command: str,
    stdin: str | None = None,
    check: bool = True,
    timeout: float = 600,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return its output.

    Args:
        command: Program and arguments.
        stdin: Text for its standard input; never shown.
        check: Fail where it does; otherwise its output is returned all the same.
        timeout: Seconds.
        env: Added to the environment.

    Raises:
        K8sError: it failed or is missing; the message ends with its own words.
    """
    environment = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            cwd=ROOT,
            env=environment,
        )
    except FileNotFoundError as error:
        raise K8sError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise K8sError(f"`{' '.join(command[:4])} …` took longer than {timeout:.0f} s") from error
    if check and done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise K8sError(f"`{' '.join(command[:6])}` ended with {done.returncode}:\n{words}")
    return done.stdout


def works(*command: str, timeout: float = 30) -> bool:
    """Tell whether a program is there and ends well."""
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=timeout).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say what is being done and how long it took."""
    print(f"{what} …", end=" ", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - began:.1f} s", flush=True)


def stream(*command: str, env: Mapping[str, str] | None = None) -> int:
    """Run a program whose output goes where ours goes."""
    sys.stdout.flush()
    return subprocess.run(command, check=False, cwd=ROOT, env={**os.environ, **(env or {})}).returncode
