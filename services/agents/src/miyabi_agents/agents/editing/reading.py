"""Shows files, or lines of them, to the model; whatever is not shown is said, with the way to see it."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from miyabi_agents.agents.edit_policy import MAX_FILE_BYTES
from miyabi_agents.agents.editing.files import declared_of, pointer_of
from miyabi_agents.agents.editing.text.encodings import BinaryFileError, Encoding, UnknownEncodingError, encoding_of
from miyabi_agents.agents.editing.text.textfile import opened
from miyabi_agents.ports import Tree
from miyabi_agents.workspace.objects import Entry
from miyabi_core.text import shortened, split_lines

#: Lines of a file that are shown at once.
MAX_LINES = 800
#: Characters of a file that are shown at once; below what a result may have at all.
MAX_CHARACTERS = 36_000
#: Longest line that is shown whole.
MAX_LINE = 2000
#: Most of a line that is held while a large file is read; of what is longer only this much is looked at.
MAX_HELD = 1 << 16
#: Bytes of a large file by which its encoding is told.
_HEAD = 64 << 10
#: How ends of lines are called.
_NAMES = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}


@dataclass
class Opened:
    """A file for reading: its lines one after another, and what is to be said of it."""

    lines: Iterable[str]
    notes: list[str] = field(default_factory=list)


def read_lines(tree: Tree, found: Entry, first: int, last: int | None) -> str:
    """Return numbered lines of a file.

    Args:
        tree: Where it is.
        found: The file.
        first: First line, from 1.
        last: Last line; None: as far as there is room.

    Raises:
        ValueError: the range is reversed or behind the end, or the file is binary; the argument is named.
    """
    if last is not None and last < first:
        raise ValueError(f"end_line: {last} lies before start_line {first}")
    if not found.size:
        return f"({found.path} is empty: 0 bytes)"
    file = open_lines(tree, found)
    shown, total = _shown(file.lines, first, last)
    if total is not None and total < first:
        raise ValueError(f"start_line: {first} is behind the end of {found.path}, which has {total} lines")
    notes = [*file.notes, *_rest(found, first, first + len(shown) - 1, last, total)]
    return "\n".join([*shown, *(f"({note})" for note in notes)])


def _shown(lines: Iterable[str], first: int, last: int | None) -> tuple[list[str], int | None]:
    """Return the numbered lines for which there is room, and how many the file has; None: not all were looked at."""
    shown: list[str] = []
    size = number = 0
    known = len(lines) if isinstance(lines, list) else None
    for number, line in enumerate(lines, 1):
        if number < first:
            continue
        text = f"{number}\t{shortened(line, MAX_LINE)}"
        size += len(text) + 1
        full = len(shown) == MAX_LINES or (size > MAX_CHARACTERS and bool(shown))
        if full or (last is not None and number > last):
            return shown, known
        shown.append(text)
    return shown, number


def _rest(found: Entry, first: int, at: int, last: int | None, total: int | None) -> list[str]:
    """Say what of a file is not shown, and how to see it."""
    more = f"; go on with start_line {at + 1}" if at not in {last, total} else ""
    if total is None:
        return [f"lines {first}-{at} of a file of {found.size} bytes{more}"]
    return [f"lines {first}-{at} of {total} lines in all{more}"] if first > 1 or at < total else []


def open_lines(tree: Tree, found: Entry) -> Opened:
    """Open a file of any size for reading; a large one is read piece by piece.

    Raises:
        ValueError: it is binary.
    """
    large = found.size > MAX_FILE_BYTES
    content = head_of(tree, found.path) if large else tree.read(found.path)
    pointer = pointer_of(content)
    notes = [f"{found.path} is {pointer}; it cannot be edited"] if pointer else []
    try:
        encoding = encoding_of(content, declared_of(tree, found.path))
        if large:
            return Opened(large_lines(tree, found.path, encoding), [_too_large(found), *_encoded(encoding)])
        file = opened(found.path, content, encoding)
    except BinaryFileError as error:
        raise ValueError(f"path: {found.path} is binary ({found.size} bytes); it is not shown") from error
    except UnknownEncodingError as error:
        notes.append(f"the encoding of {found.path} is not known: {error}; bytes outside ASCII are shown as \\xNN")
        notes.append("the file can be read, not edited")
        plain = large_lines(tree, found.path, Encoding("ascii"))
        return Opened(plain, notes)
    last = file.lines[-1:]
    ending = ["there is no line end at the end of the file"] if last and not last[0].end else []
    return Opened([line.text for line in file.lines], [*notes, *_encoded(encoding), *_ended(file.ends), *ending])


def head_of(tree: Tree, path: str) -> bytes:
    """Return the begin of a large file, up to a line's end."""
    content = next(iter(tree.chunks(path)), b"")[:_HEAD]
    # Sixteen or thirty-two bits a character: an even number of bytes is enough to tell.
    return content[: content.rfind(b"\n") + 1] if b"\n" in content and b"\0" not in content else content


def large_lines(tree: Tree, path: str, encoding: Encoding) -> Iterator[str]:
    """Yield the lines of a file of any size without their ends, holding a piece of it at a time."""
    decoder = codecs.getincrementaldecoder(encoding.name)("backslashreplace")
    rest, skip = "", len(encoding.mark)
    for chunk in tree.chunks(path):
        lines = split_lines(rest + decoder.decode(chunk[skip:]), keep_ends=True)
        skip = 0
        # The last may go on, or end in half of a `\r\n`.
        rest = _held(lines.pop()) if lines else ""
        yield from (line.rstrip("\r\n") for line in lines)
    yield from split_lines(rest + decoder.decode(b"", final=True))


def _held(line: str) -> str:
    """Return as much of a line as is held, with its end."""
    plain = line.rstrip("\r\n")
    return line if len(plain) <= MAX_HELD else plain[:MAX_HELD] + line[len(plain) :]


def _too_large(found: Entry) -> str:
    """Say that a file is too large to be edited."""
    return f"{found.path} has {found.size} bytes; it can be read and searched, not edited"


def _encoded(encoding: Encoding) -> list[str]:
    """Say how a file is stored, where that is not the usual way."""
    mark = " with a byte order mark" if encoding.mark else ""
    if encoding.name == "utf-8" and not mark and not encoding.checkout:
        return []
    checkout = f", in checkouts {encoding.checkout}" if encoding.checkout else ""
    return [f"encoding: {encoding.name}{mark}{checkout}, by {encoding.by}"]


def _ended(ends: Counter[str]) -> list[str]:
    """Say how lines end, where that is not the usual way."""
    if set(ends) <= {"\n"}:
        return []
    told = ", ".join(f"{_NAMES[end]} {count}" for end, count in sorted(ends.items()))
    return [f"line ends: {told}; they are kept, so write plain line feeds"]
