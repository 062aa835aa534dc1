"""A text file as it is: its encoding, each line's own end and own bytes, all of which an edit elsewhere keeps."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from miyabi_agents.agents.editing.text.alignment import aligned
from miyabi_agents.agents.editing.text.encodings import Encoding, UnknownEncodingError, cookie_of
from miyabi_core.text import shortened, split_lines


@dataclass(frozen=True)
class Line:
    r"""One line.

    Args:
        text: Without its end.
        end: `\n`, `\r\n` or `\r`; empty for a last line that has none.
        raw: Both, as they are stored.
    """

    text: str
    end: str
    raw: bytes


@dataclass(frozen=True)
class TextFile:
    """The lines of a file.

    Args:
        path: For messages.
        encoding: How the text is stored.
        lines: In order; only the last may have no end.
        usual_end: What ends a line where no line beside it has an end.
    """

    path: str
    encoding: Encoding
    lines: tuple[Line, ...]
    usual_end: str = "\n"

    @property
    def content(self) -> bytes:
        """The whole file."""
        return self.encoding.mark + b"".join(line.raw for line in self.lines)

    @cached_property
    def text(self) -> str:
        r"""The text as the model is shown it: without mark, every line that has an end ends at `\n`."""
        return "".join(_shown(line) for line in self.lines)

    @cached_property
    def _starts(self) -> list[int]:
        """Where each line begins in the text; where the text ends, too."""
        return [0, *accumulate(len(_shown(line)) for line in self.lines)]

    @property
    def ends(self) -> Counter[str]:
        """How many lines have each end."""
        return Counter(line.end for line in self.lines if line.end)

    def line_of(self, at: int) -> int:
        """Return the number, from 1, of the line that holds a position of the text."""
        return min(bisect_right(self._starts, at), max(1, len(self.lines)))

    def start_of(self, number: int) -> int:
        """Return where a line begins in the text; of one behind the last, where the text ends."""
        return self._starts[min(number - 1, len(self.lines))]

    def replaced(self, start: int, stop: int, new: str) -> TextFile:
        r"""Return the file with a part of its text replaced.

        Lines that stay keep their bytes. A line that is changed keeps its end, a new one takes that of the line before
        it, or else behind it.

        Args:
            start: Position in the text.
            stop: Position behind the part.
            new: What takes its place, with `\n` as the end of lines.

        Raises:
            ValueError: the encoding has no such character, which is named.
        """
        first = min(bisect_right(self._starts, start) - 1, len(self.lines))
        if first == len(self.lines) > 0 and not self.lines[-1].end:
            first -= 1
        last = min(bisect_right(self._starts, stop), len(self.lines))
        old = self.lines[first:last]
        made = self.text[self._starts[first] : start] + new + self.text[stop : self._starts[last]]
        lines = self._ended(old, split_lines(made, keep_ends=True), first)
        return TextFile(self.path, self.encoding, (*self.lines[:first], *lines, *self.lines[last:]), self.usual_end)

    def _ended(self, old: Sequence[Line], made: Sequence[str], first: int) -> list[Line]:
        """Return new lines with their ends and bytes."""
        before = self.lines[first - 1].end if first else ""
        behind = next((line.end for line in old if line.end), self.lines[-1].end if self.lines else "")
        found: list[Line] = []
        pairs = aligned([_shown(line) for line in old], made)
        for text, (own, same) in zip(made, pairs, strict=True):
            if same and own is not None:
                line = old[own]
            else:
                kept = old[own].end if own is not None else ""
                end = (kept or before or behind or self.usual_end) if text.endswith("\n") else ""
                line = encoded_line(self.path, self.encoding, text.removesuffix("\n"), end)
            before = line.end or before
            found.append(line)
        return found


def _shown(line: Line) -> str:
    """Return a line as the model is shown it."""
    return f"{line.text}\n" if line.end else line.text


def opened(path: str, content: bytes, encoding: Encoding) -> TextFile:
    """Return a file that is there.

    Raises:
        UnknownEncodingError: its bytes cannot be told apart line by line, so that an edit would not keep them.
    """
    body = content[len(encoding.mark) :]
    texts = split_lines(body.decode(encoding.name), keep_ends=True)
    raws = [text.encode(encoding.name) for text in texts]
    if b"".join(raws) != body:
        # Several bytes may stand for one character: then the lines are taken as they are stored.
        raws = split_lines(body, keep_ends=True)
        same = len(raws) == len(texts)
        if not same or any(raw.decode(encoding.name, "replace") != text for raw, text in zip(raws, texts, strict=True)):
            raise UnknownEncodingError(f"as {encoding.name} its lines cannot be told apart byte by byte")
    lines = tuple(_line(text, raw) for text, raw in zip(texts, raws, strict=True))
    usual = Counter(line.end for line in lines if line.end).most_common(1)
    return TextFile(path, encoding, lines, usual[0][0] if usual else "\n")


def _line(text: str, raw: bytes) -> Line:
    """Return a line that is there."""
    plain = text.rstrip("\r\n")
    return Line(plain, text[len(plain) :], raw)


def created(path: str, text: str, encoding: Encoding, end: str) -> TextFile:
    """Return a new file.

    Args:
        path: For messages.
        text: With any ends of lines.
        encoding: How it is stored.
        end: What ends its lines.

    Raises:
        ValueError: the encoding has no such character, which is named.
    """
    lines = split_lines(text, keep_ends=True)
    plain = [line.rstrip("\r\n") for line in lines]
    made = [
        encoded_line(path, encoding, text, end if text != line else "") for text, line in zip(plain, lines, strict=True)
    ]
    return TextFile(path, encoding, tuple(made), end)


def encoded_line(path: str, encoding: Encoding, text: str, end: str) -> Line:
    """Return a line with its bytes.

    Raises:
        ValueError: an encoding has no such character.
    """
    for name in filter(None, (encoding.name, encoding.checkout)):
        _refuse_foreign(path, name, text)
    return Line(text, end, f"{text}{end}".encode(encoding.name))


def _refuse_foreign(path: str, name: str, text: str) -> None:
    """Refuse a line of which an encoding does not give back the same text.

    Raises:
        ValueError: it does not; the character is named.
    """
    try:
        if "\0" not in text and text.encode(name).decode(name) == text:
            return
    except UnicodeError:
        pass
    for char in text:
        if char == "\0" or not _holds(name, char):
            code = f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip()
            raise ValueError(f"{path} is {name}, which cannot hold {char!a} ({code}); nothing was written")
    raise ValueError(f"{path} is {name}, which cannot hold {shortened(text, 100)!a}; nothing was written")


def _holds(name: str, char: str) -> bool:
    """Tell whether an encoding has a character."""
    try:
        return char.encode(name).decode(name) == char
    except UnicodeError:
        return False


def refuse_other_cookie(before: TextFile, after: TextFile) -> None:
    """Refuse an edit of what declares the encoding, where the text outside ASCII would be read as another.

    Raises:
        ValueError: it is such an edit.
    """
    old, new = cookie_of(before.content), cookie_of(after.content)
    if old != new and not after.content.isascii():
        message = f"{after.path} declares its encoding as {old or 'nothing'!r}, and would as {new or 'nothing'!r}"
        raise ValueError(f"{message}, while its bytes stay {after.encoding.name}; nothing was written")
