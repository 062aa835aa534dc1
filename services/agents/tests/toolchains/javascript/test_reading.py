"""What is recognised, selected and found in files of JavaScript, and what makes a run incomplete."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.javascript.toolchain import JavaScriptToolchain
from miyabi_agents.toolchains.port import Machine, Project
from miyabi_agents.toolchains.port import TestRun as Run
from miyabi_agents.verification.config import parse
from services.agents.tests.toolchains.javascript.rig import FAILED, PASSED, files, machine


def recognised(content: dict[str, object], config=None) -> dict[str, Project]:
    """Return the projects by their folders."""
    base = files({path: text if isinstance(text, str) else json.dumps(text) for path, text in content.items()})
    return {project.root: project for project in JavaScriptToolchain().recognise(base, config)}


@pytest.mark.parametrize(
    ("script", "runner", "facts"),
    [
        ("vitest run --coverage", "vitest", {"arguments": ()}),
        (
            "node --experimental-vm-modules node_modules/jest/bin/jest.js -c x.js",
            "jest",
            {"node": ("--experimental-vm-modules",), "arguments": ("-c", "x.js")},
        ),
        (
            "npm run lint && cross-env NODE_ENV=test nyc mocha -r ts-node/register 'test/**/*.ts'",
            "mocha",
            {"globs": ("test/**/*.ts",), "environment": ("NODE_ENV=test",)},
        ),
        ("c8 ava --verbose", "ava", {"arguments": ("--verbose",)}),
        ("node --import tsx --test test/*.ts", "node", {"node": ("--import", "tsx"), "globs": ("test/*.ts",)}),
        ("npm run build && jasmine", "jasmine", {"build": (".", "build")}),
        ("./run-tests.sh", "tap", {}),
    ],
)
def test_a_runner_is_found_in_the_script(script: str, runner: str, facts: dict[str, object]) -> None:
    """Wrappers, variables, package managers and options of node lead to the runner; its own report is ours to choose."""
    found = recognised({"package.json": {"scripts": {"test": script, "build": "tsc", "lint": "eslint ."}}})["."]
    assert found.runner == runner
    assert facts.items() <= dict(found.facts).items()


def test_a_workspace_is_one_project_where_its_root_runs_everything() -> None:
    """Packages whose runner is the workspace's belong to it; one with another runner is a project of its own."""
    found = recognised(
        {
            "package.json": {"scripts": {"test": "vitest run"}, "packageManager": "pnpm@10.12.1"},
            "pnpm-workspace.yaml": "packages:\n  - packages/*\n",
            "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
            "vitest.config.ts": "export default { test: { projects: ['packages/*'] } }",
            "packages/a/package.json": {"scripts": {"test": "vitest"}},
            "packages/a/vitest.config.ts": "",
            "packages/b/package.json": {"scripts": {"test": "tape test/*.js"}},
            "fixtures/x/package.json": {"scripts": {"test": "mocha"}},
        }
    )
    assert {root: project.runner for root, project in found.items()} == {".": "vitest", "packages/b": "tape"}
    assert found["packages/b"].facts["workspace"] == "."
    assert found["."].origin == "pnpm-lock.yaml, pnpm 10.12.1"


def test_the_configuration_s_command_wins() -> None:
    """A command in `.miyabi.yaml` decides runner, options and folder."""
    config = parse("test: {command: [npx, mocha, -r, ./x.js, '{targets}'], cwd: sub}", where="x")
    found = recognised({"package.json": {"scripts": {"test": "jest"}}, "sub/package.json": {}}, config)
    assert {root: (project.runner, project.facts["arguments"]) for root, project in found.items()} == {
        "sub": ("mocha", ("-r", "./x.js"))
    }


