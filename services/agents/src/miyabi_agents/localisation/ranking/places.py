"""Finds files by their paths, as people and stack traces write them, and by the names of modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

#: Files that stand for their folder.
_FOLDERS_OWN = frozenset({"__init__", "index", "mod"})
#: Modules of one name; where more have it, it leads nowhere.
_MOST_ALIKE = 3


class Places:
    """The files of a commit by their names.

    Args:
        paths: Theirs, in the order of the index.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._parts = [path.split("/") for path in paths]
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._modules: defaultdict[str, list[int]] = defaultdict(list)
        self._whole: dict[str, int] = {}
        for place, (path, parts) in enumerate(zip(paths, self._parts, strict=True)):
            self._by_name[parts[-1]].append(place)
            module = module_of(path).split("/")
            self._whole.setdefault(".".join(module), place)
            for size in range(len(module)):
                self._modules[".".join(module[size:])].append(place)

    def ending(self, name: str) -> list[int]:
        """Return the files whose paths agree with a name in most of their last steps.

        A name with folders agrees where more than its last step does, or where all of a path does: what is installed
        elsewhere has other folders before.
        """
        wanted = [part for part in name.replace("\\", "/").split("/") if part not in {"", ".", ".."}]
        if not wanted:
            return []
        alike = {place: _agreeing(self._parts[place], wanted) for place in self._by_name.get(wanted[-1], ())}
        most = max(alike.values(), default=0)
        if most == 1 and len(wanted) > 1:
            return [place for place in alike if len(self._parts[place]) == 1]
        return [place for place, steps in alike.items() if steps == most]

    def module(self, dotted: str, *, least: int = 2) -> list[int]:
        """Return the files of the longest leading part, of at least so many names, that is a module."""
        names = dotted.split(".")
        for size in range(len(names), least - 1, -1):
            found = self._modules.get(".".join(names[:size]), [])
            if found:
                return found if len(found) <= _MOST_ALIKE else []
        return []

    def exactly(self, dotted: str) -> list[int]:
        """Return the file of a module by its whole name, else the only one whose name ends so; nothing else."""
        if (place := self._whole.get(dotted)) is not None:
            return [place]
        found = self._modules.get(dotted, ())
        return list(found) if len(found) == 1 else []


def module_of(path: str) -> str:
    """Return a path without its ending; what stands for its folder is the folder."""
    folder, slash, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return folder if stem in _FOLDERS_OWN and slash else f"{folder}{slash}{stem}"


def _agreeing(parts: Sequence[str], wanted: Sequence[str]) -> int:
    """Count the last steps that two paths have in common."""
    steps = 0
    while steps < min(len(parts), len(wanted)) and parts[-1 - steps] == wanted[-1 - steps]:
        steps += 1
    return steps
