"""Projects are recognised from names and manifests of base."""

from __future__ import annotations

import pytest

from miyabi_agents.verification.config import parse
from services.agents.tests.toolchains.python.laid_out import PLAIN, at, recognised

TEST = "def test_it():\n    pass\n"
CASE = "import unittest\n\n\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n        pass\n"
DJANGO = "from django.test import TestCase\n\n\nclass TestIt(TestCase):\n    pass\n"


def test_src_layout() -> None:
    """A `src` layout is imported from `src`, then from the project's folder."""
    (project,) = recognised(at({"pyproject.toml": PLAIN, "src/thing/__init__.py": "", "tests/test_a.py": TEST}))
    assert (project.root, project.runner, project.facts["roots"]) == (".", "pytest", ("src", "."))
    assert project.facts["packages"] == ("thing",)
    assert tuple(project.facts["tests"]) == ("tests",)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "runner"),
    [
        ({"pytest.ini": "[pytest]\n", "tests/test_a.py": CASE}, "pytest"),
        ({"tox.ini": "[pytest]\ntestpaths = t\n", "setup.py": "", "t/test_a.py": CASE}, "pytest"),
        ({"setup.cfg": "[tool:pytest]\n", "tests/test_a.py": CASE}, "pytest"),
        ({"pyproject.toml": PLAIN + "[tool.pytest.ini_options]\n", "tests/test_a.py": CASE}, "pytest"),
        ({"pyproject.toml": PLAIN + "[tool.pytest.ini_options]\nminversion='6'\n", "tests/test_a.py": CASE}, "pytest"),
        ({"pyproject.toml": PLAIN, "tests/conftest.py": "", "tests/test_a.py": CASE}, "pytest"),
        ({"pyproject.toml": PLAIN, "tests/test_a.py": "import pytest\n" + CASE}, "pytest"),
        ({"pyproject.toml": PLAIN, "requirements-dev.txt": "pytest>=7\n", "tests/test_a.py": CASE}, "pytest"),
        ({"pyproject.toml": PLAIN, "tox.ini": "[testenv]\ncommands = pytest\n", "tests/test_a.py": CASE}, "pytest"),
        ({"pyproject.toml": PLAIN, "tests/test_a.py": TEST}, "pytest"),
        ({"pyproject.toml": PLAIN, "thing/test/a_test.py": CASE}, "unittest"),
        ({"pyproject.toml": PLAIN + "# no pytest here\n", "tests/test_a.py": CASE}, "unittest"),
        (
            {
                "setup.py": "",
                "tests/test_a.py": DJANGO,
                "tox.ini": "[testenv]\nsetenv = DJANGO_SETTINGS_MODULE = tests.settings\n",
            },
            "django",
        ),
        (
            {"manage.py": 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")\n', "app/tests.py": DJANGO},
            "django",
        ),
        (
            {"setup.py": "", "tests/test_a.py": DJANGO, "pytest.ini": "[pytest]\nDJANGO_SETTINGS_MODULE = a.b\n"},
            "pytest",
        ),
    ],
)
def test_runner(content: dict[str, str], runner: str) -> None:
    """Pytest is taken wherever the project asks for it, Django's runner and unittest where nothing does."""
    project = recognised(at(content))[0]
    assert runner == project.runner
    assert project.facts["why"]


def test_django_settings() -> None:
    """The settings of the tests win over those of an example's `manage.py`, which is then not used."""
    tox = "[testenv]\nsetenv =\n    DJANGO_SETTINGS_MODULE = tests.settings\n"
    manage = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")\n'
    (project,) = recognised(
        at({"setup.py": "", "tox.ini": tox, "example/manage.py": manage, "tests/test_a.py": DJANGO})
    )
    assert (project.facts["settings"], project.facts["manage"]) == ("tests.settings", "")


def test_manage_of_an_application() -> None:
    """An application's `manage.py` is found in its folder, and so are its settings."""
    manage = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")\n'
    (project,) = recognised(at({"requirements.txt": "django\n", "web/manage.py": manage, "web/app/tests.py": DJANGO}))
    assert (project.facts["settings"], project.facts["manage"]) == ("site.settings", "web/manage.py")


def test_nearest_folder() -> None:
    """In a monorepo each folder with a manifest and tests is a project; one without tests belongs to what is around."""
    content = {
        "pyproject.toml": PLAIN, "tests/test_a.py": TEST,
        "libs/one/pyproject.toml": PLAIN, "libs/one/tests/test_b.py": TEST,
        "libs/two/setup.py": "", "libs/two/two/__init__.py": "",
    }  # fmt: skip
    assert [project.root for project in recognised(at(content))] == [".", "libs/one"]