def test_a_machine_without_node_says_how_to_get_it() -> None:
    """What is missing is named, with where to get it; a project of bun says so."""
    base = files({"package.json": '{"scripts": {"test": "mocha"}}'})
    toolchain = JavaScriptToolchain()
    with pytest.raises(ToolchainMissingError, match=r"install Node\.js"):
        toolchain.recipe(toolchain.recognise(base, None)[0], base, Machine())
    bun = files({"package.json": '{"scripts": {"test": "mocha"}}', "bun.lock": "{}"})
    with pytest.raises(ToolchainMissingError, match="bun"):
        toolchain.recipe(toolchain.recognise(bun, None)[0], bun, machine())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"jest.config.js": "module.exports = {coverageThreshold: {global: {lines: 90}}}"}, "jest.config.js"),
        ({"vitest.config.ts": "export default {test: {coverage: {thresholds: {lines: 90}}}}"}, "vitest.config.ts"),
        ({".nycrc.json": '{"check-coverage": true, "lines": 90}'}, ".nycrc.json"),
        ({"jest.config.js": "module.exports = {}"}, ""),
        ({"fixtures/jest.config.js": "module.exports = {coverageThreshold: {}}"}, ""),
    ],
)
def test_a_threshold_of_coverage_is_said_not_to_be_asked(more: dict[str, str], said: str) -> None:
    """Tests are run without coverage, whatever share of lines the project's own run asks for."""
    base = files({"package.json": '{"scripts": {"test": "jest"}}', "a.test.js": "", **more})
    toolchain = JavaScriptToolchain()
    notes = toolchain.recipe(toolchain.recognise(base, None)[0], base, machine()).notes
    expected = [f"The share of covered lines that {said} asks for is not looked at: tests are run without coverage."]
    assert [note for note in notes if "covered lines" in note] == (expected if said else [])


def test_names_tell_tests_harness_and_support_apart() -> None:
    """Names of tests, of folders and of the script's globs; fixtures and helpers are none."""
    toolchain = JavaScriptToolchain()
    base = files({"package.json": '{"scripts": {"test": "tape \'test/**/*.js\'"}}'})
    tests = ["src/a.spec.ts", "a.test.mjs", "test/a.js", "test/deep/b.js", "src/__tests__/c.js"]
    others = [
        "src/a.ts",
        "test/fixtures/a.test.js",
        "test/helpers/x.js",
        "a.test.d.ts",
        "test/data.json",
        "lib/test-utils.md",
    ]
    assert [path for path in [*tests, *others] if toolchain.is_test(path, base)] == tests
    assert all(
        map(
            toolchain.is_harness,
            ["vitest.config.ts", "x/jest.config.js", ".mocharc.yml", "jest.setup.js", "vitest.workspace.ts"],
        )
    )
    assert not any(map(toolchain.is_harness, ["src/config.ts", "src/a.test.ts", "package.json"]))
    assert toolchain.harness_changed("package.json", b'{"scripts": {"test": "a"}}', b'{"scripts": {"test": "b"}}')
    assert not toolchain.harness_changed("package.json", b'{"version": "1"}', b'{"version": "2"}')


def test_tests_that_import_what_changes_are_near() -> None:
    """Imports are followed through folders, packages of the repository and TypeScript's endings."""
    base = files(
        {
            "package.json": '{"name": "toy", "main": "src/index.ts", "scripts": {"test": "vitest"}}',
            "src/index.ts": "export * from './sum.js'",
            "src/sum.ts": "export const sum = 1",
            "src/other.ts": "",
            "test/whole.test.ts": "import { sum } from '..'",
            "test/named.test.ts": "import { sum } from 'toy'",
            "test/other.test.ts": "import '../src/other'",
        }
    )
    toolchain = JavaScriptToolchain()
    project = toolchain.recognise(base, None)[0]
    found = toolchain.select(project, base, {"src/sum.ts": b"", "test/new.test.ts": b""})
    assert (found.own, found.near) == (("test/new.test.ts",), ("test/named.test.ts", "test/whole.test.ts"))


