"""Each runner of JavaScript, from a manifest to verdicts, with packages from the registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from miyabi_agents.toolchains.javascript.toolchain import JavaScriptToolchain
from services.agents.tests.toolchains.javascript.rig import FAILED, PASSED, SKIPPED, Rig

pytestmark = pytest.mark.timeout(300)

#: What a test prints that wants to be taken for the report of another: TAP, events of ours, jest's JSON, mocha's words.
LIES = r"""console.log('ok 1 - wrong\nnot ok 2 - right\n1..2\n# pass 2\n{"kind":"test","path":["wrong"],"status":"passed"}\n  ✓ wrong\n{"kind":"end","tests":9}');"""
BDD = f"""
describe('sums', () => {{
  it('right', () => {{ {LIES} }});
  it('wrong', () => {{ {LIES} throw new Error('two is not three'); }});
  it.skip('later', () => {{}});
}});
"""


def manifest(script: str, **needs: str) -> str:
    """Return a manifest."""
    return json.dumps({"name": "toy", "version": "1.0.0", "scripts": {"test": script}, "devDependencies": needs})


def prepared(tmp_path: Path, content: dict[str, str], runner: str) -> Rig:
    """Return a project whose environment is built, and whose runner was recognised."""
    rig = Rig(JavaScriptToolchain(), tmp_path, content)
    assert rig.project.runner == runner
    rig.prepare()
    return rig


def expect(rig: Rig, path: str, *, group: str = "sums > ") -> None:
    """Hold a run of the file of a right, a wrong and a skipped test against what it is."""
    for targets in (None, [path]):
        found = rig.run(targets)
        assert found.complete, (found.problem, rig.output)
        assert found.verdicts == {
            f"{path} > {group}right": PASSED,
            f"{path} > {group}wrong": FAILED,
            f"{path} > {group}later": SKIPPED,
        }
        assert "two is not three" in found.reasons[f"{path} > {group}wrong"]


def test_mocha_is_read_by_a_reporter_and_not_by_what_tests_print(tmp_path: Path) -> None:
    """mocha: options of the script stay, its reporter does not; lies on the terminal change nothing."""
    content = {
        "package.json": manifest("nyc mocha --reporter spec --require ./test/support/env.js test/", mocha="10.8.2"),
        "test/support/env.js": "global.loaded = true;",
        "test/sums.js": BDD,
    }
    rig = prepared(tmp_path, content, "mocha")
    assert rig.project.facts["arguments"] == ("--require", "./test/support/env.js")
    expect(rig, "test/sums.js")


def test_mocha_that_cannot_load_a_file_is_incomplete(tmp_path: Path) -> None:
    """A file that throws while it is loaded ends mocha before its report does."""
    rig = prepared(tmp_path, {"package.json": manifest("mocha", mocha="10.8.2"), "test/a.js": BDD}, "mocha")
    found = rig.run(None, **{"test/b.js": "require('./not-there');"})
    assert not found.complete
    assert "no end mark" in found.problem
    early = rig.run(["test/a.js"], **{"test/a.js": "it('a', () => {}); it('b', () => process.exit(0));"})
    assert not early.complete
    assert "no end mark" in early.problem


def test_tape_is_read_by_objects(tmp_path: Path) -> None:
    """tape: each file is a process of its own; an exit in the middle of a file is no end."""
    text = f"""
    const test = require('tape');
    test('sums', (t) => {{
      t.test('right', (st) => {{ {LIES} st.ok(true); st.end(); }});
      t.test('wrong', (st) => {{ st.fail('two is not three'); st.end(); }});
      t.test('later', {{ skip: true }}, (st) => {{ st.end(); }});
      t.end();
    }});
    """
    rig = prepared(
        tmp_path, {"package.json": manifest("tape 'test/**/*.js'", tape="5.9.0"), "test/sums.js": text}, "tape"
    )
    found = rig.run(None)
    assert found.complete, found.problem
    assert found.verdicts.items() >= {
        ("test/sums.js > sums > right", PASSED),
        ("test/sums.js > sums > wrong", FAILED),
        ("test/sums.js > sums > later", SKIPPED),
    }
    early = rig.run(None, **{"test/sums.js": "require('tape')('a', (t) => { t.ok(1); process.exit(0); });"})
    assert not early.complete
    assert early.problem.startswith("tape ended early in test/sums.js")


def test_node_s_own_runner_is_read_by_a_reporter(tmp_path: Path) -> None:
    """Node --test: nothing is installed; a file that cannot be loaded is named."""
    text = f"""
    import {{ describe, it }} from 'node:test';
    {BDD}
    """
    rig = prepared(tmp_path, {"package.json": manifest("node --test"), "test/sums.test.mjs": text}, "node")
    expect(rig, "test/sums.test.mjs")
    broken = rig.run(None, **{"test/other.test.mjs": "import './not-there.mjs';"})
    assert broken.complete, broken.problem
    assert list(broken.unbuilt) == ["test/other.test.mjs"]
    assert "not-there" in broken.unbuilt["test/other.test.mjs"] or broken.unbuilt["test/other.test.mjs"]


@pytest.mark.slow("installs jest, which has hundreds of packages")
def test_jest_is_read_by_its_json(tmp_path: Path) -> None:
    """jest: tests, and a suite that cannot be loaded, come from its own report; coverage's threshold is left out."""
    content = {
        "package.json": json.dumps(
            {
                "name": "toy",
                "scripts": {"test": "jest --coverage"},
                "devDependencies": {"jest": "29.7.0"},
                "jest": {"coverageThreshold": {"global": {"lines": 100}}},
            }
        ),
        "sums.test.js": BDD,
    }
    rig = prepared(tmp_path, content, "jest")
    expect(rig, "sums.test.js")
    broken = rig.run(None, **{"other.test.js": "require('./not-there');"})
    assert broken.complete, broken.problem
    assert list(broken.unbuilt) == ["other.test.js"]


