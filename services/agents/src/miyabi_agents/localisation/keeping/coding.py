"""Writes what is known of a file as bytes and reads it back: numbers and text only, checked against their bounds."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from typing import Any

import numpy as np

from miyabi_agents.localisation.reading.definitions import MAX_DEFINITIONS, Import
from miyabi_agents.localisation.reading.record import MAX_NAMES, FileRecord

#: Bytes that one entry may unfold to; a file of a megabyte has far less.
MAX_ENTRY_BYTES = 16 << 20
#: Length of the text, number of rows.
_HEAD = struct.Struct("<II")
#: Bytes of a row: part, name, count.
_ROW = 2 + 4 + 1


class DamagedError(ValueError):
    """An entry is not as it was written."""


def encode(record: FileRecord) -> bytes:
    """Return a record as bytes."""
    words = json.dumps(
        ["\n".join(record.names), record.defined, [(one.module, one.names) for one in record.imports]],
        separators=(",", ":"),
    ).encode()
    rows = record.part.astype("<u2").tobytes() + record.name.astype("<u4").tobytes() + record.count.tobytes()
    return zlib.compress(_HEAD.pack(len(words), len(record.part)) + words + rows, 1)


def decode(content: bytes) -> FileRecord:
    """Return the record of bytes.

    Raises:
        DamagedError: they are no record, or one that breaks a bound.
    """
    try:
        unfolded = zlib.decompressobj().decompress(content, MAX_ENTRY_BYTES)
        size, rows = _HEAD.unpack_from(unfolded)
        if len(unfolded) != _HEAD.size + size + rows * _ROW:
            raise DamagedError("its length is not what it says")
        names, defined, imports = json.loads(unfolded[_HEAD.size : _HEAD.size + size])
        at = _HEAD.size + size
        return _checked(
            FileRecord(
                tuple(map(sys.intern, names.split("\n"))) if names else (),
                np.frombuffer(unfolded, "<u2", rows, at),
                np.frombuffer(unfolded, "<u4", rows, at + 2 * rows),
                np.frombuffer(unfolded, np.uint8, rows, at + 6 * rows),
                tuple((_text(kind), _text(name)) for kind, name in defined),
                tuple(Import(_text(module), tuple(map(_text, taken))) for module, taken in imports),
            )
        )
    except (zlib.error, struct.error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(str(error)) from error


def _text(value: Any) -> str:
    """Return a value that must be text.

    Raises:
        DamagedError: it is none.
    """
    if not isinstance(value, str):
        raise DamagedError("a text is none")
    return value


def _checked(record: FileRecord) -> FileRecord:
    """Return a record whose numbers lie within their bounds.

    Raises:
        DamagedError: one does not.
    """
    many = len(record.names) > 2 * MAX_NAMES or len(record.defined) > MAX_DEFINITIONS
    if many or (len(record.part) and not _fits(record)):
        raise DamagedError("a number is out of bounds")
    return record


def _fits(record: FileRecord) -> bool:
    """Tell whether rows point to names and parts that are there, in order."""
    return bool(
        record.name.max() < len(record.names)
        and record.part[-1] <= len(record.defined)
        and (record.part[1:] >= record.part[:-1]).all()
        and record.count.min() > 0
    )
