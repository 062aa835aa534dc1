"""eslint and tsc are run for real: those that we bring where a repository has none, and the repository's own where it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from miyabi.coordinator.v1.result_pb2 import ReviewResult
from miyabi_agents.analysers.native.javascript import Tsc
from miyabi_agents.analysers.native.linter import Lint
from miyabi_agents.toolchains.port import Environment, Project, Recipe
from services.agents.tests.review.test_native import base_has, run_of
from services.agents.tests.review.test_pull_requests import open_pull, review

#: A project without packages.
MANIFEST = json.dumps({"name": "x", "version": "1.0.0", "type": "module", "scripts": {"test": "node --test"}})
TEST = 'import test from "node:test";\n\ntest("one", () => {});\n'


def found(result: ReviewResult, analyser: str) -> set[tuple[str, int, str]]:
    """Return what one found."""
    return {(entry.path, entry.line, entry.rule) for entry in result.findings if entry.analyser == analyser}


def fetched(result: ReviewResult, *names: str) -> bool:
    """Tell whether the packages could be had; where not, the review says so of each, and is complete."""
    runs = [run_of(result, name) for name in names]
    if all(run.completed for run in runs):
        return True
    assert [run.notes[0][:8] for run in runs] == ["not run:"] * len(runs)
    assert not result.incomplete
    return False


@pytest.mark.slow("fetches eslint and tsc from the package index")
@pytest.mark.timeout(400)
async def test_a_repository_without_any_is_looked_at_by_ours(workshop: Any) -> None:
    """What the change adds is found in JavaScript and TypeScript, what base has is not; comments have no say; versions are told."""
    old = "export function f(a) {\n  if (a === NaN) return 1;\n}\n"
    typed = 'export function g(n: number): number {\n  return n;\n}\nexport const bad: number = "x";\n'
    base_has(workshop, {"package.json": MANIFEST, "a.js": old, "b.ts": typed, "a.test.js": TEST})

    def edit(path: Path) -> None:
        (path / "a.js").write_text(old + "// eslint-disable-next-line use-isnan\nexport const n = (b) => b === NaN;\n")
        (path / "b.ts").write_text(typed + 'export const worse: number = g("y");\n')
        (path / "c.ts").write_text('import { h } from "no-such-package";\nexport const d: string = 4;\nh(d);\n')

    open_pull(workshop, edit)
    result = await review(workshop)
    if fetched(result, "eslint", "tsc"):
        assert found(result, "eslint") == {("a.js", 5, "use-isnan")}
        assert found(result, "tsc") == {("b.ts", 5, "TS2345"), ("c.ts", 2, "TS2322")}
        versions = {name: run_of(result, name).version for name in ("eslint", "tsc")}
        assert versions == {"eslint": "v9.39.5", "tsc": "Version 5.9.3"}
        assert "by a safe default, since the repository has no eslint" in run_of(result, "eslint").notes[0]
        assert "no typescript among its packages and no tsconfig.json" in run_of(result, "tsc").notes[0]


@pytest.mark.slow("fetches eslint and tsc from the package index")
@pytest.mark.timeout(400)
async def test_a_repository_s_own_options_decide(workshop: Any) -> None:
    """Its tsconfig says what types are checked, and base's configuration of eslint what is linted, by its own eslint."""
    needs = {**json.loads(MANIFEST), "devDependencies": {"eslint": "9.39.5", "typescript": "5.9.3"}}
    files = {
        "package.json": json.dumps(needs), "a.test.js": TEST, "a.js": "export const a = 1;\n", "b.ts": "export {};\n",
        "eslint.config.js": 'export default [{ rules: { "no-var": "error" } }];\n',
        "tsconfig.json": json.dumps({"compilerOptions": {"strict": True, "noUnusedLocals": True}, "include": ["*.ts"]}),
    }  # fmt: skip
    base_has(workshop, files)

    def edit(path: Path) -> None:
        (path / "eslint.config.js").write_text("export default [];\n")
        (path / "a.js").write_text("export const a = 1;\nexport var b = a === NaN;\n")
        (path / "b.ts").write_text("export {};\nconst unused = 1;\n")

    open_pull(workshop, edit)
    result = await review(workshop)
    if fetched(result, "eslint", "tsc"):
        assert found(result, "eslint") == {("a.js", 2, "no-var")}
        assert found(result, "tsc") == {("b.ts", 2, "TS6133")}
        left_out = ["the repository's configuration leaves out b.ts"]
        assert [list(run_of(result, name).notes) for name in ("eslint", "tsc")] == [left_out, []]


@pytest.mark.slow("fetches eslint and tsc from the package index")
@pytest.mark.timeout(400)
async def test_files_that_no_rule_is_for_are_not_called_clean(workshop: Any) -> None:
    """Where the repository's own eslint looks at no changed file, it was not run, and says why: nothing was found in none."""
    needs = {**json.loads(MANIFEST), "devDependencies": {"eslint": "9.39.5"}}
    rules = 'export default [{ rules: { "no-var": "error" } }];\n'
    files = {"package.json": json.dumps(needs), "a.test.js": TEST, "b.ts": "export {};\n", "eslint.config.js": rules}
    base_has(workshop, files)
    open_pull(workshop, lambda path: (path / "b.ts").write_text("export {};\nexport var b = 1;\n"))
    result = await review(workshop)
    if fetched(result, "tsc"):
        run = run_of(result, "eslint")
        why = "not run: the repository's configuration leaves out what is changed"
        assert (run.completed, run.not_applicable, list(run.notes)) == (False, True, [why])


@pytest.mark.parametrize(
    ("options", "is_run"),
    [
        ('{ "files": [], // of others\n "references": [{ "path": "./tsconfig.app.json" }] }', False),
        ('{ "files": ["a.ts"], "references": [{ "path": "../other" }] }', True),
        ('{ "include": ["src"] }', True),
    ],
)
def test_options_of_no_file_are_no_look_at_types(tmp_path: Path, options: str, is_run: bool) -> None:
    """What leaves all files to other projects would have tsc end well over nothing: it is not run, and says why."""
    (tmp_path / "tsconfig.json").write_text(options)
    environment = Environment(tmp_path, tmp_path, Recipe("javascript", "a test", (), (), ()))
    job = Tsc().lint(Project("javascript", ".", "node", "a test"), environment, ["a.ts"])
    assert isinstance(job, Lint) is is_run
    assert is_run or str(job).startswith("tsconfig.json names no file")
