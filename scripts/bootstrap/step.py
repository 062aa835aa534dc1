"""What a step of the set-up is made of: commands, downloads, and not doing again what is done."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"
#: A download is tried this often.
TRIES = 3


def fail(message: str) -> None:
    """End with one line for a person."""
    sys.exit(f"setup: {message}")


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a command; its failure is ours."""
    result = subprocess.run([*map(str, command)], cwd=cwd, env={**os.environ, **environment}, check=False)
    if result.returncode:
        fail(f"`{' '.join(map(str, command))}` ended with {result.returncode}")


def digest(paths: Iterable[Path], *more: str) -> str:
    """Return a digest of files and texts."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    total.update("\0".join(more).encode())
    return total.hexdigest()


def once(name: str, key: str, action: Callable[[], None], *, proof: Path) -> None:
    """Run *action* unless it succeeded with the same key before and its *proof* is still there."""
    stamp = TOOLS / f"{name}.stamp"
    if proof.exists() and stamp.exists() and stamp.read_text() == key:
        return
    stamp.unlink(missing_ok=True)
    print(f"setup: {name} …", file=sys.stderr, flush=True)
    action()
    stamp.write_text(key)


def download(url: str, **headers: str) -> bytes:
    """Fetch a URL.

    An error after all tries ends the program with one line.
    """
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                body: bytes = answer.read()
                return body
        except OSError as error:
            if attempt == TRIES:
                fail(f"cannot fetch {url}: {error}")
    raise AssertionError
