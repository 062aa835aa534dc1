"""Recipes name what an environment holds, by a fixed order of sources."""

from __future__ import annotations

import pytest

from miyabi_agents.errors import EnvironmentBuildError, ToolchainMissingError
from miyabi_agents.toolchains.port import Machine, Phase
from miyabi_agents.toolchains.python import distribution_of, missing_in, repair
from miyabi_agents.verification.config import parse
from services.agents.tests.toolchains.python.laid_out import PLAIN, at, installed, recipe_of

TEST = {"thing.py": "", "test_a.py": "def test_it():\n    pass\n"}


def test_downloads_come_first() -> None:
    """Everything that only downloads comes before the first step that runs code of the repository."""
    recipe = recipe_of(at({"pyproject.toml": PLAIN, **TEST}))
    ours = [step.downloads_only for step in recipe.steps]
    assert sorted(ours, reverse=True) == ours
    assert all(not step.downloads_only or "-c" not in step.command for step in recipe.steps)
    assert all(
        "--only-binary" in step.command for step in recipe.steps if step.phase is Phase.FETCH and step.downloads_only
    )


def test_dependency_groups() -> None:
    """A group with a usual name is installed with what it includes; documentation is not."""
    groups = "[dependency-groups]\ntests = ['pytest', {include-group = 'base'}]\nbase = ['attrs']\ndocs = ['sphinx']\n"
    recipe = recipe_of(at({"pyproject.toml": PLAIN + groups, **TEST}))
    assert {"pytest", "attrs", "six"} <= installed(recipe)
    assert "sphinx" not in installed(recipe)
    assert recipe.origin == 'pyproject.toml, group "tests"'


def test_cyclic_groups() -> None:
    """Groups that include each other end."""
    groups = "[dependency-groups]\ntests = [{include-group = 'dev'}, 'pytest']\ndev = [{include-group = 'tests'}]\n"
    assert "pytest" in installed(recipe_of(at({"pyproject.toml": PLAIN + groups, **TEST})))


def test_extras_of_itself() -> None:
    """An extra that names the project's other extras holds what they hold."""
    extras = "[project.optional-dependencies]\ntest = ['thing[a]', 'pytest']\na = ['attrs']\nb = ['click']\n"
    words = installed(recipe_of(at({"pyproject.toml": PLAIN.replace("[build", extras + "[build"), **TEST})))
    assert {"attrs", "pytest"} <= words
    assert "click" not in words


def test_requirements_files() -> None:
    """Files are followed by `-r` within the repository; comments, hashes and markers are read as pip reads them."""
    content = {
        "requirements/test.txt": "-r base.txt\npytest>=7 ; python_version >= '3.8'  # tests\n-e .\n",
        "requirements/base.txt": "attrs==25.1.0 \\\n    --hash=sha256:00\n",
    }
    recipe = recipe_of(at({"pyproject.toml": PLAIN, **TEST, **content}))
    assert {"attrs==25.1.0", "pytest>=7 ; python_version >= '3.8'"} <= installed(recipe)
    assert {"requirements/test.txt", "requirements/base.txt", "pyproject.toml"} <= set(recipe.inputs)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--extra-index-url https://evil.example/simple", "--extra-index-url"),
        ("-i https://evil.example/simple", "-i"),
        ("-f ./wheels", "-f"),
        ("--find-links=./wheels", "--find-links"),
        ("--trusted-host x", "--trusted-host"),
        ("-r ../../etc/passwd", "leads out"),
        ("-c/etc/passwd", "leads out"),
    ],
)
def test_refused_options(line: str, named: str) -> None:
    """An option that changes where packages or lists come from is refused by its name."""
    with pytest.raises(EnvironmentBuildError, match=named):
        recipe_of(at({"pyproject.toml": PLAIN, "requirements-test.txt": f"pytest\n{line}\n", **TEST}))


def test_addresses_for_development() -> None:
    """A requirement that is an address is left out, and said, where only development needs it."""
    lines = "pytest\ngit+https://example.org/x.git#egg=x\ny @ https://example.org/y.whl\n../outside\n"
    recipe = recipe_of(at({"pyproject.toml": PLAIN, "requirements-test.txt": lines, **TEST}))
    assert {"pytest"} <= installed(recipe)
    assert not any("example.org" in word for word in installed(recipe))
    assert sum("no package of an index" in note for note in recipe.notes) >= 2


def test_addresses_that_the_project_needs() -> None:
    """A requirement that is an address is refused, by name, where the project itself needs it."""
    with pytest.raises(EnvironmentBuildError, match=r"needed @ git\+https://example.org/x"):
        recipe_of(at({"pyproject.toml": PLAIN.replace("'six'", "'needed @ git+https://example.org/x'"), **TEST}))


