"""Decides whether tests need something built first, and by which script; conservative: most need nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from miyabi_agents.toolchains.javascript.code.source import imports
from miyabi_agents.toolchains.javascript.manifest import NAME, Manifest, join, parent, read, relative
from miyabi_agents.toolchains.javascript.scripts import Command
from miyabi_agents.toolchains.port import BaseFiles

#: Most test files whose imports are looked at.
MAX_FILES = 200
#: Folders that hold what a build makes.
_BUILT = {"dist", "lib", "build", "out", "esm", "cjs", "es"}
_TEST = re.compile(r"(^|/)(test|tests|spec|__tests__)/|[._-](test|spec)\.[cm]?[jt]sx?$")


def build_of(base: BaseFiles, manifest: Manifest, root: Manifest, found: Command) -> Sequence[str]:
    """Return the script that tests need, behind its package's folder (`.`, `build`); empty where they need none.

    A script is needed where the test script runs it before the tests, or where a test imports from a folder of built
    files that the commit does not hold, or where the package needs another of its workspace whose entry is not there.
    """
    if found.builds:
        return (manifest.folder, found.builds[0])
    script = next((name for name in ("build", "compile", "prepare") if name in manifest.scripts), "")
    if script and any(_missing(base, manifest)):
        return (manifest.folder, script)
    if manifest is not root and "build" in root.scripts and _siblings_built(base, manifest):
        return (root.folder, "build")
    return ()


def _missing(base: BaseFiles, manifest: Manifest) -> Iterator[bool]:
    """Tell for each import of a test from a folder of built files whether the commit lacks it."""
    paths = base.paths()
    tests = [
        path
        for path in paths
        if relative(path, manifest.folder) is not None and _TEST.search(path) and "fixture" not in path
    ]
    for path in [path for path in tests if path.endswith(("js", "ts", "jsx", "tsx"))][:MAX_FILES]:
        for name in imports((base.read(path) or b"").decode("utf-8", "replace")):
            parts = (
                posixpath.normpath(posixpath.join(posixpath.dirname(path), name)).split("/")
                if name.startswith(".")
                else []
            )
            built = next((position for position, part in enumerate(parts) if part in _BUILT), -1)
            if built >= 0 and ".." not in parts:
                folder = "/".join(parts[: built + 1])
                yield not any(entry.startswith((f"{folder}/", f"{folder}.")) for entry in paths)


def _siblings_built(base: BaseFiles, manifest: Manifest) -> bool:
    """Tell whether a package needs another of the repository whose entry file is not there before a build."""
    wanted = {name for name, value in _needs(manifest) if value.startswith(("workspace:", "file:", "link:", "*"))}
    if not wanted:
        return False
    paths = set(base.paths())
    configs = [path for path in paths if re.search(r"(^|/)(vite|vitest|jest)[\w.-]*\.config\.", path)]
    if any(
        re.search(rb"alias|moduleNameMapper|conditions|tsconfigPaths", base.read(path) or b"") for path in configs[:20]
    ):
        return False
    for path in sorted(paths):
        if not path.endswith(f"/{NAME}"):
            continue
        other = read(base, parent(path))
        main = other.sections.get("main", other.sections.get("module")) if other and other.name in wanted else None
        if isinstance(main, str) and join(parent(path), main.removeprefix("./")) not in paths:
            return True
    return False


def _needs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for table in manifest.needs.values():
        yield from table.items()
