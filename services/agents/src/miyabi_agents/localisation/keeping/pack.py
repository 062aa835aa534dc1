"""One file that holds the records of a repository's files, each under its key and with its checksum.

`miyabi-index FORMAT LENGTH CHECKSUM` and a line's end; so many bytes of JSON, the places of the entries by key; the
entries. A file of another format, or one that is damaged, is as good as none; an entry that is damaged is left out.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from miyabi_agents.localisation.keeping.coding import DamagedError, decode
from miyabi_agents.localisation.reading.record import FileRecord

#: Raised whenever what is written, or how files are read, changes.
FORMAT = 1
#: Largest file that is read, in bytes; ours are at most as large as the whole folder may be.
MAX_PACK_BYTES = 1 << 30
_MAGIC = b"miyabi-index"


class Pack:
    """The entries of one file, still encoded.

    Args:
        entries: Bytes by key.
    """

    def __init__(self, entries: Mapping[str, bytes] | None = None) -> None:
        self.entries = dict(entries or {})

    def record(self, key: str) -> FileRecord | None:
        """Return a record; None where it is not there or damaged."""
        content = self.entries.get(key)
        if content is None:
            return None
        try:
            return decode(content)
        except DamagedError:
            del self.entries[key]
            return None

    def content(self) -> bytes:
        """Return the file's content."""
        places, at = {}, 0
        for key, entry in self.entries.items():
            places[key] = [at, len(entry), zlib.crc32(entry)]
            at += len(entry)
        head = json.dumps(places, separators=(",", ":")).encode()
        first = b"%s %d %d %d\n" % (_MAGIC, FORMAT, len(head), zlib.crc32(head))
        return b"".join([first, head, *self.entries.values()])


def read_pack(path: Path) -> Pack:
    """Return what a file holds; nothing where it is not there, damaged, too large, or of another format."""
    try:
        if path.stat().st_size > MAX_PACK_BYTES:
            return Pack()
        return Pack(_entries(path.read_bytes()))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return Pack()


def _entries(content: bytes) -> dict[str, bytes]:
    """Return the entries whose checksums are right.

    Raises:
        ValueError: it is no such file.
    """
    first, _, rest = content[:200].partition(b"\n")
    magic, form, length, checksum = first.split(b" ")
    begin = len(first) + 1
    end = begin + int(length)
    head = content[begin:end]
    if magic != _MAGIC or int(form) != FORMAT or not rest or zlib.crc32(head) != int(checksum):
        raise ValueError("no index of this format")
    entries = {}
    for key, (at, size, right) in json.loads(head).items():
        entry = content[end + at : end + at + size]
        if zlib.crc32(entry) == right:
            entries[key] = entry
    return entries
