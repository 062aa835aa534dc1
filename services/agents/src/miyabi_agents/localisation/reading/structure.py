"""Reads what a file defines and imports, in whichever language it is."""

from __future__ import annotations

from bisect import bisect_right

from miyabi_agents.localisation.reading.definitions import Structure
from miyabi_agents.localisation.reading.grammars import read_by_grammar
from miyabi_agents.localisation.reading.languages import Language, language_of
from miyabi_agents.localisation.reading.python_source import read_python


def structure_of(text: str, language: Language) -> Structure:
    """Return what a file defines and imports; nothing for a language whose definitions are not known."""
    if language is Language.PYTHON:
        return read_python(text)
    if language is Language.OTHER:
        return Structure()
    return read_by_grammar(text, language)


def outline(path: str, text: str) -> list[tuple[int, str, str]]:
    """Return what a file defines as (line, kind, name), in order of place.

    Args:
        path: Its name, which tells the language.
        text: Its text.

    Returns:
        Lines are counted from 1 and end with LF as git counts them; kinds are `class`, `function`, `method` and the
        like of each language; names include those that they lie in, as `Class.method`. Nothing for a language that is
        not known.
    """
    language = language_of(path)
    if language is None:
        return []
    ends = [place for place, letter in enumerate(text) if letter == "\n"]
    return [
        (bisect_right(ends, one.start - 1) + 1, one.kind, one.name) for one in structure_of(text, language).definitions
    ]
