"""What is written down of environments, out of reach of what runs in the sandbox: made, failed, used."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

#: A record is our own and short; more than that is none.
_MAX_BYTES = 4 << 20
#: Ends of the names of records.
_MADE, _FAILED = ".made.json", ".failed.json"


@dataclass(frozen=True)
class Made:
    """An environment that is complete."""

    recipe: int  #: which of the recipes built it, from 0
    notes: list[str]
    generated: list[str]
    seconds: float
    size: int  #: bytes on disk


@dataclass(frozen=True)
class Kept:
    """One environment that is there."""

    name: str
    size: int
    used: float  #: when it was used last, seconds since 1970


class Records:
    """Reads and writes records.

    Args:
        folder: Where they are; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lock(self, name: str) -> Path:
        """Return the file whose lock guards an environment: held alone to build or remove it, shared to use it."""
        return self._folder / f"{name}.lock"

    def made(self, name: str) -> Made | None:
        """Return the record of a complete environment; None where it is not complete."""
        fields = _read(self._folder / f"{name}{_MADE}")
        try:
            return None if fields is None else Made(**fields)
        except TypeError:
            return None

    def note_made(self, name: str, made: Made) -> None:
        """Write down that an environment is complete, at once or not at all.

        Raises:
            OSError: the disk is full.
        """
        _write(self._folder / f"{name}{_MADE}", asdict(made))
        (self._folder / f"{name}{_FAILED}").unlink(missing_ok=True)

    def note_used(self, name: str) -> None:
        """Write down that an environment is used now."""
        with suppress(OSError):
            os.utime(self._folder / f"{name}{_MADE}")

    def failed(self, name: str, *, within: timedelta) -> str | None:
        """Return why an environment could not be built, where that is not long ago."""
        path = self._folder / f"{name}{_FAILED}"
        with suppress(OSError):
            if time.time() - path.stat().st_mtime <= within.total_seconds():
                fields = _read(path)
                return None if fields is None else str(fields.get("message", ""))
        return None

    def note_failed(self, name: str, message: str) -> None:
        """Write down why an environment cannot be built; a full disk keeps it from being written, which is no harm."""
        with suppress(OSError):
            _write(self._folder / f"{name}{_FAILED}", {"message": message})

    def forget(self, name: str) -> None:
        """Write down that an environment is not complete any more; first of all when it is removed."""
        (self._folder / f"{name}{_MADE}").unlink(missing_ok=True)

    def kept(self) -> Iterator[Kept]:
        """Yield every complete environment."""
        for path in self._folder.glob(f"*{_MADE}"):
            made = self.made(name := path.name.removesuffix(_MADE))
            with suppress(OSError):
                yield Kept(name, made.size if made is not None else 0, path.stat().st_mtime)

    def strays(self) -> Iterator[Path]:
        """Yield the locks that no record belongs to."""
        for path in self._folder.glob("*.lock"):
            name = path.name.removesuffix(".lock")
            records = (self._folder / f"{name}{_MADE}", self._folder / f"{name}{_FAILED}")
            if not any(record.exists() for record in records):
                yield path

    def sweep(self, *, older: timedelta) -> None:
        """Remove records of failures that are old."""
        for path in self._folder.glob(f"*{_FAILED}"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > older.total_seconds():
                    path.unlink()


def _read(path: Path) -> dict[str, Any] | None:
    """Read a record; None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def _write(path: Path, fields: dict[str, object]) -> None:
    """Write a record by way of a new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    try:
        temporary.write_text(json.dumps(fields))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
