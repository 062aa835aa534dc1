"""Scans Python files for what they import, and follows it backwards from what a change touches."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import dirname, join, normpath

#: Bytes of a file that are scanned: imports stand at its beginning.
MAX_SCANNED = 256 * 1024
#: Names that one file may import.
MAX_NAMES = 3_000
#: Imports of imports that are followed.
MAX_DEPTH = 4
#: Bounded in each part, so that an open bracket is not looked for again and again.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<origin>[.\w]{1,300})[ \t]+import[ \t]*"
    r"(?:\((?P<inner>[^)]{0,2000})\)|(?P<names>[^\n#;(]{1,1000}))"
    r"|import[ \t]+(?P<modules>[^\n#;]{1,1000}))",
    re.MULTILINE,
)
#: A module that is named in a text: `mock.patch("pkg.mod.name")`, `import_module("pkg.mod")`.
_NAMED = re.compile(r"[\"']([A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,8})[\"':]")
#: `package.Name`, for what is used of a package that was imported whole.
_USED = re.compile(r"\b([A-Za-z_]\w{0,60})\.([A-Za-z_]\w{0,60})")


@dataclass
class Scan:
    """What one file imports."""

    #: Module as it is written (dots first where relative), and the names that are taken from it.
    taken: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    #: Names of its own for modules that it imports whole.
    whole: dict[str, str] = field(default_factory=dict)
    #: Attributes that are used, by the name before the dot.
    used: dict[str, set[str]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)


def scan(content: bytes) -> Scan:
    """Read the imports of a file without parsing it: linear, whatever it holds."""
    text = content[:MAX_SCANNED].decode("utf-8", "replace")
    found = Scan()
    for count, match in enumerate(_IMPORT.finditer(text)):
        if count >= MAX_NAMES:
            break
        if match["modules"]:
            _take_modules(found, match["modules"])
        else:
            names = (_words(part) for part in (match["inner"] or match["names"] or "").split(","))
            found.taken.append((match["origin"], tuple(words[0] for words in names if words)))
    for name, attribute in set(_USED.findall(text)) if found.whole else ():
        if name in found.whole:
            found.used.setdefault(name, set()).add(attribute)
    found.named = set(_NAMED.findall(text))
    return found


def _words(part: str) -> list[str]:
    """Return the words of `name as other`, comments aside."""
    return re.sub(r"#[^\n]*", "", part).replace("\\", " ").split()


def _take_modules(found: Scan, text: str) -> None:
    """Take `import a.b as c, d`."""
    for part in text.split(","):
        words = _words(part)
        if not words:
            continue
        first = words[0].partition(".")[0]
        if len(words) > 2:
            found.whole[words[2]] = words[0]
        else:
            found.whole[first] = first
            if words[0] != first:
                found.taken.append((words[0], ()))


class Graph:
    """Which file imports which.

    Args:
        files: Contents of Python files by path.
        roots: Folders that modules are imported from, relative to the repository.
    """

    def __init__(self, files: Mapping[str, bytes], roots: Sequence[str]) -> None:
        self._scans = {path: scan(content) for path, content in files.items()}
        self._modules: dict[str, str] = {}
        for root in [*roots, "."]:
            for path in files:
                name = _module(path, root)
                if name:
                    self._modules.setdefault(name, path)
        self._exports = {path: self._exported(path) for path in files if path.endswith("__init__.py")}

    def importers(self) -> Mapping[str, Sequence[str]]:
        """Return, for each file, those that import it."""
        found: dict[str, list[str]] = {}
        for path in self._scans:
            for target in self._targets(path):
                if target != path:
                    found.setdefault(target, []).append(path)
        return found

    def closest(self, touched: Iterable[str]) -> Mapping[str, int]:
        """Return the files that import what is touched, with the number of steps; breadth first, bounded."""
        importers = self.importers()
        steps = dict.fromkeys(touched, 0)
        waiting = deque(steps)
        while waiting:
            path = waiting.popleft()
            for importer in importers.get(path, ()) if steps[path] < MAX_DEPTH else ():
                if importer not in steps:
                    steps[importer] = steps[path] + 1
                    waiting.append(importer)
        return steps

    def _targets(self, path: str) -> set[str]:
        """Return the files that one file imports."""
        one = self._scans[path]
        found = {target for origin, names in one.taken for target in self._resolved(path, origin, names)}
        for alias, module in one.whole.items():
            file = self._find(module, path)
            exports = self._exports.get(file or "", {})
            # What is used of a package says more than that it is imported: its `__init__` imports everything.
            handed_on = {exports[name] for name in one.used.get(alias, ()) if name in exports}
            found |= handed_on or ({file} if file else set())
        found |= {file for name in one.named if (file := self._longest(name))}
        return found

    def _resolved(self, path: str, origin: str, names: Sequence[str]) -> Iterator[str]:
        """Yield the files behind `from origin import names`; those that a package only passes on are named directly."""
        module = _absolute(path, origin) if origin.startswith(".") else None
        file = self._by_path(module) if module is not None else self._find(origin, path)
        for name in names:
            inner = self._by_path(join(module, name)) if module is not None else self._find(f"{origin}.{name}", path)
            exported = self._exports.get(file or "", {}).get(name) if hasattr(self, "_exports") else None
            if inner or exported:
                yield from filter(None, (inner, exported))
            elif file:
                yield file
        if file and not names:
            yield file

    def _exported(self, path: str) -> Mapping[str, str]:
        """Return the names that a package takes from its modules, with their files."""
        found: dict[str, str] = {}
        for origin, names in self._scans[path].taken:
            module = _absolute(path, origin) if origin.startswith(".") else None
            file = self._by_path(module) if module is not None else self._find(origin, path)
            for name in names if file and file != path else ():
                found[name] = file or ""
        return found

    def _find(self, module: str, importer: str) -> str | None:
        """Return the file of a module: beside the importer, or below a root."""
        beside = self._by_path(join(dirname(importer), module.replace(".", "/")))
        return self._modules.get(module) or beside

    def _longest(self, name: str) -> str | None:
        """Return the file of the longest module that a dotted name begins with, two parts at least."""
        parts = name.split(".")
        for count in range(len(parts), 1, -1):
            file = self._modules.get(".".join(parts[:count]))
            if file:
                return file
        return None

    def _by_path(self, place: str) -> str | None:
        """Return the module or package at a path without its ending."""
        place = normpath(place) if place else "."
        return next((file for file in (f"{place}.py", f"{place}/__init__.py") if file in self._scans), None)


def _module(path: str, root: str) -> str:
    """Return the dotted name of a file below a root; empty where it lies elsewhere."""
    prefix = "" if root in (".", "") else f"{root}/"
    if not path.startswith(prefix):
        return ""
    return path[len(prefix) :].removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _absolute(path: str, origin: str) -> str:
    """Return where a relative import leads, as a path without its ending."""
    name = origin.lstrip(".")
    folder = dirname(path)
    for _ in range(min(len(origin) - len(name) - 1, 50)):
        folder = dirname(folder)
    return join(folder, name.replace(".", "/")) if name else folder
