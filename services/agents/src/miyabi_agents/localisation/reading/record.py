"""What the index keeps of one file: the names in it by definition, what it defines, what it imports."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from miyabi_agents.localisation.reading.definitions import Import, Structure
from miyabi_agents.localisation.reading.languages import Language
from miyabi_agents.localisation.reading.structure import structure_of
from miyabi_agents.localisation.tokens import WORD

#: Different names in one file; a file with more is data.
MAX_NAMES = 50_000
#: Lines that are longer on average were written by a program.
MAX_MEAN_LINE = 400
#: How often a name counts in one definition at most; more says nothing more.
MAX_COUNT = 255


@dataclass(frozen=True)
class FileRecord:
    """What is known of a file's content, whatever its path.

    Row *i* of the three arrays says that `names[name[i]]` occurs `count[i]` times in part `part[i]` of the file: part 0
    is what lies before the first definition, part *n* begins with definition *n - 1*.

    Args:
        names: Different names and words in it.
        part: Parts, ascending.
        name: Positions in `names`.
        count: Occurrences, 1 to 255.
        defined: Kind and full name of each definition, in order of place.
        imports: Modules that it brings in.
    """

    names: tuple[str, ...]
    part: npt.NDArray[np.uint16]
    name: npt.NDArray[np.uint32]
    count: npt.NDArray[np.uint8]
    defined: tuple[tuple[str, str], ...]
    imports: tuple[Import, ...]


def record_of(text: str, language: Language, *, with_words: bool = True) -> FileRecord:
    """Read a file.

    Args:
        text: Its text.
        language: In which it is written.
        with_words: False: only what it defines and imports is kept.
    """
    if len(text) > MAX_MEAN_LINE * (1 + text.count("\n")) + MAX_MEAN_LINE:
        return _record([], Structure())
    structure = structure_of(text, language)
    starts = [0, *(one.start for one in structure.definitions), len(text)]
    parts = [Counter(WORD.findall(text, begin, end)) if with_words else Counter() for begin, end in pairwise(starts)]
    return _record(parts, structure)


def _record(parts: Sequence[Counter[str]], structure: Structure) -> FileRecord:
    """Number the names."""
    known: dict[str, int] = {}
    part: list[int] = []
    name: list[int] = []
    count: list[int] = []
    for number, counter in enumerate(parts):
        if len(known) > MAX_NAMES:
            break
        part += [number] * len(counter)
        name += [known.setdefault(word, len(known)) for word in counter]
        count += counter.values()
    return FileRecord(
        tuple(map(sys.intern, known)),
        np.array(part, np.uint16),
        np.array(name, np.uint32),
        np.minimum(np.array(count, np.int64), MAX_COUNT).astype(np.uint8),
        tuple((one.kind, one.name) for one in structure.definitions),
        structure.imports,
    )
