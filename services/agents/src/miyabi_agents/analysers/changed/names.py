"""Names under which changed files lie: their own, or one of ours where no program should see theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from miyabi_agents.analysers.languages import suffix_of
from miyabi_agents.workspace import linkfree

#: Folder of files that lie under another name; a repository's own folder of that name is treated alike.
FOLDER = "named_by_miyabi"
#: Endings that a name of ours keeps, so that a file's language is known.
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,12}")
#: Longest name that a reader is shown.
MAX_SHOWN = 300


class Names:
    """The names of one review."""

    def __init__(self) -> None:
        #: Names that readers are shown, by those under which files lie that cannot have their own.
        self.other: dict[str, str] = {}
        self._made = 0

    def shown(self, path: str) -> str:
        """Return what readers are shown for a path: itself, or its characters escaped."""
        return path if linkfree.is_usable(path) else ascii(path)[1:-1][:MAX_SHOWN]

    def candidates(self, path: str) -> Iterator[str]:
        """Yield names for a file, the best first; the last ones are ours."""
        if linkfree.is_usable(path) and not path.startswith(f"{FOLDER}/"):
            yield path
        suffix = suffix_of(path)
        for _ in range(2):
            self._made += 1
            yield f"{FOLDER}/file_{self._made}{suffix if _SUFFIX.fullmatch(suffix) else ''}"

    def use(self, name: str, path: str) -> None:
        """Note under which name a file lies."""
        if name != path:
            self.other[name] = self.shown(path)
