"""A map of a repository that fits into a prompt: its folders, and the files that the others lean on.

It depends on nothing but the commit, so that all issues of a batch begin with the very same text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from miyabi_agents.localisation.reading.record import FileRecord
from miyabi_core.text import enumerated, exact, left_out, shortened

#: Bytes of each part: together six thousand tokens of code at most, a few cents for a long conversation's reads.
FOLDER_BYTES, TEST_BYTES, FILE_BYTES = 4_000, 1_500, 9_500
#: Names that a file shows: what it is for is clear from the first.
MAX_NAMES = 12
#: Longest line in characters.
MAX_LINE = 240


def overview_of(
    paths: Sequence[str], records: Sequence[FileRecord], imported: Sequence[set[int]], tests: Mapping[str, FileRecord]
) -> str:
    """Return the map of a commit; what there is no room for is counted.

    Args:
        paths: Of the sources, sorted.
        records: What is known of each of them.
        imported: Which of them each imports.
        tests: Those of the commit, by path.
    """
    importers = Counter(place for one, others in enumerate(imported) for place in others if place != one)
    weight, sources = Counter[str](), Counter(_folder(path) for path in paths)
    for place, path in enumerate(paths):
        weight[_folder(path)] += importers[place]
    folders = [
        (f"{exact(name)}: {count}", (-weight[name], -count, name)) for name, count in sources.items()
    ]  # fmt: skip
    checks = Counter(_folder(path) for path in tests)
    testing = [(f"{exact(name)}: {count}", (-count, name)) for name, count in checks.items()]
    files = [
        (_line(path, record), (-importers[place], -len(record.defined), path))
        for place, (path, record) in enumerate(zip(paths, records, strict=True))
        if record.defined
    ]
    parts = [
        _part("Folders of sources, with how many files each has:", folders, FOLDER_BYTES, "folders"),
        _part("Folders of tests, likewise:", testing, TEST_BYTES, "folders"),
        _part("Sources that others import most, with what they define:", files, FILE_BYTES, "files"),
    ]
    return "\n\n".join(filter(None, parts))


def _folder(path: str) -> str:
    """Return the folder of a file; the root has a name too."""
    return path.rpartition("/")[0] or "(root)"


def _line(path: str, record: FileRecord) -> str:
    """Return a file with the names that it defines at its top, in their order."""
    names = dict.fromkeys(name for _, name in record.defined if "." not in name)
    return shortened(f"{exact(path)}: {enumerated([exact(name) for name in names], MAX_NAMES)}", MAX_LINE)


def _part(title: str, lines: Sequence[tuple[str, tuple[object, ...]]], room: int, what: str) -> str:
    """Return the lines that come first by their order and fit, sorted by name; how many are not there is said."""
    shown: list[str] = []
    for line, _ in sorted(lines, key=lambda entry: entry[1]):
        room -= len(line.encode()) + 1
        if room < 0:
            break
        shown.append(line)
    rest = len(lines) - len(shown)
    more = [f"({left_out(rest, f'more {what}')})"] if rest else []
    return "\n".join([title, *sorted(shown), *more]) if lines else ""