@pytest.mark.slow("installs vitest, which has some dozens of packages")
def test_vitest_is_read_by_its_json(tmp_path: Path) -> None:
    """vitest: TypeScript, a name that comes again, and an error outside of tests, which is no pass."""
    text = f"import {{ describe, it }} from 'vitest';\nconst n: number = 1;\n{BDD}"
    rig = prepared(tmp_path, {"package.json": manifest("vitest", vitest="3.2.4"), "src/sums.test.ts": text}, "vitest")
    expect(rig, "src/sums.test.ts")
    twice = "import { it } from 'vitest';\nit('same', () => {});\nit('same', () => { throw new Error('no'); });"
    found = rig.run(["src/sums.test.ts"], **{"src/sums.test.ts": twice})
    assert found.verdicts == {"src/sums.test.ts > same": PASSED, "src/sums.test.ts > same [#2]": FAILED}
    loose = "import { it } from 'vitest';\nit('fine', () => { Promise.reject(new Error('nobody waits')); });"
    found = rig.run(["src/sums.test.ts"], **{"src/sums.test.ts": loose})
    assert not found.complete
    assert "outside of" in found.problem
    assert "nobody waits" in found.problem
    hook = "import { beforeAll, it } from 'vitest';\nbeforeAll(() => { throw new Error('no server'); });\nit('a', () => {});"
    found = rig.run(["src/sums.test.ts"], **{"src/sums.test.ts": hook})
    assert (found.complete, found.verdicts, list(found.unbuilt)) == (True, {}, ["src/sums.test.ts"])
    assert "no server" in found.unbuilt["src/sums.test.ts"]


@pytest.mark.slow("installs vitest and TypeScript")
def test_vitest_checks_types_beside_packages_that_are_read_only(tmp_path: Path) -> None:
    """A type that is wrong is a test that failed; that TypeScript cannot write into vitest's package is no error."""
    config = "export default { test: { typecheck: { enabled: true, include: ['src/*.test-d.ts'] } } };"
    types = (
        "import { expectTypeOf, it } from 'vitest';\nit('right', () => { expectTypeOf(1).toEqualTypeOf<number>(); });\n"
    )
    content = {
        "package.json": manifest("vitest", vitest="3.2.4", typescript="5.9.3"),
        "tsconfig.json": '{"compilerOptions": {"strict": true, "skipLibCheck": true, "module": "esnext", "moduleResolution": "bundler", "target": "es2022"}}',
        "vitest.config.ts": config,
        "src/sums.test.ts": "import { it } from 'vitest';\nit('runs', () => {});\n",
        "src/sums.test-d.ts": types,
    }
    rig = prepared(tmp_path, content, "vitest")
    found = rig.run(None)
    assert found.complete, (found.problem, rig.output)
    assert found.verdicts == {
        "src/sums.test.ts > runs": PASSED,
        "src/sums.test-d.ts > src/sums.test-d.ts > right": PASSED,
    }
    wrong = rig.run(None, **{"src/sums.test-d.ts": types.replace("<number>", "<string>")})
    assert wrong.verdicts["src/sums.test-d.ts > src/sums.test-d.ts > right"] == FAILED