@pytest.mark.parametrize(
    "lock", ["", '[[package]]\nname = "needed"\nversion = "1"\nsource = { git = "https://example.org/x?rev=1#1" }\n']
)
def test_addresses_for_another_python(lock: str) -> None:
    """A requirement that is an address counts only where its marker holds on the Python that is used."""
    written = "'needed @ git+https://example.org/x ; python_version >= \"3.99\"', 'six'"
    manifest = {"pyproject.toml": PLAIN.replace("'six'", written)}
    recipe = recipe_of(at({**manifest, **({"uv.lock": lock} if lock else {}), **TEST}))
    assert not any("example.org" in word for word in installed(recipe))


def test_uv_lock() -> None:
    """`uv.lock` is synchronised frozen, without building anything, and what comes from git is left out."""
    lock = """\
        version = 1
        [[package]]
        name = "thing"
        version = "1.0"
        source = { editable = "." }
        [[package]]
        name = "forked"
        version = "2.0"
        source = { git = "https://example.org/forked?rev=1#1" }
        """
    groups = "[dependency-groups]\ntest = ['pytest']\ndocs = ['sphinx']\n"
    recipe = recipe_of(at({"pyproject.toml": PLAIN + groups, "uv.lock": lock, **TEST}))
    sync = next(step for step in recipe.steps if "sync" in step.command)
    words = " ".join(sync.command)
    assert "--frozen" in words
    assert "--no-build" in words
    assert "--all-extras --group test --no-install-package forked" in words
    assert any("forked" in note for note in recipe.notes)
    assert recipe.origin == 'uv.lock, groups "test"'
    assert any(not any("sync" in step.command for step in other.steps) for other in recipe.fallbacks)


def test_uv_lock_that_the_project_needs_from_git() -> None:
    """A dependency of the project that the lock takes from git is refused by name."""
    lock = '[[package]]\nname = "six"\nversion = "1"\nsource = { git = "https://example.org/six" }\n'
    with pytest.raises(EnvironmentBuildError, match="`six` comes from git"):
        recipe_of(at({"pyproject.toml": PLAIN, "uv.lock": lock, **TEST}))


def test_poetry_lock() -> None:
    """`poetry.lock` gives pins: of the project and its tests, for this Python, without what is optional."""
    package = '[[package]]\nname = "{}"\nversion = "{}"\noptional = {}\npython-versions = "{}"\ngroups = ["{}"]\n'
    rows = (
        ("six", "1.16.0", "false", "*", "main"), ("pytest", "8.0.0", "false", ">=3.8", "dev"),
        ("sphinx", "7.0", "false", "*", "docs"), ("ipython", "8.0", "true", "*", "main"),
        ("backport", "1.0", "false", "<3.8", "main"),
    )  # fmt: skip
    poetry = "[tool.poetry]\nname='thing'\nversion='1'\n[tool.poetry.dependencies]\npython='^3.8'\nsix='^1.16'\n"
    recipe = recipe_of(
        at({"pyproject.toml": poetry, "poetry.lock": "".join(package.format(*row) for row in rows), **TEST})
    )
    words = installed(recipe)
    assert {"six==1.16.0", "pytest==8.0.0"} <= words
    assert not {"sphinx==7.0", "ipython==8.0", "backport==1.0"} & words


def test_poetry_without_a_lock() -> None:
    """Poetry's carets and tildes become ranges."""
    poetry = """\
        [tool.poetry]
        name = 'thing'
        version = '1'
        [tool.poetry.dependencies]
        python = '>=3.9,<4'
        attrs = '^25.1'
        [tool.poetry.group.test.dependencies]
        pytest = '~8.1'
        click = {version = '^0.2.3', extras = ['a'], python = '<3.13'}
        """
    words = installed(recipe_of(at({"pyproject.toml": poetry, **TEST})))
    assert {"attrs>=25.1,<26", "pytest>=8.1,<8.2", 'click[a]>=0.2.3,<0.3 ; (python_version < "3.13")'} <= words


def test_pipfile_lock() -> None:
    """`Pipfile.lock` gives the pins of both parts."""
    lock = '{"default": {"six": {"version": "==1.16.0"}}, "develop": {"pytest": {"version": "==8.0.0"}}}'
    assert {"six==1.16.0", "pytest==8.0.0"} <= installed(recipe_of(at({"Pipfile": "", "Pipfile.lock": lock, **TEST})))


def test_pdm_lock() -> None:
    """`pdm.lock` gives the pins of the groups that tests need."""
    lock = '[[package]]\nname = "six"\nversion = "1.16.0"\ngroups = ["default"]\n[[package]]\nname = "pytest"\nversion = "8.0.0"\ngroups = ["test"]\n'
    assert {"six==1.16.0", "pytest==8.0.0"} <= installed(
        recipe_of(at({"pyproject.toml": PLAIN, "pdm.lock": lock, **TEST}))
    )