def test_data_is_no_project() -> None:
    """Manifests among the data of tests, in vendored or hidden folders and in documentation make no project."""
    folders = ("tests/data/x", "vendor/x", ".hidden/x", "node_modules/x", "docs/x", "tests/fixtures/x")
    content = {f"{folder}/pyproject.toml": PLAIN for folder in folders} | {
        f"{folder}/test_a.py": TEST for folder in folders
    }
    assert [project.root for project in recognised(at({"pyproject.toml": PLAIN, "test_a.py": TEST, **content}))] == [
        "."
    ]


def test_no_python() -> None:
    """A repository of another ecosystem has no project here, although it may have a script."""
    assert list(recognised(at({"package.json": "{}", "scripts/release.py": "print()"}))) == []


def test_plugins() -> None:
    """Plugins of pytest are known by options, settings, `-p` and required_plugins; `no:` asks for none."""
    ini = """\
        [tool.pytest.ini_options]
        addopts = ["--cov=thing", "-n", "auto", "-p", "pytest_httpserver", "-p", "no:randomly", "--strict-markers"]
        asyncio_mode = "auto"
        timeout = 30
        required_plugins = ["pytest-mock>=3"]
        """
    (project,) = recognised(at({"pyproject.toml": ini, "test_a.py": TEST}))
    expected = ("pytest-asyncio", "pytest-cov", "pytest-httpserver", "pytest-mock", "pytest-timeout", "pytest-xdist")
    assert expected == project.facts["plugins"]


def test_fixtures_of_plugins() -> None:
    """Fixtures that tests take and do not define name a plugin; those that they define do not."""
    text = "import pytest\n\n@pytest.fixture\ndef benchmark():\n    ...\n\ndef test_a(mocker, benchmark):\n    pass\n"
    (project,) = recognised(at({"pyproject.toml": PLAIN, "test_a.py": text}))
    assert project.facts["plugins_used"] == ("pytest-mock",)


def test_python_files() -> None:
    """Files of tests with names of the project's own are found by its configuration."""
    ini = "[pytest]\npython_files = check_*.py testing/python/*.py\ntestpaths = testing\n"
    (project,) = recognised(
        at({"pytest.ini": ini, "testing/python/approx.py": TEST, "testing/check_a.py": TEST, "src/a.py": ""})
    )
    assert (project.facts["test_files"], list(project.facts["tests"])) == (2, ["testing"])  # type: ignore[arg-type]


def test_configuration_wins() -> None:
    """A format of the configuration is the runner, and what it says of the environment is handed on."""
    config = parse("test: {format: unittest}\nenv: {requirements: [six], python: '>=3.12', only: true}\n", where="x")
    (project,) = recognised(at({"pyproject.toml": PLAIN, "test_a.py": TEST}), config)
    assert (
        project.runner, project.facts["env_requirements"], project.facts["env_python"], project.facts["env_only"],
    ) == ("unittest", ("six",), ">=3.12", True)  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        {"pyproject.toml": "[" * 100_000},
        {"pyproject.toml": "a = " + "[" * 5_000 + "]" * 5_000},
        {"setup.py": "setup(" + "(" * 50_000},
        {"setup.cfg": "[metadata\n" * 10_000},
        {"pytest.ini": "[pytest]\npython_files = " + "*a" * 10_000},
        {"tox.ini": "[testenv]\ndeps = " + "{" * 100_000},
        {"pyproject.toml": "\x00\xff"},
    ],
)
def test_hostile_manifests(content: dict[str, str]) -> None:
    """What is no manifest, or is written against parsers, is passed by."""
    assert [project.root for project in recognised(at({"requirements.txt": "", "test_a.py": TEST, **content}))] == ["."]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pyproject.toml", True), ("libs/a/uv.lock", True), ("requirements/test.in", True), ("requirements-dev.txt", True),
        ("dev-requirements.txt", True), ("setup.py", True), ("Pipfile.lock", True), (".python-version", True),
        ("constraints.txt", True), ("src/thing.py", False), ("docs/index.txt", False), ("conftest.py", False),
    ],
)  # fmt: skip
def test_is_manifest(path: str, expected: bool) -> None:
    """What decides an environment's content is a manifest."""
    from miyabi_agents.toolchains.python import PythonEnvironments

    assert expected == PythonEnvironments().is_manifest(path)
