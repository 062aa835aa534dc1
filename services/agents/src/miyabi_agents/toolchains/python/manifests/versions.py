"""Finds a version to give to a build backend that would ask git, which a checkout here does not have."""

from __future__ import annotations

import re
from posixpath import basename, dirname

from packaging.version import InvalidVersion, Version

from miyabi_agents.toolchains.python.manifests.tree import Tree, within
from miyabi_core.text import split_lines

#: Files that list releases, newest first.
_CHANGES = re.compile(
    r"(changelog|changes|history|news|releases?|release[-_]notes|whatsnew|whats[-_]new)\.(rst|md|txt)", re.IGNORECASE
)
#: A heading that names a release.
_HEADING = re.compile(
    r"^[#=\s*\[(]{0,8}(?:[A-Za-z][\w.-]{0,30}[ ,:-]{1,3})?(?:version |release )?\[?`?v?"
    r"(\d{1,4}\.\d{1,4}(?:\.\d{1,4}){0,2}(?:(?:a|b|rc|\.post)\d{1,3})?)`?(?![\w.]*[@/])",
    re.IGNORECASE,
)
#: Bytes of such a file that are read: the newest release stands near its top.
_HEAD_BYTES = 64 * 1024
#: Where nothing names a version: passes every demand for a least one.
UNKNOWN = "999.0.0"


def plausible(tree: Tree, project: str) -> str:
    """Return the newest version that a list of changes names, else one that is higher than any."""
    files = [
        path
        for path in tree.paths
        if _CHANGES.fullmatch(basename(path)) and within(project, path) and path.count("/") - project.count("/") <= 3
    ]
    for path in sorted(files, key=lambda path: (path.count("/"), path))[:6]:
        found = [
            match[1]
            for line in split_lines(tree.head(path, limit=_HEAD_BYTES))[:600]
            if (match := _HEADING.match(line))
        ]
        versions = [version for text in found[:3] if (version := _version(text))]
        if versions:
            return str(max(versions))
    return UNKNOWN


def _version(text: str) -> Version | None:
    try:
        parsed = Version(text)
    except InvalidVersion:
        return None
    return None if parsed.is_prerelease else parsed


def stubs(version: str, name: str) -> dict[str, str]:
    """Return the variables by which the usual tools take a version instead of asking git."""
    suffix = re.sub(r"[-_.]+", "_", name).upper()
    found = {
        "SETUPTOOLS_SCM_PRETEND_VERSION": version,
        "VCS_VERSIONING_PRETEND_VERSION": version,
        "PDM_BUILD_SCM_VERSION": version,
        "UV_DYNAMIC_VERSIONING_BYPASS": version,
        "POETRY_DYNAMIC_VERSIONING_BYPASS": version,
        "PBR_VERSION": version,
    }
    if suffix:
        found[f"SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{suffix}"] = version
    return found


def folder_of(path: str) -> str:
    """Return the folder of a path; `.` for the repository."""
    return dirname(path) or "."
