"""Tells by its name what a file is: a test, a part of the harness, or a manifest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.javascript.manifest import expression, relative
from miyabi_agents.toolchains.javascript.projects import CONFIGS
from miyabi_agents.toolchains.port import Project

#: Files of code.
CODE = re.compile(r"\.[cm]?[jt]sx?$")
_DECLARATION = re.compile(r"\.d\.[cm]?ts$")
#: Names that every runner takes for tests.
_TEST = re.compile(r"(?:^|[._-])(?:test|spec|tests|specs)\.[cm]?[jt]sx?$|^test-[^/]+\.[cm]?[jt]sx?$")
#: Folders whose code files are tests, unless they help tests.
_FOLDERS = {"__tests__", "test", "tests", "spec", "specs"}
#: Folders and names below a folder of tests that hold material and help.
_SUPPORT = re.compile(
    r"(^|/)(fixtures?|__fixtures__|__mocks__|mocks?|__snapshots__|snapshots?|support|helpers?|utils?|lib|common|data|"
    r"resources|assets|samples?|types?|setup|node_modules|tmp|stubs?|templates?|integration-fixtures)(/|\.[cm]?[jt]sx?$|$)|"
    r"(^|/)(_[^/]*|[^/]*(?:setup|helpers?|utils?|fixtures?|mocks?|config)\.[cm]?[jt]sx?)$"
)
#: Material below folders of tests, whatever a file's own name.
_MATERIAL = re.compile(r"(^|/)(fixtures?|__fixtures__|__mocks__|__snapshots__|node_modules|dist|build)/")
#: Other files that decide how tests are run or judged.
_HARNESS = re.compile(
    r"(^|/)((?:vite|babel|jest|vitest|mocha|ava|karma|wallaby|playwright|cypress)\.?[\w.-]*\.(?:config|setup)\.[cm]?[jt]sx?|"
    r"\.(?:mocharc|taprc|nycrc|c8rc|swcrc|babelrc)[\w.]*|mocha\.opts|jasmine\.m?js(?:on)?|"
    r"(?:jest|vitest|test|tests|mocha|globals?)[._-]?(?:global)?[._-]?(?:setup|teardown|setup-?files?)[\w.-]*\.[cm]?[jt]sx?|"
    r"(?:setup|teardown)(?:[._-]?(?:tests?|jest|vitest|files?))?\.[cm]?[jt]sx?|[\w.-]*(?:serializer|environment)\.[cm]?[jt]s)$"
)
_BELOW = re.compile(r"(^|/)(__mocks__)/")
#: Sections of `package.json` that decide it.
SECTIONS = ("scripts", "jest", "ava", "mocha", "vitest", "tap", "nyc", "c8", "babel", "type", "imports", "jasmine")


def is_test(path: str, projects: Sequence[Project]) -> bool:
    """Tell whether a file holds tests, by its name, its folder and the globs of its project's test script."""
    name = PurePosixPath(path).name
    if not CODE.search(name) or _DECLARATION.search(name) or _MATERIAL.search(path):
        return False
    if _TEST.search(name):
        return True
    project = nearest(path, projects)
    if project is None or project.runner == "vitest":
        return "__tests__" in PurePosixPath(path).parts[:-1] and not _SUPPORT.search(path.rsplit("__tests__/", 1)[-1])
    own = relative(path, project.root) or path
    globs = project.facts.get("globs", ())
    if (
        isinstance(globs, Sequence)
        and any(_named(own, str(glob)) for glob in globs)
        and not _SUPPORT.search(_below(own))
    ):
        return True
    if project.runner == "jest":
        return "__tests__" in PurePosixPath(path).parts[:-1] and not _SUPPORT.search(own.rsplit("__tests__/", 1)[-1])
    return bool(_FOLDERS & set(PurePosixPath(own).parts[:-1])) and not _SUPPORT.search(_below(own))


def _below(path: str) -> str:
    """Return what of a path lies below its outermost folder of tests."""
    parts = PurePosixPath(path).parts
    at = next((position for position, part in enumerate(parts) if part in _FOLDERS), -1)
    return "/".join(parts[at + 1 :])


def _named(path: str, glob: str) -> bool:
    """Tell whether a glob of a test script, or a folder in it, names a file."""
    glob = glob.removeprefix("./").rstrip("/")
    return bool(expression(glob).fullmatch(path)) or ("*" not in glob and path.startswith(f"{glob}/"))


def is_harness(path: str) -> bool:
    """Tell whether a file decides how tests are found, run or judged."""
    return bool(CONFIGS.match(PurePosixPath(path).name) or _HARNESS.search(path) or _BELOW.search(path))


def nearest(path: str, projects: Sequence[Project]) -> Project | None:
    """Return the project whose folder holds a path; the deepest one."""
    holding = [project for project in projects if relative(path, project.root) is not None]
    return max(holding, key=lambda project: len(project.root.strip(".")), default=None)