def test_a_file_s_tests_have_their_titles() -> None:
    """Groups, templates, tables, regular expressions with quotes and nested tests of tape are told apart."""
    before = b"""
    import x from 'a';
    describe('sums', () => {
      it('one', () => { expect(/["'`]/.test(`${a ? `}` : 'b'}`)).toBe(1); });
      it("two", function () { return 2; });
      test.each([[1], [2]])('is %d', (n) => {});
    });
    test('outer', (t) => { t.test('inner', (st) => { st.end(); }); });
    """
    toolchain = JavaScriptToolchain()
    after = before.replace(b"return 2", b"return 3").replace(b"'inner'", b"'within'")
    found = toolchain.own_tests("a.test.js", before, after)
    assert found.added == {"a.test.js > outer > within"}
    assert found.edited == {"a.test.js > sums > two", "a.test.js > outer"}
    assert found.removed == {"a.test.js > outer > inner"}
    assert toolchain.own_tests("a.test.js", before, before.replace(b"[2]]", b"[3]]")).edited == {"a.test.js"}
    more = toolchain.own_tests(
        "a.test.js", before, before.replace(b"import x", b"import y, { z }") + b"\nit('new', () => {});\n"
    )
    assert (more.added, more.edited) == ({"a.test.js > new"}, frozenset())
    assert toolchain.code_of("a.test.js", before, "a.test.js > sums > two") == 'it("two", function () { return 2; })'


EVENTS = [
    {"kind": "start", "cwd": "/t"},
    {"kind": "process", "file": "", "exit": 0, "signal": ""},
    {"kind": "test", "file": "/t/a.js", "path": ["x"], "status": "passed"},
    {"kind": "end", "tests": 1, "failed": 0},
    {"kind": "finish", "exit": 0},
]


def read(events: list[dict[str, object]], **more: object):
    """Read a report of some events."""
    result = SandboxResult(
        **{
            "exit_code": 0,
            "output": "",
            "duration": timedelta(seconds=9),
            "report": {"run.1.jsonl": b"\n".join(json.dumps(event).encode() for event in events)},
            **more,
        }
    )
    return JavaScriptToolchain().read(Project("javascript", ".", "mocha", ""), Run(()), result, tree=Path("/t"))


def test_a_whole_report_is_complete() -> None:
    """Events, counts, end marks and status agree."""
    found = read(EVENTS)
    assert (found.complete, found.problem, found.verdicts) == (True, "", {"a.js > x": PASSED})


@pytest.mark.parametrize(
    ("events", "more", "problem"),
    [
        (EVENTS, {"timed_out": True}, "took too long"),
        (EVENTS, {"exit_code": -9}, "SIGKILL"),
        (EVENTS, {"limit_hit": "memory"}, "limit of the sandbox: memory"),
        (EVENTS, {"report_cut": True}, "not believed"),
        (EVENTS, {"exit_code": 1}, "although no test failed"),
        (EVENTS[:-1], {}, "never came to its end"),
        ([*EVENTS[:3], EVENTS[4]], {}, "ended early"),
        ([*EVENTS[:3], *EVENTS[2:]], {}, "counts 1 tests and reports 2"),
        ([*EVENTS, {"kind": "problem", "problem": "jest wrote no report"}], {}, "wrote no report"),
        ([{**EVENTS[1], "signal": "SIGSEGV"}, *EVENTS], {}, "ended by SIGSEGV"),
        ([*EVENTS, {"kind": "test", "path": "x", "status": "passed"}], {}, "without a verdict"),
    ],
)
def test_what_does_not_agree_makes_a_run_incomplete(
    events: list[dict[str, object]], more: dict[str, object], problem: str
) -> None:
    """Each way in which a run ends early, or its report does not fit, has its sentence."""
    found = read(events, **more)
    assert not found.complete
    assert problem in found.problem


def test_a_failed_test_with_status_zero_is_no_end() -> None:
    """A runner that says 0 with a failed test is not believed."""
    found = read([*EVENTS[:2], {**EVENTS[2], "status": "failed"}, *EVENTS[3:]])
    assert found.verdicts == {"a.js > x": FAILED}
    assert "status 0 although 1 failed" in found.problem
