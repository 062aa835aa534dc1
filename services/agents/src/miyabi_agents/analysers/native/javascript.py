"""The analysers of JavaScript and TypeScript: eslint and tsc, the repository's own, else those that we bring."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from miyabi_agents.analysers.base import HIGH, LOW, MEDIUM, AnalyserError, RawFinding
from miyabi_agents.analysers.languages import suffix_of
from miyabi_agents.analysers.native.linter import LEFT_OUT, Lint, Said, in_project, in_repository, keys_of
from miyabi_agents.analysers.reports import json_of
from miyabi_agents.toolchains.port import Environment, Project

#: Options of tsc, by the name that it looks for.
TSCONFIG = "tsconfig.json"
#: How tsc names a place: `src/a.ts(3,5): error TS2322: words`.
_PLACE = re.compile(
    r"^(?P<path>[^\s(][^(\n]*)\((?P<line>\d+),\d+\): error (?P<rule>TS\d+): (?P<words>.+)$", re.MULTILINE
)
#: How tsc says that it found errors.
_TSC_FOUND = frozenset({0, 1, 2})
#: Points of an error of eslint, a warning of it, an error of types (docs/review-score.md).
_ESLINT = {2: (MEDIUM, 10), 1: (LOW, 2)}
TYPE_POINTS = 30
#: Options of eslint: comments of the change have no say.
_ESLINT_OPTIONS = ("--format", "json", "--no-inline-config", "--no-error-on-unmatched-pattern")
#: Files that only a repository's own eslint reads, with the plugin for them.
_COMPONENTS = frozenset({".vue", ".svelte"})
#: How eslint says that its configuration leaves a file out.
_IGNORED = "File ignored"
#: Options of tsc, and those where a project says none.
_TSC_OPTIONS = ("--noEmit", "--pretty", "false", "--incremental", "false")
_TSC_DEFAULT = (
    "--skipLibCheck", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--jsx", "preserve",
    "--allowImportingTsExtensions", "--resolveJsonModule", "--strictNullChecks",
)  # fmt: skip
#: What tsc says of packages, or types of packages, that are not there: nothing where nobody installed them.
_UNKNOWN_PACKAGES = frozenset({
    "TS2307", "TS2503", "TS2580", "TS2581", "TS2582", "TS2584", "TS2591", "TS2592", "TS2688", "TS2875", "TS7016",
    "TS7026",
})  # fmt: skip
#: Names of files that configure eslint, and where a manifest does.
_CONFIGURATIONS = (".eslintrc", "eslint.config.")
_SECTION = b'"eslintConfig"'
#: Longest manifest that is searched for it, and longest options of tsc.
_MAX_MANIFEST = 1 << 20
#: Options of no file, which leave all to other options that they refer to: tsc ends well and has looked at nothing.
#: Source: typescriptlang.org, "Project References", of which templates of applications are made.
_NO_FILES = re.compile(rb'"files"\s*:\s*\[\s*\]')
_OTHER_OPTIONS = re.compile(rb'"references"\s*:')


class Eslint:
    """Lint by the repository's own rules and version; by a safe default where it has none."""

    name = "eslint"
    toolchain = "javascript"
    suffixes = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte"})
    reads_quieted = True

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return the command for some files."""
        node = keys_of(environment).get("node", "node")
        program, configured = _own(project, environment, "eslint/bin/eslint.js"), _configured(project, environment)
        own = program if configured else None
        options, names = [*_ESLINT_OPTIONS], _names(files, project)
        if own is not None:
            return Lint([node, own, *options, "--", *names], [node, own, "--version"])
        if all(suffix_of(path) in _COMPONENTS for path in files):
            return "the repository has no eslint for components, and ours does not read them"
        lacking = "has no configuration of eslint" if program else "has no eslint among its packages"
        ours = "{tools}/node_modules/eslint/bin/eslint.js"
        options += ["--no-config-lookup", "--config", "{tools}/eslint.config.mjs"]
        return Lint(
            [node, ours, *options, "--", *names],
            [node, ours, "--version"],
            own_tools=True,
            note=f"by a safe default, since the repository {lacking}",
        )

    def read(self, said: Said) -> list[RawFinding]:
        """Read its report, which stands behind whatever it warns of."""
        if said.exit_code not in {0, 1}:
            raise AnalyserError(f"eslint ended with {said.exit_code}: {said.output.strip()[-300:]}")
        report = next((line for line in said.output.split("\n") if line.startswith("[")), "")
        found = []
        for file in json_of(report, self.name):
            path = in_repository(file["filePath"], said)
            for entry in file["messages"]:
                if entry.get("ruleId") is None and not entry.get("fatal"):
                    if str(entry.get("message")).startswith(_IGNORED):
                        found.append(RawFinding(LEFT_OUT, path, 0, LOW, 0, entry["message"]))
                    continue
                severity, points = (HIGH, 20) if entry.get("fatal") else _ESLINT[entry["severity"]]
                rule = entry.get("ruleId") or "syntax"
                found.append(RawFinding(rule, path, entry.get("line") or 0, severity, points, entry["message"]))
        return found


class Tsc:
    """Types, by the repository's own compiler and options; by ours where it has none."""

    name = "tsc"
    toolchain = "javascript"
    suffixes = frozenset({".ts", ".mts", ".cts", ".tsx"})
    reads_quieted = True

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return the command for the project, the smallest part that has options; for some files where it has none."""
        node = keys_of(environment).get("node", "node")
        program = _own(project, environment, "typescript/bin/tsc")
        has_options = (environment.tree / project.root / TSCONFIG).is_file()
        if has_options and _is_empty(environment.tree / project.root / TSCONFIG):
            return f"{TSCONFIG} names no file and leaves all to other projects (`references`), which are not looked at"
        lacking = ["no typescript among its packages"] * (program is None) + [f"no {TSCONFIG}"] * (not has_options)
        begin = [node, program or "{tools}/node_modules/typescript/bin/tsc", *_TSC_OPTIONS]
        command, before = [*begin, "-p", TSCONFIG], None
        if not has_options:
            command = [*begin, *_TSC_DEFAULT, *_names(files, project)]
            there = [path for path in files if (environment.tree / path).is_file()]
            before = [*begin, *_TSC_DEFAULT, *_names(there, project)] if there else []
        return Lint(
            command,
            [node, begin[1], "--version"],
            before=before,
            own_tools=program is None,
            note=f"by a safe default, since the repository has {' and '.join(lacking)}" if lacking else "",
            ignored=_UNKNOWN_PACKAGES if lacking else frozenset(),
        )

    def read(self, said: Said) -> list[RawFinding]:
        """Read what it prints."""
        found = [
            RawFinding(
                match["rule"], in_repository(match["path"], said), int(match["line"]), HIGH, TYPE_POINTS, match["words"]
            )
            for match in _PLACE.finditer(said.output)
        ]
        if said.exit_code not in _TSC_FOUND or (said.exit_code and not found):
            raise AnalyserError(f"tsc ended with {said.exit_code}: {said.output.strip()[-300:]}")
        return found


def _is_empty(options: Path) -> bool:
    """Tell whether options of tsc are of no file, and refer to others; they are JSON with comments."""
    with options.open("rb") as stream:
        content = stream.read(_MAX_MANIFEST)
    return bool(_NO_FILES.search(content) and _OTHER_OPTIONS.search(content))


def _own(project: Project, environment: Environment, program: str) -> str | None:
    """Return a program of the project's packages, or of the workspace that it is in, as it is in a checkout."""
    folder = Path(project.root)
    for place in (folder, *folder.parents):
        if (environment.tree / place / "node_modules" / program).is_file():
            return (Path("{tree}") / place / "node_modules" / program).as_posix()
    return None


def _configured(project: Project, environment: Environment) -> bool:
    """Tell whether base has a configuration of eslint for a project, in its folder or above."""
    folder = Path(project.root)
    for place in (folder, *folder.parents):
        here = environment.tree / place
        if any(entry.name.startswith(_CONFIGURATIONS) for entry in here.iterdir()):
            return True
        manifest = here / "package.json"
        if manifest.is_file() and manifest.stat().st_size <= _MAX_MANIFEST and _SECTION in manifest.read_bytes():
            return True
    return False


def _names(files: Sequence[str], project: Project) -> list[str]:
    """Return files as a program in the project's folder is told of them."""
    return [f"./{in_project(path, project.root)}" for path in files]
