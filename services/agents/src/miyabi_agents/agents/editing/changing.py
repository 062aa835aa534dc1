"""Applies the edits of one call to a file, in their order, all or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_agents.agents.editing.text.nearest import nearest
from miyabi_agents.agents.editing.text.textfile import TextFile
from miyabi_core.text import enumerated, split_lines

#: Places of a text that occurs more than once of which the lines are named.
MAX_PLACES = 10
#: Arguments of a single edit.
EDIT = ("old_str", "new_str", "replace_all", "insert_line")


def edits_of(given: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the edits of a call: those of its list, or the one that it is itself.

    Raises:
        ValueError: it is both or neither; an argument is named.
    """
    own = {name: given[name] for name in EDIT if name in given}
    if "edits" in given and own:
        raise ValueError(f"edits: give either edits or {' and '.join(own)}, not both")
    return list(given["edits"]) if "edits" in given else [own]


def changed(file: TextFile, edits: Sequence[Mapping[str, Any]]) -> TextFile:
    """Return the file after all edits, each on what the one before it left.

    Raises:
        ValueError: one cannot be done; the sentence names it and its argument.
    """
    for number, edit in enumerate(edits, 1):
        where = f"edits {number}: " if len(edits) > 1 else ""
        none = "; none of the edits was done" if len(edits) > 1 else ""
        try:
            file = _changed(file, edit)
        except ValueError as error:
            raise ValueError(f"{where}{error}{none}") from error
    return file


def _changed(file: TextFile, edit: Mapping[str, Any]) -> TextFile:
    """Do one edit."""
    if "new_str" not in edit:
        raise ValueError("new_str: is missing")
    new = _plain(edit["new_str"])
    if "insert_line" in edit:
        if "old_str" in edit:
            raise ValueError("insert_line: give either insert_line or old_str, not both")
        return _inserted(file, int(edit["insert_line"]), new)
    if "old_str" not in edit:
        raise ValueError("old_str: is missing; give the text to replace, or insert_line")
    return _replaced(file, _plain(edit["old_str"]), new, everywhere=bool(edit.get("replace_all")))


def _plain(text: Any) -> str:
    """Return a text of the model with one kind of line ends: which a file has is not its to know."""
    return str(text).replace("\r\n", "\n").replace("\r", "\n")


def _inserted(file: TextFile, line: int, new: str) -> TextFile:
    """Put lines behind a line; what is inserted between lines ends its own last line.

    Raises:
        ValueError: there is no such line.
    """
    if line > len(file.lines):
        raise ValueError(f"insert_line: {line} is behind the end of {file.path}, which has {len(file.lines)} lines")
    at = file.start_of(line + 1)
    if not new:
        return file
    if line == len(file.lines) and file.lines and not file.lines[-1].end:
        return file.replaced(at, at, "\n" + new.removesuffix("\n"))
    return file.replaced(at, at, new if new.endswith("\n") or not file.lines else f"{new}\n")


def _replaced(file: TextFile, old: str, new: str, *, everywhere: bool) -> TextFile:
    """Put one text in the place of another.

    Raises:
        ValueError: the other is not there, or more than once.
    """
    places = _places(file.text, old, overlapping=not everywhere)
    if not places:
        near = nearest(old, split_lines(file.text))
        empty = f"{file.path} is empty; use insert_line 0" if not file.lines else near
        raise ValueError(f"old_str: occurs 0 times in {file.path}{'; ' if empty else ''}{empty}")
    if len(places) > 1 and not everywhere:
        lines = enumerated([str(file.line_of(at)) for at in places], MAX_PLACES)
        message = f"old_str: occurs {len(places)} times in {file.path} (lines {lines}); it must occur exactly once"
        raise ValueError(f"{message}, so add text around it, or set replace_all")
    # All at once: a file of many lines is put together anew for each part that is replaced.
    stop = places[-1] + len(old)
    return file.replaced(places[0], stop, file.text[places[0] : stop].replace(old, new))


def _places(text: str, old: str, *, overlapping: bool) -> list[int]:
    """Return where a text occurs."""
    found, at = [], text.find(old)
    while at >= 0:
        found.append(at)
        at = text.find(old, at + (1 if overlapping else len(old)))
    return found
