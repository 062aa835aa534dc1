"""Environments below build/ for what a benchmark runs beside us, each with its versions pinned."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

#: The checkout.
ROOT = Path(__file__).resolve().parent.parent.parent
#: What set-up installed.
_UV = ROOT / ".tools" / "uv"


def environment(name: str, requirements: Path) -> Path:
    """Return the folder of programs of an environment; it is made where its requirements are new.

    Raises:
        CalledProcessError: the packages cannot be had.
    """
    folder = ROOT / "build" / "peers" / name
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = folder / "requirements.digest"
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run([_UV, "venv", "--quiet", "--clear", folder], check=True)
        python = folder / "bin" / "python"
        subprocess.run([_UV, "pip", "install", "--quiet", "--python", python, "-r", requirements], check=True)
        stamp.write_text(digest)
    return folder / "bin"
