"""A repository with any number of small bugs, and what the model says on each: for load and for what dies meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

#: The repository's name on the simulated GitHub.
REPOSITORY = "acme/synthetic"

_CONFIG = """\
test:
  command: ["{python}", "-m", "unittest", "-v", "{targets}"]
  format: unittest
  timeout: 120
  targets:
    - source: "items/**"
      tests: ["tests.test_existing"]
"""
_EXISTING = (
    '"""What works already."""\n\nimport unittest\n\nfrom items.one import one\n\n\n'
    "class ExistingTests(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(1, one())\n"
)


def write(folder: Path, *, issues: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write the repository's files to FOLDER/source and the scenarios to FOLDER/scenarios.

    Args:
        folder: Made where it is missing.
        issues: How many; they are numbered from 1.

    Returns:
        The repository and its issues, as a seed of the simulated GitHub lists them.
    """
    source, scenarios = folder / "source", folder / "scenarios"
    numbers = range(1, issues + 1)
    for path, text in _files(numbers).items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text, encoding="utf-8")
    scenarios.mkdir(parents=True, exist_ok=True)
    entries = [entry for number in numbers for entry in _scenarios(number)]
    (scenarios / "synthetic.yaml").write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    owner, name = REPOSITORY.split("/")
    repository = {
        "owner": owner, "name": name, "default_branch": "main", "private": False, "source": str(source), "labels": [],
    }  # fmt: skip
    return repository, [_issue(number) for number in numbers]


def _name(number: int) -> str:
    """Return the function that an issue is about."""
    return f"item_{number:04d}"


def _files(numbers: range) -> dict[str, str]:
    """Return the repository's files."""
    modules = {
        f"items/{_name(number)}.py": (
            f'"""Adds {number}."""\n\n\ndef {_name(number)}(value):\n    """Return *value* and {number} more."""\n'
            "    return value\n"
        )
        for number in numbers
    }
    return {
        "items/__init__.py": '"""Items."""\n',
        "items/one.py": '"""One."""\n\n\ndef one():\n    """Return 1."""\n    return 1\n',
        **modules,
        "tests/__init__.py": "",
        "tests/test_existing.py": _EXISTING,
        ".miyabi.yaml": _CONFIG,
    }


def _issue(number: int) -> dict[str, Any]:
    """Return one issue."""
    name = _name(number)
    return {
        "repository": REPOSITORY,
        "number": number,
        "title": f"{name}() returns its argument unchanged",
        "body": f"`items.{name}.{name}(0)` should be {number}. See items/{name}.py.",
        "labels": [],
        "author": "someone",
    }


def _scenarios(number: int) -> list[dict[str, Any]]:
    """Return what the model says on an issue, step by step."""
    name = _name(number)
    source, test = f"items/{name}.py", f"tests/test_{name}.py"
    test_code = (
        f'"""Tests of {name}."""\n\nimport unittest\n\nfrom items.{name} import {name}\n\n\n'
        f"class {name.title().replace('_', '')}Tests(unittest.TestCase):\n    def test_{name}(self):\n"
        f'        """It adds {number}."""\n        self.assertEqual({number}, {name}(0))\n'
    )
    triage = {
        "type": "bug", "priority": "P2", "severity": "Sev.3", "complexity": "small", "size": "XS", "area": "items",
        "confidence": 0.9, "analysis": f"{name} forgets to add.",
    }  # fmt: skip
    plan = {
        "tasks": [{"title": f"Add in {name}", "description": "Add.", "depends_on": []}],
        "files": [source],
        "notes": "",
    }
    edit = {"path": source, "old_text": "    return value\n", "new_text": f"    return value + {number}\n"}
    create = {"path": test, "content": test_code}
    finish = {"summary": f"{name} adds {number} now.", "changed_expectations": []}
    tests = {"summary": "A test.", "tests": [], "changed_expectations": []}
    return [
        _scenario(number, "record_triage", [[{"text": f"{name} forgets to add."}, _use("record_triage", triage)]]),
        _scenario(number, "record_plan", [[_use("record_plan", plan)]]),
        _scenario(number, "finish_tests", [[_use("create_file", create)], [_use("finish_tests", tests)]]),
        _scenario(number, "finish_change", [[_use("replace_in_file", edit)], [_use("finish_change", finish)]]),
    ]


def _use(tool: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return a block that calls a tool."""
    return {"tool": tool, "input": given}


def _scenario(number: int, tool: str, turns: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Return one scenario in the simulated model's file format; the line's end tells #1 from #10."""
    mark = f"{REPOSITORY}#{number}\n"
    return {"name": f"#{number} {tool}", "when": {"tool": tool, "contains": [mark]}, "turns": turns}
