"""Follows imports between the files of a repository: relative paths, and packages of its own by their names."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.javascript.code.source import imports
from miyabi_agents.toolchains.javascript.manifest import NAME, Manifest, join, parent, read
from miyabi_agents.toolchains.port import BaseFiles

#: Most files whose imports are followed.
MAX_FILES = 8000
#: Most bytes that are looked at.
MAX_BYTES = 64 << 20
#: Most packages of one repository.
MAX_PACKAGES = 400
#: Endings that an import leaves out, in the order in which they are tried.
_ENDINGS = (
    "", ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte",
    "/index.ts", "/index.tsx", "/index.mts", "/index.js", "/index.mjs", "/index.cjs",
)  # fmt: skip
#: Endings that TypeScript writes for files that have another.
_WRITTEN = {".js", ".mjs", ".cjs", ".jsx"}


def importers_of(
    base: BaseFiles, files: Sequence[str], changed: Mapping[str, bytes | None]
) -> tuple[dict[str, set[str]], bool]:
    """Return who imports each file, with the change's own content, and whether there was too much to follow all."""
    known = {path for path in base.paths() if changed.get(path, b"") is not None} | {
        path for path, content in changed.items() if content is not None
    }
    resolver = _Resolver(base, known)
    importers: dict[str, set[str]] = {}
    total = 0
    for path in dict.fromkeys((*files, *changed)):
        content = changed[path] if path in changed else base.read(path)
        total += len(content or b"")
        if total > MAX_BYTES:
            return importers, True
        for name in imports((content or b"").decode("utf-8", "replace")):
            for found in resolver.files(path, name):
                importers.setdefault(found, set()).add(path)
    return importers, False


class _Resolver:
    """Finds the files that an import may mean."""

    def __init__(self, base: BaseFiles, known: set[str]) -> None:
        self._known = known
        folders = [parent(path) for path in base.paths() if PurePosixPath(path).name == NAME and "fixture" not in path]
        manifests = [manifest for folder in folders[:MAX_PACKAGES] if (manifest := read(base, folder)) is not None]
        self._folders = {manifest.folder: manifest for manifest in manifests}
        self._packages = {manifest.name: manifest for manifest in manifests if manifest.name}

    def files(self, path: str, name: str) -> Iterable[str]:
        """Return what an import in a file may mean; nothing for packages from an index."""
        if name.startswith("."):
            start = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            return self._file(start) or self._entry(self._folders.get(start))
        if name.startswith(("~/", "@/", "#", "src/")):
            rest = name.lstrip("~@#").lstrip("/")
            return [found for start in (rest, f"src/{rest}") for found in self._file(start)]
        parts = name.split("/")
        count = 2 if name.startswith("@") else 1
        package = self._packages.get("/".join(parts[:count]))
        if package is None or not parts[count:]:
            return self._entry(package)
        rest = "/".join(parts[count:])
        starts = [join(package.folder, f"{inner}{rest}") for inner in ("", "src/", "lib/", "source/")]
        return [found for start in starts for found in self._file(start)]

    def _entry(self, package: Manifest | None) -> list[str]:
        """Return the files that a package is entered by: those it names, and the usual ones."""
        if package is None:
            return []
        named = [package.sections.get(key) for key in ("main", "module", "source", "types")]
        names = [name.removeprefix("./") for name in named if isinstance(name, str)]
        found = [file for name in names for file in self._file(join(package.folder, name))]
        usual = [
            file for name in ("index", "src/index", "lib/index") for file in self._file(join(package.folder, name))
        ]
        return list(dict.fromkeys([*found, *usual]))

    def _file(self, start: str) -> list[str]:
        """Return the file that a path means; TypeScript writes `.js` for what is `.ts`."""
        stem, ending = posixpath.splitext(start)
        for begin in [start, stem] if ending in _WRITTEN else [start]:
            for end in _ENDINGS:
                if f"{begin}{end}" in self._known:
                    return [f"{begin}{end}"]
        return []
