"""A small repository with bugs, and a model that knows how to mend them: what the end-to-end tests work on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

#: The repository's name on the simulated GitHub.
REPOSITORY = "acme/toy"
#: Issues that the scripted model can mend.
ISSUES = (1, 2, 3)

_FUNCTIONS = {1: "double", 2: "triple", 3: "quadruple"}

_CONFIG = """\
test:
  command: ["{python}", "-m", "unittest", "-v", "{targets}"]
  format: unittest
  targets:
    - source: "toy/**"
      tests: ["tests.test_existing"]
"""

_EXISTING = '''\
"""What works already."""

import unittest

from toy.numbers import one


class ExistingTests(unittest.TestCase):
    def test_one(self):
        self.assertEqual(1, one())
'''


@dataclass(frozen=True)
class Toy:
    """Files that the local stack is started with."""

    seed: Path
    scenarios: Path


def make_toy(folder: Path) -> Toy:
    """Write the repository, its issues and the model's scenarios below *folder*."""
    source = folder / "source"
    for path, text in _tree().items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text)
    owner, name = REPOSITORY.split("/")
    seed = folder / "seed.json"
    repository = {
        "owner": owner, "name": name, "default_branch": "main", "private": False, "source": str(source), "labels": [],
    }  # fmt: skip
    issues = [
        {
            "repository": REPOSITORY,
            "number": number,
            "title": f"{word}() returns its argument unchanged",
            "body": f"`toy.numbers.{word}(2)` should be a multiple of 2. See toy/{word}.py.",
            "labels": [],
            "author": "someone",
        }
        for number, word in _FUNCTIONS.items()
    ]
    seed.write_text(json.dumps({"repositories": [repository], "issues": issues}))
    scenarios = folder / "scenarios"
    scenarios.mkdir(exist_ok=True)
    (scenarios / "toy.yaml").write_text(yaml.safe_dump([entry for number in ISSUES for entry in _scenarios(number)]))
    return Toy(seed, scenarios)


def _tree() -> dict[str, str]:
    """Return the repository's files."""
    modules = {
        f"toy/{word}.py": f'"""Multiplies by {factor}."""\n\n\ndef {word}(number):\n    """Return {factor} times *number*."""\n    return number\n'
        for factor, word in zip((2, 3, 4), _FUNCTIONS.values(), strict=True)
    }
    return {
        "toy/__init__.py": '"""A toy."""\n',
        "toy/numbers.py": '"""Numbers."""\n\n\ndef one():\n    """Return 1."""\n    return 1\n',
        **modules,
        "tests/__init__.py": "",
        "tests/test_existing.py": _EXISTING,
        ".miyabi.yaml": _CONFIG,
    }


def _scenarios(number: int) -> list[dict[str, object]]:
    """Return what the model says on an issue, step by step."""
    word = _FUNCTIONS[number]
    factor = number + 1
    mark = f"{REPOSITORY}#{number}"
    source, test = f"toy/{word}.py", f"tests/test_{word}.py"
    test_code = (
        f'"""Tests of {word}."""\n\nimport unittest\n\nfrom toy.{word} import {word}\n\n\n'
        f"class {word.title()}Tests(unittest.TestCase):\n    def test_{word}(self):\n"
        f'        """{word} multiplies."""\n        self.assertEqual({2 * factor}, {word}(2))\n'
    )
    triage = {
        "type": "bug", "priority": "P2", "severity": "Sev.3", "complexity": "small", "size": "XS", "area": "numbers",
        "confidence": 0.9, "analysis": f"{word} forgets to multiply.",
    }  # fmt: skip
    plan = {
        "tasks": [{"title": f"Multiply in {word}", "description": "Multiply.", "depends_on": []}],
        "files": [source],
        "notes": "",
    }
    edit = {"path": source, "old_text": "    return number\n", "new_text": f"    return {factor} * number\n"}
    finish = {"summary": f"{word} multiplies by {factor} now.", "changed_expectations": []}
    return [
        _scenario(
            mark,
            "record_triage",
            [[{"text": f"{word} forgets to multiply."}, {"tool": "record_triage", "input": triage}]],
        ),
        _scenario(mark, "record_plan", [[{"tool": "record_plan", "input": plan}]]),
        _scenario(
            mark,
            "finish_tests",
            [
                [{"tool": "create_file", "input": {"path": test, "content": test_code}}],
                [{"tool": "finish_tests", "input": {"summary": "A test.", "tests": [], "changed_expectations": []}}],
            ],
        ),
        _scenario(
            mark,
            "finish_change",
            [[{"tool": "replace_in_file", "input": edit}], [{"tool": "finish_change", "input": finish}]],
        ),
    ]


def _scenario(mark: str, tool: str, turns: list[list[dict[str, object]]]) -> dict[str, object]:
    """Return one scenario in the simulated model's file format."""
    return {"name": f"{mark} {tool}", "when": {"tool": tool, "contains": [mark]}, "turns": turns}
