"""Finds the development packages that tests need, for when another one cannot be had."""

from __future__ import annotations

import re
from collections.abc import Iterator

from miyabi_agents.toolchains.javascript.manifest import Manifest, relative
from miyabi_agents.toolchains.port import BaseFiles, Project

#: Most files that are searched.
MAX_FILES = 3000
#: Files that may name a package: code and configuration.
_CODE = re.compile(r"\.(?:[cm]?[jt]sx?|json|ya?ml|vue|svelte)$|(^|/)\.[\w-]+rc$")
#: Files that name packages without needing them for tests.
_ASIDE = re.compile(
    r"(^|/)(package(-lock)?\.json|[\w-]+-lock\.\w+|dist/.*|\.github/.*|docs?/.*|website/.*|eslint\.config\.[cm]?js|\.eslintrc.*|component\.json|bower\.json)$"
)
#: Every text in quotes that may be a package's name, with or without a path in it.
_QUOTED = re.compile(rb"""["']((?:@[\w.-]{1,100}/)?[\w.-]{1,100})(?:/[^"'\n]{0,200})?["']""")


def needed(base: BaseFiles, manifest: Manifest, project: Project) -> list[str]:
    """Return the development packages that the test script, sources, tests or configuration name, sorted."""
    wanted = set(manifest.needs.get("devDependencies", {}))
    named = {name for path in _files(base, manifest) for name in _names(base.read(path) or b"")}
    words = " ".join(
        (*(str(word) for word in _values(project)), manifest.scripts.get(str(project.facts.get("script", "")), ""))
    )
    scripts = {name for name in wanted if re.search(rf"(?<![\w@/-]){re.escape(name)}(?![\w-])", words)}
    keep = (
        (wanted & named)
        | scripts
        | (wanted & {project.runner, "typescript", "ts-node", "tsx", "@babel/core", "@types/node"})
    )
    return sorted(name for name in keep if not name.startswith(("eslint", "@eslint", "prettier")) or name in named)


def _values(project: Project) -> Iterator[object]:
    for key in ("arguments", "node", "globs", "build"):
        value = project.facts.get(key, ())
        yield from value if isinstance(value, tuple | list) else (value,)


def _files(base: BaseFiles, manifest: Manifest) -> list[str]:
    """Return the files of a project that may name packages."""
    own = (path for path in base.paths() if relative(path, manifest.folder) is not None)
    return [path for path in own if _CODE.search(path) and not _ASIDE.search(path)][:MAX_FILES]


def _names(content: bytes) -> set[str]:
    """Return every text in quotes that may be the name of a package."""
    return {match[1].decode("utf-8", "replace") for match in _QUOTED.finditer(content)}
