"""What a text names: files by their paths, frames of stack traces, dotted names, plain names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from miyabi_agents.localisation.reading.languages import SUFFIXES
from miyabi_agents.localisation.tokens import WORD

#: Mentions of one kind that are followed; a text with more is a log.
MAX_MENTIONS = 300

_ENDINGS = "|".join(sorted(SUFFIXES, key=len, reverse=True))
_DOTTED_SUFFIXES = tuple(f".{suffix}" for suffix in SUFFIXES)
#: What may be a path, and a place in it.
_RUN = re.compile(r"[\w.@~/\\:+-]{4,400}")
_PLACE = re.compile(r"(?::\d+)*[.:]*$")
#: Frames as CPython, pytest and IPython print them, then those of Node, Go and Rust: path, and line where it is told.
_FRAME = re.compile(
    rf"""
      \bFile\ "(?P<python>[^"\n]{{1,400}})",\ line\ \d+
    | ^[ \t>]*(?P<plain>[\w./\\@~:-]{{1,400}}\.(?:{_ENDINGS})):\d+(?::\d+)?(?=[:\s)]|$)
    | ^[ \t]*(?P<ipython>[\w./\\@~:-]{{1,400}}\.py)\ in\ \S+\(
    | ^[ \t]*at\ [^\n(]{{0,200}}\(?(?P<node>[\w./\\@~:-]{{1,400}}\.(?:{_ENDINGS})):\d+
    """,
    re.VERBOSE | re.MULTILINE,
)
_DOTTED = re.compile(r"(?<![\w./\\])[^\W\d]\w*(?:(?:\.|::)[^\W\d]\w*)+")
_IMPORTED = re.compile(r"\b(?:from|import)[ \t]+([^\W\d][\w.]*)")


@dataclass(frozen=True)
class Mentions:
    """What a text names, each once, in the order of their first places.

    Args:
        paths: Names of files, with folders or without.
        frames: Files of stack traces, the last one last; repeats are kept.
        dotted: Names joined by points: modules, attributes.
        names: All names and words.
    """

    paths: tuple[str, ...]
    frames: tuple[str, ...]
    dotted: tuple[str, ...]
    names: frozenset[str]


def _paths(text: str) -> Iterator[str]:
    """Yield what ends like a file that is read."""
    for found in _RUN.findall(text):
        path = _PLACE.sub("", found)
        if path.endswith(_DOTTED_SUFFIXES):
            yield path


def mentions_in(text: str) -> Mentions:
    """Return what a text names."""
    frames = [next(filter(None, found.groups())) for found in _FRAME.finditer(text)]
    dotted = [found.group().replace("::", ".") for found in _DOTTED.finditer(text)]
    dotted += _IMPORTED.findall(text)
    return Mentions(
        tuple(dict.fromkeys(_paths(text)))[:MAX_MENTIONS],
        tuple(frames[-MAX_MENTIONS:]),
        tuple(dict.fromkeys(dotted))[:MAX_MENTIONS],
        frozenset(WORD.findall(text)),
    )
