"""What lies at a path of a commit with edits: a file, or what stands in the way of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EntryKind(Enum):
    """What there is."""

    FILE = "file"
    LINK = "symbolic link"
    SUBMODULE = "submodule"
    FOLDER = "folder"
    ABSENT = "absent"


@dataclass(frozen=True)
class Entry:
    """What was found on the way to a path.

    Args:
        kind: What it is.
        path: Where it lies: the path itself, or the part of it at which a file, link or submodule ends the way.
        size: Bytes of a file.
        executable: Whether a file carries the executable bit.
        target: Where a link leads, as it is written; empty where that is no text.
    """

    kind: EntryKind
    path: str
    size: int = 0
    executable: bool = False
    target: str = ""
