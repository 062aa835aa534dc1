"""Which files are tests, which stand beside them, which decide, and which are run for a change."""

from __future__ import annotations

import time

import pytest

from miyabi_agents.toolchains.port import Project
from miyabi_agents.toolchains.python.runners import harness_changed, is_harness, is_support, is_test, select

TEST = "def test_a(): pass\n"
CASE = "import unittest\nclass A(unittest.TestCase):\n    def test_a(self): pass\n"


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("tests/test_a.py", TEST, True),
        ("pkg/a_test.py", TEST, True),
        ("testing/python/approx.py", TEST, True),
        ("tests/admin/tests.py", CASE, True),
        ("tests/tests.py", TEST, False),
        ("django/test/client.py", "class Client: pass\n", False),
        ("src/pkg/test_tools.py", "def make(): pass\n", False),
        ("tests/helper.py", TEST, False),
        ("tests/conftest.py", TEST, False),
        ("tests/__init__.py", "", False),
        ("node_modules/x/test_a.py", TEST, False),
        ("tests/data.json", "{}", False),
    ],
)
def test_tests(files, path, content, expected):
    """A file is one of tests by the runner's patterns, its folders, and by what it holds."""
    config = '[tool.pytest.ini_options]\npython_files = ["test_*.py", "*_test.py", "testing/python/*.py"]\n'
    assert is_test(path, files({path: content, "pyproject.toml": config})) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("tests/helper.py", True), ("tests/__init__.py", True), ("tests/data/a.json", True), ("conftest.py", True),
     ("tests/test_a.py", False), ("django/test/client.py", False), ("src/pkg/testing/tool.py", False), ("setup.py", False)],
)  # fmt: skip
def test_support(files, path, expected):
    """Helpers, data and packages below a folder that holds tests are support; sources below such a name are not."""
    base = files({"tests/test_a.py": TEST, "tests/helper.py": "", "tests/__init__.py": "", "tests/data/a.json": "",
                  "conftest.py": "", "django/test/client.py": "", "src/pkg/testing/tool.py": "", "setup.py": "",
                  "src/pkg/testing/tests/test_tool.py": TEST})  # fmt: skip
    assert is_support(path, base) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("conftest.py", True), ("a/b/conftest.py", True), ("pytest.ini", True), ("tox.ini", True), ("setup.cfg", True),
     ("sitecustomize.py", True), ("x.pth", True), ("pytest.py", True), ("json.py", True), ("pytest/__init__.py", True),
     ("noxfile.py", True), ("src/json.py", False), ("tests/test_a.py", False), ("setup.py", False), ("test.py", False)],
)  # fmt: skip
def test_harness(path, expected):
    """What decides how tests are run is known by name; at the root also what would stand in for the runner."""
    assert is_harness(path) is expected


def test_parts_of_manifests():
    """Of manifests only the runners' parts count."""
    before = b'[project]\nname = "a"\n[tool.pytest.ini_options]\naddopts = "-q"\n'
    assert not harness_changed("pyproject.toml", before, before.replace(b'"a"', b'"b"'))
    assert harness_changed("pyproject.toml", before, before.replace(b"-q", b"-k x"))
    assert harness_changed("pyproject.toml", before, b"[")
    assert not harness_changed("setup.cfg", b"[metadata]\nname = a\n", b"[metadata]\nname = b\n")
    assert harness_changed("setup.cfg", b"", b"[tool:pytest]\naddopts = -k x\n")
    assert harness_changed("conftest.py", None, b"x")
    assert not harness_changed("src/a.py", b"", b"x")


#: A package whose `__init__` hands names on, as most do.
PACKAGE = {
    "src/pkg/__init__.py": "from .core import run\nfrom pkg.other import away\n",
    "src/pkg/core.py": "from pkg import low\nfrom .low import deep\n",
    "src/pkg/low.py": "",
    "src/pkg/other.py": "",
    "tests/test_core.py": TEST,
    "tests/test_names.py": "from pkg import run\n" + TEST,
    "tests/test_whole.py": "import pkg as p\np.run()\n" + TEST,
    "tests/test_away.py": "import pkg\npkg.away()\n" + TEST,
    "tests/test_patch.py": 'from unittest import mock\nmock.patch("pkg.core.run")\n' + TEST,
    "tests/test_helped.py": "import helper\n" + TEST,
    "tests/helper.py": "from pkg.core import run\n",
    "tests/test_data.py": 'open("data/table.csv")\n' + TEST,
    "tests/sub/test_far.py": TEST,
    "tests/sub/conftest.py": "",
}
PROJECT = Project("python", ".", "pytest", "", {"roots": ("src",)})


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("src/pkg/core.py", ["core", "names", "patch", "whole", "helped"]),
        ("src/pkg/low.py", ["names", "patch", "whole", "helped"]),
        ("src/pkg/other.py", ["away"]),
        ("tests/helper.py", ["helped"]),
        ("tests/data/table.csv", ["data"]),
        ("docs/index.md", []),
    ],
)
def test_near_tests(files, path, near):
    """Tests are near by name, by what they import through packages and helpers, and by data that they name."""
    found = select(PROJECT, files(PACKAGE), {path: b"x = 1\n"})
    assert list(found.near) == [f"tests/test_{name}.py" for name in near]
    assert found.own == []
    assert found.note


def test_near_a_conftest(files):
    """All tests below a conftest are near it."""
    assert select(PROJECT, files(PACKAGE), {"tests/sub/conftest.py": b"x"}).near == ["tests/sub/test_far.py"]


def test_own_tests_come_apart(files):
    """Files of tests that the change adds or edits are its own, by base's rules; deleted ones are not run."""
    changed = {"tests/test_new.py": TEST.encode(), "tests/test_core.py": None, "src/pkg/core.py": b"x = 1\n"}
    found = select(PROJECT, files(PACKAGE), changed)
    assert found.own == ["tests/test_new.py"]
    assert "tests/test_core.py" not in found.near


def test_a_thousand_files(files):
    """A large suite is looked through within two seconds."""
    many = {
        f"tests/test_{n}.py": f"from pkg.m{n} import x\n" + "x.y(z.a, 'b.c.d')\n" * 500 + TEST for n in range(1_000)
    }
    many |= {f"src/pkg/m{n}.py": f"from pkg.m{(n + 1) % 1000} import x\n" for n in range(1_000)}
    base = files(many)
    began = time.process_time()
    found = select(PROJECT, base, {"src/pkg/m5.py": b"x = 1\n"})
    assert found.near[0] == "tests/test_5.py"
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "content", [b"from x import (" * 15_000, b"import a," * 30_000, b"from " * 50_000, b"'a." * 80_000]
)
def test_hostile_imports(files, content):
    """Files that are written against the scan take no longer than others."""
    began = time.process_time()
    select(PROJECT, files({"src/pkg/a.py": content, "tests/test_b.py": TEST}), {"src/pkg/a.py": content})
    assert time.process_time() - began < 2