def test_tox() -> None:
    """Tox's dependencies that hold for every factor are taken; those of one factor are not."""
    tox = "[testenv]\ndeps =\n    pytest\n    attrs\n    old: django<3\n    -r{toxinidir}/t.txt\n"
    words = installed(recipe_of(at({"pyproject.toml": PLAIN, "tox.ini": tox, "t.txt": "click\n", **TEST})))
    assert {"pytest", "attrs", "click"} <= words
    assert "django<3" not in words


def test_hatch_and_nox() -> None:
    """Hatch's environments and the sessions of a noxfile are read; the noxfile is never run."""
    hatch = "[tool.hatch.envs.test]\ndependencies = ['attrs']\n"
    noxfile = "raise SystemExit\n\ndef tests(session):\n    session.install('click', '-r', 'r.txt')\n    session.install('-e', '.')\n"
    words = installed(
        recipe_of(at({"pyproject.toml": PLAIN + hatch, "noxfile.py": noxfile, "r.txt": "pytest-mock\n", **TEST}))
    )
    assert {"attrs", "click", "pytest-mock"} <= words


def test_setup_py() -> None:
    """Plain values of `setup.py` are read from its syntax tree; what it computes is left to building the metadata."""
    setup = "raise SystemExit\nE = {'tests': ['attrs', 'pytest'], 'docs': ['sphinx']}\nsetup(name='thing', extras_require=E, install_requires=read())\n"
    recipe = recipe_of(at({"setup.py": setup, **TEST}))
    assert {"attrs", "pytest"} <= installed(recipe)
    assert "{env}/project.txt" in recipe.steps[-1].command
    assert (recipe.steps[-1].phase, recipe.steps[-1].downloads_only) == (Phase.FETCH, False)


def test_plain_requirements_of_an_application() -> None:
    """What has no build backend is laid on the path alone, with its `requirements.txt`."""
    recipe = recipe_of(at({"requirements.txt": "six\n", "app.py": "", "test_a.py": "def test_it():\n    pass\n"}))
    assert {"six", "pytest"} <= installed(recipe)
    assert not any("-c" in step.command for step in recipe.steps)


def test_requirements_of_tools() -> None:
    """A `requirements.txt` beside a packaged project is not taken where it names nothing for tests."""
    case = "import unittest\nclass T(unittest.TestCase):\n    pass\n"
    recipe = recipe_of(at({"setup.py": "setup(name='thing')", "requirements.txt": "sphinx\ntox\n", "test_a.py": case}))
    assert "sphinx" not in installed(recipe)


def test_configuration() -> None:
    """What the configuration names is installed besides, or alone."""
    files = at({"pyproject.toml": PLAIN, **TEST})
    beside = recipe_of(files, parse("env: {requirements: [click], python: '<3.12'}", where="x"))
    alone = recipe_of(files, parse("env: {requirements: [click], only: true}", where="x"))
    assert {"click", "six", "pytest"} <= installed(beside)
    assert beside.runtime == "CPython 3.11.7"
    assert {"click", "pytest"} <= installed(alone)
    assert "six" not in installed(alone)


def test_age() -> None:
    """An old commit gets packages of its day, and today's where that fails; a young one today's at once."""
    old = recipe_of(at({"pyproject.toml": PLAIN, **TEST}, days=400))
    young = recipe_of(at({"pyproject.toml": PLAIN, **TEST}, days=3))
    assert "2025-10-26T00:00:00Z" in installed(old)
    assert any("2025-10-25" in note or "2025-10-26" in note for note in old.notes)
    assert any("--exclude-newer" not in installed(other) for other in old.fallbacks)
    assert "--exclude-newer" not in installed(young)


@pytest.mark.parametrize(
    ("python", "days", "expected"),
    [
        ("requires-python = '>=3.10'", 0, "CPython 3.13.0"),
        ("requires-python = '<3.12'", 0, "CPython 3.11.7"),
        ("requires-python = '>=3.10'", 1130, "CPython 3.11.7"),
        ("classifiers = ['Programming Language :: Python :: 3.11']", 0, "CPython 3.11.7"),
        ("requires-python = '~=3.12.0'", 0, "CPython 3.12.1"),
    ],
)
def test_interpreter(python: str, days: int, expected: str) -> None:
    """The newest Python is taken that fits, that classifiers name and that the commit's day knew."""
    files = at({"pyproject.toml": PLAIN.replace("dependencies", f"{python}\ndependencies"), **TEST}, days=days)
    assert expected == recipe_of(files).runtime


