"""Names that people give to what tests need."""

from __future__ import annotations

import re

#: Extras, groups and environments that are for tests alone.
TEST_NAMES = frozenset({
    "test", "tests", "testing", "unit", "unittest", "unittests", "unit-test", "unit-tests", "pytest", "tests-core",
    "test-core", "test-requirements", "tests-require", "test-deps", "test-dev", "test-base", "hatch-test", "check",
})  # fmt: skip
#: Those that hold tests' packages among others.
DEV_NAMES = frozenset({"dev", "devel", "develop", "development", "dev-dependencies", "ci", "local"})
#: Distributions whose mention says that a list is for tests.
TEST_TOOLS = re.compile(r"^(pytest|pytest[-_].*|nose2?|testtools|zope[.-]testrunner|django-nose)$", re.IGNORECASE)
#: Tools for documentation, releases and style, which lists for development name and tests do not import.
BESIDE_TESTS = re.compile(
    r"^(mkdocs.*|mkautodoc|mkdocstrings.*|sphinx.*|furo|myst-parser|pdoc3?|pydoctor|docutils-stubs|doc8|readme-renderer"
    r"|twine|bump2?version|bump-my-version|towncrier|zest-releaser|check-manifest|transifex-client|commitizen"
    r"|python-semantic-release|release-it|pre-commit.*|tox.*|nox|black|isort|flake8.*|pylint.*|ruff|pyupgrade|autoflake"
    r"|codespell|interrogate|pydocstyle|bandit|safety|pip-audit|vulture|pyright|types-.*|ipython|ipdb|jupyter.*)$"
)

#: Names of distributions, extras and groups (PEP 508); anything else could be an option of an installer.
NAME_OF_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")


def normal(name: str) -> str:
    """Return a distribution's or extra's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
