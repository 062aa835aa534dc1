"""Finds where a project's packages lie, and whether it has compiled extensions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import basename, dirname

from miyabi_agents.toolchains.python.layout.tests import ANY_FILES, TEST_FOLDERS
from miyabi_agents.toolchains.python.manifests.static_setup import StaticSetup
from miyabi_agents.toolchains.python.manifests.task_runners import path_in
from miyabi_agents.toolchains.python.manifests.tree import Tree, joined, matches, strings, table, text_of, within

#: Folders whose packages are not what a project installs.
_BESIDE = TEST_FOLDERS | {"docs", "doc", "examples", "example", "benchmarks", "benchmark", "scripts", "tools", "build"}
#: Programs at the root that are no modules of the project.
_PROGRAMS = frozenset({"setup.py", "conftest.py", "noxfile.py", "manage.py", "runtests.py", "tasks.py", "fabfile.py"})
#: Endings of sources that a compiler takes.
EXTENSION_SOURCES = (".pyx", ".pxd", ".c", ".cc", ".cpp", ".cxx", ".h", ".hpp", ".rs", ".f90", ".f", ".cu")
#: Build backends that always compile.
_COMPILING = re.compile(r"maturin|mesonpy|meson|scikit_build_core|skbuild|setuptools_rust|py_build_cmake|sipbuild")
#: Words of `setup.py` that name extensions.
_EXTENSIONS = re.compile(
    r"ext_modules|Extension\(|cythonize|cffi_modules|mypycify|rust_extensions|RustExtension|build_ext"
)
#: Names of packages that are shown.
_MAX_PACKAGES = 200


def roots(tree: Tree, project: str, files: Sequence[str]) -> Sequence[str]:
    """Return the folders that a project's packages are imported from, in the repository, best first."""
    pyproject = tree.toml(path_in(project, "pyproject.toml"))
    tool = table(pyproject.get("tool"))
    setuptools = table(tool.get("setuptools"))
    packages = table(tool.get("poetry")).get("packages")
    named = [
        text_of(table(setuptools.get("package-dir")).get("")),
        *strings(table(table(setuptools.get("packages")).get("find")).get("where")),
        *(text_of(table(entry).get("from")) for entry in (packages if isinstance(packages, list) else [])),
        text_of(table(tool.get("maturin")).get("python-source")),
        text_of(table(table(tool.get("uv")).get("build-backend")).get("module-root")),
        text_of(table(table(tool.get("pdm")).get("build")).get("package-dir")),
        StaticSetup(tree, project).package_root,
        "src",
    ]
    found: list[str] = []
    for name in named[:50]:
        folder = joined(project, name) if name else None
        if folder and folder not in found and folder != project and any(within(folder, path) for path in files):
            found.append(folder)
    return [*found, project]


def packages_of(files: Sequence[str], folders: Sequence[str]) -> Sequence[str]:
    """Return the names that can be imported from a project's folders, sorted."""
    names: set[str] = set()
    modules: set[str] = set()
    known = frozenset(files)
    for path in files:
        root = next((folder for folder in folders if within(folder, path)), None)
        if root is None:
            continue
        inside = path if root == "." else path[len(root) + 1 :]
        first, _, rest = inside.partition("/")
        package = f"{first}/__init__.py" if root == "." else f"{root}/{first}/__init__.py"
        if rest and first.isidentifier() and (root.endswith("src") or (first not in _BESIDE and package in known)):
            names.add(first)
        elif not rest and first not in _PROGRAMS and not any(matches(first, pattern) for pattern in ANY_FILES):
            modules.add(first.removesuffix(".py"))
    # Beside packages, programs at the root are for people.
    return sorted(names or modules)[:_MAX_PACKAGES]


def compiled(tree: Tree, project: str) -> bool:
    """Tell whether a project has extensions that a compiler makes."""
    pyproject = tree.toml(path_in(project, "pyproject.toml"))
    backend = text_of(table(pyproject.get("build-system")).get("build-backend"))
    if _COMPILING.search(backend):
        return True
    setuptools = table(table(pyproject.get("tool")).get("setuptools"))
    if setuptools.get("ext-modules") or table(pyproject.get("tool")).get("setuptools-rust"):
        return True
    if _EXTENSIONS.search(tree.text(path_in(project, "setup.py")) or ""):
        return True
    return any(path.endswith((".pyx", ".pxd")) and within(project, path) for path in tree.paths)


def extension_sources(tree: Tree, project: str) -> Sequence[str]:
    """Return the sources of extensions, whose change asks for another environment."""
    kept = [path for path in tree.paths if within(project, path) and path.endswith(EXTENSION_SOURCES)]
    also = [
        path
        for path in tree.paths
        if basename(path) in ("meson.build", "CMakeLists.txt", "Cargo.toml", "Cargo.lock", "build.rs")
    ]
    return sorted({*kept, *(path for path in also if within(project, path) or dirname(path) == "")})[:2_000]
