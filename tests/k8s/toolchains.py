"""Step: one small repository of each toolchain through recognise, environment and tests, in the agents' pod."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping

from scripts.k8s import images
from tests.k8s.rig import Figures, expect, in_agent

#: A repository of each toolchain that needs no package, since a cluster may have no index: files by path. Each has one
#: test that passes and one that fails, so that a run that read nothing cannot look right.
REPOSITORIES: Mapping[str, Mapping[str, str]] = {
    "python": {
        "src.py": "def double(n):\n    return 2 * n\n",
        "tests/__init__.py": "",
        "tests/test_double.py": (
            "import unittest\n\nfrom src import double\n\n\nclass DoubleTests(unittest.TestCase):\n"
            "    def test_two(self):\n        self.assertEqual(4, double(2))\n\n"
            "    def test_red(self):\n        self.assertEqual(5, double(2))\n"
        ),
    },
    "javascript": {
        "package.json": '{"name": "double", "version": "1.0.0", "scripts": {"test": "node --test"}}\n',
        "double.js": "exports.double = (n) => 2 * n;\n",
        "double.test.js": (
            "const test = require('node:test');\nconst assert = require('node:assert');\n"
            "const { double } = require('./double.js');\n\n"
            "test('two', () => assert.equal(double(2), 4));\ntest('red', () => assert.equal(double(2), 5));\n"
        ),
    },
    "go": {
        "go.mod": "module example.org/double\n\ngo 1.21\n",
        "double.go": "package double\n\nfunc Double(n int) int { return 2 * n }\n",
        "double_test.go": (
            'package double\n\nimport "testing"\n\n'
            "func TestTwo(t *testing.T) {\n\tif Double(2) != 4 {\n\t\tt.Fail()\n\t}\n}\n\n"
            "func TestRed(t *testing.T) {\n\tif Double(2) != 5 {\n\t\tt.Fail()\n\t}\n}\n"
        ),
    },
    "rust": {
        "Cargo.toml": '[package]\nname = "double"\nversion = "0.1.0"\nedition = "2021"\n',
        "Cargo.lock": 'version = 3\n\n[[package]]\nname = "double"\nversion = "0.1.0"\n',
        "src/lib.rs": (
            "pub fn double(n: i64) -> i64 {\n    2 * n\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n"
            "    #[test]\n    fn two() {\n        assert_eq!(4, double(2));\n    }\n\n"
            "    #[test]\n    fn red() {\n        assert_eq!(5, double(2));\n    }\n}\n"
        ),
    },
}
#: Name of a toolchain's runtime as `make images TOOLCHAINS=…` has it; those that the image has anyway have none.
RUNTIMES = {"javascript": "node", "go": "go", "rust": "rust"}

_RUN = """
import asyncio, json, os, pathlib, shutil, subprocess, types
os.umask(0o002)
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, TaskInputs
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.inspection import Progress, inspect
from miyabi_agents.ports import TaskContext
from miyabi_agents.sandbox import ContainerSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces

repositories = json.loads(%r)
settings = AgentsSettings()
private = settings.data_dir / 'toolchains-probe'

def commit(name, files):
    git = ['git', '-c', 'user.name=probe', '-c', 'user.email=probe@localhost']
    work = private / 'work' / name
    for path, text in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    run = lambda *words: subprocess.run([*git, *words], cwd=work, check=True, capture_output=True, text=True).stdout
    run('init', '--quiet', '--initial-branch=main'); run('add', '--all'); run('commit', '--quiet', '-m', 'probe')
    run('clone', '--quiet', '--bare', '.', str(private / 'mirrors' / f'probe/{name}.git'))
    return run('rev-parse', 'HEAD').strip()

async def look(name, files):
    repository, sha = f'probe/{name}', commit(name, files)
    sandbox = ContainerSandbox(settings.sandbox_socket)
    context = TaskContext(
        lease=Lease(inputs=TaskInputs(repository=repository, base_sha=sha, issue_number=1)), github=None, model=None,
        workspaces=GitWorkspaces('', private, shared_dir=settings.shared_dir), sandbox=sandbox,
        progress=Progress(lambda text: None), settings=settings, environments=EnvironmentStore(settings, sandbox),
        scratch=private)
    place = types.SimpleNamespace(repository=repository, sha=sha, own_file=lambda: None)
    found = await inspect(context, place, run=True)
    looks = [{'toolchain': one.project.toolchain, 'runner': one.project.runner, 'tests': one.counts,
              'runtime': one.recipe.runtime if one.recipe else '', 'seconds': round(one.seconds.first, 1),
              'tail': one.report.output_tail[-500:] if one.report else ''} for one in found.looks]
    return {'looks': looks, 'refusals': [[one.reason, one.message] for one in found.refusals]}

shutil.rmtree(private, ignore_errors=True)
try:
    print(json.dumps({name: asyncio.run(look(name, files)) for name, files in repositories.items()}))
finally:
    shutil.rmtree(private, ignore_errors=True)
"""


def toolchains(figures: Figures) -> None:
    """A repository of each toolchain: tests read where the image has its runtime, else one reason that names it."""
    wanted = images.toolchains()
    found = json.loads(in_agent(textwrap.dedent(_RUN % json.dumps(REPOSITORIES)), timeout=600).splitlines()[-1])
    for name in REPOSITORIES:
        runtime, result = RUNTIMES.get(name), found[name]
        if runtime is not None and runtime not in wanted:
            reasons = [reason for reason, _ in result["refusals"]]
            expect(reasons == ["TOOLCHAIN_MISSING"], f"{name} without its runtime: {result}")
            figures.add("toolchains", toolchain=name, missing=result["refusals"][0][1][:200])
            continue
        expect(not result["refusals"], f"{name}: {result}")
        (look,) = result["looks"]
        seen = (look["toolchain"], look["tests"]["passed"], look["tests"]["failed"])
        expect(seen == (name, 1, 1), f"{name}: {look}")
        figures.add("toolchains", toolchain=name, runner=look["runner"], runtime=look["runtime"],
                    passed=1, failed=1, environment_seconds=look["seconds"])  # fmt: skip
