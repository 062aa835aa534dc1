"""Reads what a command left in its report folder: hostile data, of which no link is followed."""

# Not pathlib: names below a descriptor, which pathlib does not know.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import stat
from pathlib import Path

#: All files of a report together.
MAX_REPORT_BYTES = 64 << 20
#: More files is no report.
MAX_REPORT_FILES = 4096


def read_report(folder: Path) -> tuple[dict[str, bytes], bool]:
    """Return the report's files by name, and whether something was left out.

    Args:
        folder: Where they are; it is not a link.

    Returns:
        Files that are regular and have one name each, sorted; and True where there was anything else, or more than
        64 MiB or 4,096 files of it.
    """
    found: dict[str, bytes] = {}
    left = MAX_REPORT_BYTES
    cut = False
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        names = sorted(os.listdir(handle))
        cut = len(names) > MAX_REPORT_FILES
        for name in names[:MAX_REPORT_FILES]:
            content = _read(handle, name, left)
            if content is None:
                cut = True
                continue
            found[name] = content
            left -= len(content)
    finally:
        os.close(handle)
    return found, cut


def _read(folder: int, name: str, most: int) -> bytes | None:
    """Return a file's content; None where it is no regular file of one name, or larger than *most* bytes."""
    try:
        name.encode()
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except (OSError, UnicodeError):
        return None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_size > most:
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        content = file.read(most + 1)
    return content if len(content) <= most else None