def test_preferred_interpreter() -> None:
    """A preferred version comes first."""
    assert (
        recipe_of(at({"pyproject.toml": PLAIN, **TEST}), parse("env: {prefer: ['3.9', '3.12']}", where="x")).runtime
        == "CPython 3.12.1"
    )


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        ("3.11\n", "CPython 3.11.7"), ("3.12.99\n", "CPython 3.12.1"), ("# ours\n\ncpython-3.11.2\n", "CPython 3.11.7"),
        ("python-3.12\n3.11\n", "CPython 3.12.1"), ("3.1\n", "CPython 3.13.0"), ("pypy3.10\n", "CPython 3.13.0"), ("", "CPython 3.13.0"),
    ],
)  # fmt: skip
def test_pinned_interpreter(pin: str, expected: str) -> None:
    """The first version of `.python-version` that is here is taken; where none is, that is said."""
    recipe = recipe_of(at({"pyproject.toml": PLAIN, ".python-version": pin, **TEST}))
    said = [note for note in recipe.notes if ".python-version is not here" in note]
    assert (recipe.runtime, len(said)) == (expected, int(pin == "3.1\n"))


@pytest.mark.parametrize("demand", ["banana", "3.11", "=>3.12", ">=3.12,<"])
def test_a_demand_that_is_none_is_said(demand: str) -> None:
    """A set of versions that nobody can read chooses nothing, with a word on it."""
    recipe = recipe_of(
        at({"pyproject.toml": PLAIN.replace("dependencies", f"requires-python = '{demand}'\ndependencies"), **TEST})
    )
    assert [note for note in recipe.notes if f"`{demand}` (pyproject.toml) is no set of versions" in note] != []


def test_no_interpreter() -> None:
    """Where no Python fits, the reason names the demand, what is there and how to get one."""
    files = at({"pyproject.toml": PLAIN.replace("dependencies", "requires-python = '>=3.15'\ndependencies"), **TEST})
    with pytest.raises(ToolchainMissingError, match=r"`>=3.15` \(pyproject.toml\); there is 3.13.0.*uv python install"):
        recipe_of(files)


def test_no_uv() -> None:
    """Without uv the reason names it."""
    with pytest.raises(ToolchainMissingError, match="uv"):
        recipe_of(at({"pyproject.toml": PLAIN, **TEST}), machine=Machine())


def test_version_stub() -> None:
    """A version that git would tell is taken from the list of changes."""
    scm = "[build-system]\nrequires = ['setuptools', 'setuptools_scm']\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'thing'\ndynamic = ['version']\n"
    recipe = recipe_of(
        at({"pyproject.toml": scm, "CHANGES.rst": "Changes\n=======\n\n9.1.0 (unreleased)\n---\n", **TEST})
    )
    build = next(step for step in recipe.steps if step.name == "build .")
    assert (
        build.environment["SETUPTOOLS_SCM_PRETEND_VERSION"], build.environment["SETUPTOOLS_SCM_PRETEND_VERSION_FOR_THING"],
    ) == ("9.1.0", "9.1.0")  # fmt: skip
    assert any("9.1.0" in note for note in recipe.notes)


def test_repair() -> None:
    """What could not be imported is added once, by the distribution that brings it; what is not known is not guessed."""
    recipe = recipe_of(at({"pyproject.toml": PLAIN, **TEST}, days=400))
    names = missing_in(["ModuleNotFoundError: No module named 'yaml'\n", "No module named 'surely_not_known.x'"])
    mended = repair(recipe, names)
    assert mended is not None
    assert "PyYAML" in mended.steps[-1].command
    assert "--exclude-newer" in mended.steps[-1].command
    assert any("PyYAML (yaml)" in note for note in mended.notes)
    assert repair(mended, names) is None
    assert None is distribution_of("surely_not_known.x")


@pytest.mark.parametrize(
    "requirement", ["--index-url=https://evil.example", "-r/etc/passwd", "../../x", "a @ file:///etc"]
)
def test_hostile_build_requirements(requirement: str) -> None:
    """What a project names for building is a package of an index, or is refused by name."""
    content = PLAIN.replace("'flit_core<4'", f"'{requirement}'")
    with pytest.raises(EnvironmentBuildError, match=r"build-system\.requires"):
        recipe_of(at({"pyproject.toml": content, **TEST}))


@pytest.mark.parametrize("name", ["--index-url=https://evil.example/", "-r/etc/passwd", "a b", "a @ file:///etc#"])
def test_hostile_locks(name: str) -> None:
    """A package of a lock file whose name is none is no argument of the installer."""
    poetry = f'[[package]]\nname = "{name}"\nversion = "1"\n[[package]]\nname = "pytest"\nversion = "8.0.0"\n'
    uv = f'[[package]]\nname = "{name}"\nversion = "1"\nsource = {{ git = "x" }}\n'
    for lock, text in (("poetry.lock", poetry), ("uv.lock", uv)):
        recipe = recipe_of(at({"pyproject.toml": PLAIN, lock: text, **TEST}))
        assert not any(name[:6] in word for word in installed(recipe))
