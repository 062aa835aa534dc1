"""Fuzz targets of the toolchains: a repository is recognised and prepared with one manifest of a stranger's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from miyabi_agents.errors import AgentError
from miyabi_agents.toolchains.go.toolchain import GoToolchain
from miyabi_agents.toolchains.javascript.toolchain import JavaScriptToolchain
from miyabi_agents.toolchains.port import Machine, Toolchain
from miyabi_agents.toolchains.python.toolchain import PythonToolchain
from miyabi_agents.toolchains.rust.toolchain import RustToolchain

#: Programs that recipes ask for; none of them is run.
_MACHINE = Machine(
    {name: Path("/usr/bin") / name for name in ("uv", "python3.11", "node", "npm", "pnpm", "yarn", "go", "cargo")},
    {"uv": (0, 9), "python3.11": (3, 11, 7), "node": (20, 1, 0), "npm": (10, 0), "go": (1, 22, 0), "cargo": (1, 80, 0)},
)
#: What stands beside the manifest, so that each toolchain sees a project.
_BESIDE = {
    "tests/test_a.py": b"def test_a(): pass\n", "src/a.test.js": b"test('a', () => {})\n",
    "a_test.go": b"package a\nfunc TestA(t *testing.T) {}\n", "src/lib.rs": b"#[test]\nfn a() {}\n",
}  # fmt: skip


@dataclass
class _Files:
    """Implements `toolchains.port.BaseFiles` over a mapping."""

    content: Mapping[str, bytes]
    committed: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def paths(self) -> list[str]:
        """List the files."""
        return sorted(self.content)

    def read(self, path: str) -> bytes | None:
        """Return a file."""
        return self.content.get(path)


def _manifest(toolchain: Toolchain, name: str) -> Callable[[bytes], None]:
    """Return a target: a project that has fuzzed bytes for a manifest is recognised and prepared, or refused."""

    def run(data: bytes) -> None:
        base = _Files({**_BESIDE, **_NEEDED.get(name, {}), name: data})
        try:
            for project in toolchain.recognise(base, None):
                recipe = toolchain.recipe(project, base, _MACHINE)
                toolchain.select(project, base, {name: data, "src/new.py": b"x"})
                assert all(isinstance(word, str) and "\0" not in word for step in recipe.steps for word in step.command)
        except AgentError as error:
            assert len(str(error)) < 20_000
        toolchain.harness_changed(name, b"", data)

    return run


_PYTHON, _SCRIPT, _GO, _RUST = PythonToolchain(), JavaScriptToolchain(), GoToolchain(), RustToolchain()
#: What a manifest of this name is read beside.
_NEEDED: Mapping[str, Mapping[str, bytes]] = {
    "uv.lock": {"pyproject.toml": b"[project]\nname='a'\nversion='1'\ndependencies=['six']\n"},
    "poetry.lock": {"pyproject.toml": b"[tool.poetry]\nname='a'\nversion='1'\n[tool.poetry.dependencies]\nsix='^1'\n"},
    "requirements-dev.txt": {"setup.py": b"from setuptools import setup\nsetup(name='a')\n"},
    "tox.ini": {"setup.py": b"from setuptools import setup\nsetup(name='a')\n"},
    "noxfile.py": {"pyproject.toml": b"[project]\nname='a'\nversion='1'\n"},
    "pnpm-workspace.yaml": {"package.json": b'{"name": "a", "scripts": {"test": "vitest"}}', "pnpm-lock.yaml": b""},
    "rust-toolchain.toml": {"Cargo.toml": b"[package]\nname='a'\nversion='1.0.0'\n"},
    "go.work": {"go.mod": b"module example.org/a\n\ngo 1.21\n"},
}
_MANIFESTS: Mapping[str, tuple[Toolchain, str, tuple[bytes, ...]]] = {
    "python_pyproject": (_PYTHON, "pyproject.toml", (
        (b"[project]\nname='a'\nversion='1'\nrequires-python='>=3.9'\ndependencies=['six>=1', 'b @ git+https://x/y']\n"
        b"[project.optional-dependencies]\ntest=['pytest', 'a[docs]']\n[dependency-groups]\ndev=[{include-group='x'}]\n"),
        b"[tool.poetry.dependencies]\npython='^3.9'\nsix={version='~1.2', extras=['x']}\n[tool.pytest.ini_options]\naddopts='-p x'\n",
    )),
    "python_setup": (_PYTHON, "setup.py", (
        (b"from setuptools import setup, find_packages\nsetup(name='a', install_requires=['b'] + ['c'], extras_require={'test': ['d']},\n"
        b"  package_dir={'': 'src'}, python_requires='>=3', tests_require=open('x').read())\n"),
    )),
    "python_setup_cfg": (_PYTHON, "setup.cfg", (b"[metadata]\nname = a\n[options]\ninstall_requires =\n  six\n  b==1\n[tool:pytest]\naddopts = -q\n",)),
    "python_requirements": (_PYTHON, "requirements-dev.txt", (b"-r other.txt\n-e .[x]\nsix==1 \\\n  --hash=sha256:a  # why\n./b\nhttps://x/y.whl\n",)),
    "python_uv_lock": (_PYTHON, "uv.lock", (b"version = 1\n[[package]]\nname='six'\nversion='1'\nsource={registry='https://x'}\ndependencies=[{name='b'}]\n",)),
    "python_poetry_lock": (_PYTHON, "poetry.lock", (b"[[package]]\nname='six'\nversion='1.0'\ngroups=['main']\nmarkers=\"python_version > '3'\"\n",)),
    "python_tox": (_PYTHON, "tox.ini", (b"[testenv]\ndeps =\n  pytest\n  py3: x\n  -r{toxinidir}/r.txt\ncommands = pytest {posargs}\nsetenv = A = b\n",)),
    "python_nox": (_PYTHON, "noxfile.py", (b"import nox\n@nox.session\ndef tests(session):\n    session.install('pytest', '-r', 'r.txt')\n",)),
    "javascript_package": (_SCRIPT, "package.json", (
        (b'{"name": "a", "scripts": {"test": "cross-env CI=1 vitest run --config x && npm run b", "b": "jest"}, "workspaces": ["packages/*"],'
        b' "devDependencies": {"vitest": "^1"}, "packageManager": "pnpm@8.1.0", "engines": {"node": ">=18"}, "jest": {"projects": ["x"]}}'),
    )),
    "javascript_workspace": (_SCRIPT, "pnpm-workspace.yaml", (b"packages:\n  - 'packages/*'\n  - '!**/test/**'\n",)),
    "go_mod": (_GO, "go.mod", (b"module example.org/a\n\ngo 1.21\n\nrequire (\n\tx/y v1.0.0 // indirect\n)\nreplace x/y => ../y\n",)),
    "go_work": (_GO, "go.work", (b"go 1.21\n\nuse (\n\t./a\n\t./b\n)\n",)),
    "rust_cargo": (_RUST, "Cargo.toml", (
        b"[package]\nname='a'\nversion='1.0.0'\nrust-version='1.70'\n[dependencies]\nb={path='../b'}\n[workspace]\nmembers=['c/*']\n[features]\nd=[]\n",
    )),
    "rust_toolchain": (_RUST, "rust-toolchain.toml", (b"[toolchain]\nchannel='1.70'\ncomponents=['clippy']\n",)),
}  # fmt: skip
#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {
    name: _manifest(toolchain, path) for name, (toolchain, path, _) in _MANIFESTS.items()
}
#: What each begins from.
SEEDS: dict[str, tuple[bytes, ...]] = {name: seeds for name, (_, _, seeds) in _MANIFESTS.items()}
