"""Environments are built for real: in the sandbox, from the ordinary index, and tests import the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from miyabi_agents.toolchains.port import Environment, Project
from miyabi_agents.toolchains.python import PythonToolchain
from services.agents.tests.environments.shop import Files, Shop
from services.agents.tests.toolchains.python.laid_out import TODAY, at

#: Fetching and building take some seconds; on a busy machine many more.
pytestmark = pytest.mark.timeout(240)

SCM = """\
    [build-system]
    requires = ["setuptools", "setuptools_scm"]
    build-backend = "setuptools.build_meta"
    [project]
    name = "thing"
    dynamic = ["version"]
    [tool.setuptools_scm]
    write_to = "src/thing/_version.py"
    """
SETUP = """\
    from pathlib import Path
    from setuptools import Extension, setup

    setup(
        name="thing", version="1", packages=["thing"], ext_modules=[Extension("thing.quick", ["thing/quick.c"])],
        install_requires=Path("needs.txt").read_text().split(),
    )
    """
MATURIN = """\
    [build-system]
    requires = ["maturin>=1.5,<2"]
    build-backend = "maturin"
    [project]
    name = "thing"
    version = "1.0"
    requires-python = ">=3.9"
    """
CARGO = """\
    [package]
    name = "thing"
    version = "1.0.0"
    edition = "2021"
    [lib]
    name = "thing"
    crate-type = ["cdylib"]
    [dependencies]
    pyo3 = { version = "0.29", features = ["extension-module", "abi3-py39"] }
    """
LIB = """\
    use pyo3::prelude::*;

    #[pyfunction]
    fn double(n: i64) -> i64 { 2 * n }

    #[pymodule]
    fn thing(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add_function(wrap_pyfunction!(double, module)?)
    }
    """
QUICK = """\
    #include <Python.h>
    static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "quick", NULL, -1, NULL};
    PyMODINIT_FUNC PyInit_quick(void) { return PyModule_Create(&module); }
    """


async def _built(shop: Shop, files: Files, folder: Path) -> tuple[Project, Environment, Path]:
    """Build a repository's environment, and lay a checkout beside it with what was generated."""
    toolchain = PythonToolchain(lambda: TODAY)
    (project,) = toolchain.recognise(files, None)
    machine = await shop.store.machine()
    environment = await shop.get(toolchain.recipe(project, files, machine), files)
    checkout = folder / "checkout"
    checkout.mkdir()
    await files.lay(checkout)
    for laid in toolchain.lay(project, environment):
        shutil.copy(environment.tree / laid.path, checkout / laid.path)
    return project, environment, checkout


def _run(project: Project, environment: Environment, checkout: Path) -> str:
    """Run the tests of a checkout and return what they said."""
    roots = project.facts["roots"]
    assert isinstance(roots, tuple)
    path = os.pathsep.join(str(checkout / root) for root in roots)
    command = [str(environment.path / "venv/bin/python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=checkout, env=variables, capture_output=True, text=True, timeout=50, check=False)
    return done.stdout + done.stderr


async def test_generated_version(shop: Shop, tmp_path: Path) -> None:
    """A version that git would tell is written into the package by the build, and laid into the checkout."""
    test = "import thing\nfrom thing._version import version\n\ndef test_it():\n    assert version == '3.2.1'\n    assert 'checkout' in thing.__file__\n"
    files = at({
        "pyproject.toml": SCM, "src/thing/__init__.py": "", "CHANGELOG.md": "# Changes\n\n## 3.2.1\n", "tests/test_a.py": test,
    })  # fmt: skip
    project, environment, checkout = await _built(shop, files, tmp_path)
    assert (checkout / "src/thing/_version.py").is_file()
    assert not list(checkout.rglob("*.egg-info"))
    assert "1 passed" in _run(project, environment, checkout)


async def test_compiled_extension(shop: Shop, tmp_path: Path) -> None:
    """An extension is compiled in the sandbox and laid; what `setup.py` computes is installed from its metadata."""
    test = "import six\nimport thing.quick\n\ndef test_it():\n    assert 'checkout' in thing.quick.__file__\n"
    files = at({
        "setup.py": SETUP, "needs.txt": "six\n", "thing/__init__.py": "", "thing/quick.c": QUICK, "tests/test_a.py": test,
    })  # fmt: skip
    project, environment, checkout = await _built(shop, files, tmp_path)
    assert "thing/quick.c" in environment.recipe.inputs
    assert "1 passed" in _run(project, environment, checkout)


@pytest.mark.slow("fetches and compiles a dozen Rust packages")
@pytest.mark.timeout(600)
async def test_extension_in_rust(shop: Shop, tmp_path: Path) -> None:
    """Rust packages are fetched while the proxy is there and compiled without a network; a change of them is an input."""
    test = "import thing\n\ndef test_it():\n    assert thing.double(2) == 4\n"
    files = at({
        "pyproject.toml": MATURIN, "Cargo.toml": CARGO, "src/lib.rs": LIB, "tests/test_a.py": test,
    })  # fmt: skip
    project, environment, checkout = await _built(shop, files, tmp_path)
    assert {"src/lib.rs", "Cargo.toml"} <= set(environment.recipe.inputs)
    assert "1 passed" in _run(project, environment, checkout)


async def test_no_backend(shop: Shop, tmp_path: Path) -> None:
    """An application without packaging is laid on the path, with its requirements."""
    files = at({
        "requirements.txt": "six\n", "app/__init__.py": "import six\n",
        "tests/test_a.py": "import app\n\ndef test_it():\n    assert 'checkout' in app.__file__\n",
    })  # fmt: skip
    project, environment, checkout = await _built(shop, files, tmp_path)
    assert "1 passed" in _run(project, environment, checkout)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Give a store below a folder of the test."""
    return Shop(tmp_path / "store")
