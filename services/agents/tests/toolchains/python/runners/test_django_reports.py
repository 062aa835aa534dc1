"""Django's runner is read as unittest's, in one process or in several."""

from __future__ import annotations

import pytest

from miyabi.coordinator.v1.result_pb2 import TestVerdict

PASSED, FAILED, SKIPPED = (
    TestVerdict.TEST_VERDICT_PASSED,
    TestVerdict.TEST_VERDICT_FAILED,
    TestVerdict.TEST_VERDICT_SKIPPED,
)

PROJECT = {
    "site_settings.py": """
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
""",
    "manage.py": """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/models.py": "from django.db import models\nclass Item(models.Model):\n    name = models.CharField(max_length=9)\n",
    "shop/tests/__init__.py": "",
    "shop/tests/test_items.py": """
import unittest
from django.test import TestCase
from shop.models import Item
class ItemTests(TestCase):
    @classmethod
    def setUpTestData(cls): Item.objects.create(name="a")
    def test_one(self): self.assertEqual(Item.objects.count(), 1)
    def test_two(self): self.assertEqual(Item.objects.count(), 2)
    @unittest.skip("not here")
    def test_skip(self): pass
    def test_sub(self):
        for i in (1, 2):
            with self.subTest(i=i): self.assertEqual(i, 1)
class BrokenTests(TestCase):
    @classmethod
    def setUpTestData(cls): raise RuntimeError("no data")
    def test_one(self): pass
""",
    "shop/tests/test_bad.py": "import nothing_there\n",
}
EXPECTED = {
    "shop/tests/test_items.py::ItemTests::test_one": PASSED,
    "shop/tests/test_items.py::ItemTests::test_two": FAILED,
    "shop/tests/test_items.py::ItemTests::test_skip": SKIPPED,
    "shop/tests/test_items.py::ItemTests::test_sub": FAILED,
    "shop/tests/test_items.py::BrokenTests::test_one": FAILED,
}
#: As Django's own: labels are modules of its own folder, and several processes are usual.
RUNTESTS = """
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
from django.test.runner import DiscoverRunner
sys.exit(bool(DiscoverRunner(parallel=2).run_tests(sys.argv[1:])))
"""


@pytest.mark.parametrize("facts", [{"manage": "manage.py"}, {"settings": "site_settings"}])
def test_a_project(bench, venv, facts):
    """`manage.py test` and `django test` give each test's outcome, and the file that cannot be imported."""
    bench.use(venv("django", "tblib"))
    bench.write(PROJECT)
    bench.facts("django", **facts)
    found = bench.run("shop/tests/test_items.py", "shop/tests/test_bad.py")
    assert (found.verdicts, found.problem, found.complete) == (EXPECTED, "", True), bench.output
    assert list(found.unbuilt) == ["shop/tests/test_bad.py"]


def test_the_whole_suite_in_several_processes(bench, venv):
    """A run that is shared out over processes is read from the one that leads it."""
    bench.use(venv("django", "tblib"))
    files = {f"tests/{path}": text for path, text in PROJECT.items() if "bad" not in path}
    bench.write({**files, "tests/runtests.py": RUNTESTS})
    bench.facts("django", runtests="tests/runtests.py")
    found = bench.run("tests/shop/tests/test_items.py")
    assert (found.verdicts, found.problem, found.complete) == (
        {f"tests/{name}": verdict for name, verdict in EXPECTED.items()}, "", True), bench.output  # fmt: skip