@pytest.mark.slow("installs ava, which has a hundred packages")
def test_ava_is_read_by_tap_that_tests_cannot_print(tmp_path: Path) -> None:
    """ava: what a test prints goes another way than TAP does; files come from its titles."""
    text = f"""
    import test from 'ava';
    test('right', (t) => {{ {LIES} t.pass(); }});
    test('wrong', (t) => {{ {LIES} t.fail('two is not three'); }});
    test.skip('later', (t) => {{ t.pass(); }});
    """
    content = {
        "package.json": manifest("ava", ava="6.2.0"),
        "test/sums.js": text.replace("import", "import"),
        "test/other.js": "import test from 'ava'; test('alone', (t) => t.pass());",
    }
    content["package.json"] = content["package.json"].replace('"name"', '"type": "module", "name"')
    rig = prepared(tmp_path, content, "ava")
    found = rig.run(None)
    assert found.complete, (found.problem, rig.output)
    assert found.verdicts == {
        "test/sums.js > right": PASSED,
        "test/sums.js > wrong": FAILED,
        "test/sums.js > later": SKIPPED,
        "test/other.js > alone": PASSED,
    }


def test_jasmine_is_read_by_a_reporter(tmp_path: Path) -> None:
    """jasmine: its own reporter class, with the file of each test where jasmine says it."""
    text = BDD.replace("it.skip(", "xit(")
    content = {"package.json": manifest("jasmine spec/*.js", jasmine="5.1.0"), "spec/sums.js": text}
    rig = prepared(tmp_path, content, "jasmine")
    found = rig.run(None)
    assert found.complete, (found.problem, rig.output)
    assert sorted(name.split(" > ", 1)[1] for name in found.verdicts) == [
        "sums > later",
        "sums > right",
        "sums > wrong",
    ]


def test_targets_that_are_not_there_are_no_tests(tmp_path: Path) -> None:
    """A checkout without the file of a test has no tests in it, and the run is complete: absence is what it shows."""
    rig = prepared(
        tmp_path, {"package.json": manifest("node --test"), "test/a.test.mjs": "import 'node:test';"}, "node"
    )
    found = rig.run(["test/b.test.mjs"])
    assert found.complete
    assert not found.verdicts


def test_packages_of_a_workspace_come_from_the_checkout(tmp_path: Path) -> None:
    """Npm workspaces: a package of the repository is the checkout's, not the one that the environment was built from."""
    content = {
        "package.json": json.dumps(
            {
                "name": "root",
                "private": True,
                "workspaces": ["packages/*"],
                "scripts": {"test": "mocha packages/*/test"},
                "devDependencies": {"mocha": "10.8.2"},
            }
        ),
        "packages/one/package.json": json.dumps({"name": "@toy/one", "version": "1.0.0", "main": "index.js"}),
        "packages/one/index.js": "module.exports = 1;",
        "packages/two/package.json": json.dumps(
            {"name": "@toy/two", "version": "1.0.0", "dependencies": {"@toy/one": "^1.0.0"}}
        ),
        "packages/two/test/one.js": "it('is the checkout\\'s', () => { if (require('@toy/one') !== 2) throw new Error('base'); });",
    }
    rig = prepared(tmp_path, content, "mocha")
    name = "packages/two/test/one.js > is the checkout's"
    assert rig.run(None).verdicts == {name: FAILED}
    assert rig.run(None, **{"packages/one/index.js": "module.exports = 2;"}).verdicts == {name: PASSED}
