"""The demo's own data: every issue has every conversation, and its code is Python."""

from __future__ import annotations

import textwrap

import pytest
import yaml

from miyabi_sim.demo.files import DATA, REPOSITORY
from miyabi_sim.model import Scenarios

NUMBERS = (13933, 14155, 14534, 14752, 15347)
CONVERSATIONS = {
    "record_triage",
    "record_plan",
    "finish_change",
    "finish_tests",
    "finish_documentation",
    "record_review",
}


def test_issues_are_the_five() -> None:
    """Each has a number, a title of its own and a link to the real report."""
    issues = yaml.safe_load((DATA / "issues.yaml").read_text(encoding="utf-8"))
    assert [issue["number"] for issue in issues] == list(NUMBERS)
    for issue in issues:
        assert f"https://github.com/django/django/pull/{issue['number']}" in issue["body"]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_conversation_is_scripted(number: int) -> None:
    """The model knows all that a run of the issue asks."""
    scenarios = Scenarios.load(DATA / "scenarios" / f"{number}.yaml")
    assert {scenario.tool for scenario in scenarios.entries} == CONVERSATIONS
    assert all(f"{REPOSITORY}#{number}" in scenario.contains for scenario in scenarios.entries)


@pytest.mark.parametrize("number", NUMBERS)
def test_new_tests_are_python(number: int) -> None:
    """Every test function that is put in front of another can be parsed by itself."""
    scenarios = Scenarios.load(DATA / "scenarios" / f"{number}.yaml")
    tests = next(scenario for scenario in scenarios.entries if scenario.tool == "finish_tests")
    replaced = [block["input"] for turn in tests.turns for block in turn if block.get("tool") == "replace_in_file"]
    added = [
        entry["new_text"].removesuffix(entry["old_text"]) for entry in replaced if "    def test_" in entry["old_text"]
    ]
    for code in added:
        compile(textwrap.dedent(code), "test", "exec")
    assert any("def test_" in entry["new_text"] for entry in replaced)
