"""Recognises modules of Go and workspaces of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.port import BaseFiles, Project, limited
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_core.text import first

#: Most modules of one repository.
MAX_MODULES = 50
#: Folders that the go command does not look into.
ASIDE = re.compile(r"(^|/)(vendor|testdata|node_modules|[._][^/]*)(/|$)")
#: The line of `go.mod` that says which version of Go the module is written for.
_VERSION = re.compile(rb"^go[ \t]+(\d+)\.(\d+)(?:\.(\d+))?", re.MULTILINE)
_MODULE = re.compile(rb'^module[ \t]+"?([^\s"]{1,500})"?', re.MULTILINE)
_USE = re.compile(rb"(?:^|\n)use[ \t]*(?:\(([^()]{0,20000})\)|([^\s(]{1,500}))")


def recognise(base: BaseFiles, config: RepositoryConfig | None) -> list[Project]:
    """Return the modules, outermost first; those that a workspace does not use are tested without it."""
    if config is not None and config.test.command and config.test.format not in {"auto", "go"}:
        return []
    if (
        config is not None
        and config.test.command
        and "go" not in config.test.command[:1]
        and config.test.format != "go"
    ):
        return []
    manifests = [path for path in base.paths() if PurePosixPath(path).name == "go.mod" and not ASIDE.search(path)]
    manifests.sort(key=lambda path: (path.count("/"), path))
    taken, rest = first(manifests, MAX_MODULES)
    return limited([_project(base, path, config) for path in taken], MAX_MODULES, beyond=rest)


def _project(base: BaseFiles, path: str, config: RepositoryConfig | None) -> Project:
    """Return one module."""
    folder = str(PurePosixPath(path).parent)
    content = base.read(path) or b""
    module = _MODULE.search(content)
    version = _VERSION.search(content)
    workspace = _workspace(base, folder)
    vendored = base.read(join(folder, "vendor/modules.txt")) is not None
    facts: dict[str, str | bool | int | Sequence[str]] = {
        "module": module[1].decode("utf-8", "replace") if module else "",
        "go": ".".join(part.decode() for part in version.groups() if part) if version else "",
        "workspace": workspace,
        "vendored": vendored,
        "arguments": _arguments(config),
    }
    return Project("go", folder, "go", workspace or (join(folder, "vendor") if vendored else path), facts)


def _arguments(config: RepositoryConfig | None) -> tuple[str, ...]:
    """Return the options of `go test` that the configuration names: tags, race detection and the like."""
    words = config.test.command if config is not None else []
    if [word.rsplit("/", 1)[-1] for word in words[:2]] != ["go", "test"]:
        return ()
    refused = ("-json", "-v", "-count", "-run", "-bench", "-cover", "-o", "-exec", "-c")
    return tuple(word for word in words[2:] if word.startswith("-") and not word.startswith(refused))


def _workspace(base: BaseFiles, folder: str) -> str:
    """Return the `go.work` that uses a module; empty where none does."""
    for above in [folder, *(str(parent) for parent in PurePosixPath(folder).parents)]:
        path = join(above, "go.work")
        content = base.read(path)
        if content is None:
            continue
        used = [part for match in _USE.finditer(content) for part in (match[1] or match[2] or b"").split()]
        wanted = {str(PurePosixPath(above) / word.decode("utf-8", "replace").strip('"')) for word in used}
        return path if folder in wanted else ""
    return ""


def join(folder: str, name: str) -> str:
    """Return a path below a folder; `.` is the repository itself."""
    return name if folder in {"", "."} else f"{folder}/{name}"
