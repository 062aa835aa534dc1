"""The taxonomy, and how labels that a repository already has are understood."""

from __future__ import annotations

import pytest

from miyabi_agents import labels

FAMILIES = {
    "state": ["pending", "analyzing", "implementing", "reviewing", "done", "blocked", "failed", "paused"],
    "type": ["bug", "feature", "refactor", "docs", "test", "deployment", "architecture"],
    "priority": ["P0", "P1", "P2", "P3"],
    "severity": ["Sev.1", "Sev.2", "Sev.3", "Sev.4", "Sev.5"],
    "complexity": ["small", "medium", "large", "xlarge"],
    "phase": ["planning", "implementation", "testing", "deployment", "monitoring"],
    "agent": ["coordinator", "codegen", "review", "triage", "pr"],
    "quality": ["excellent", "good", "needs-improvement", "poor"],
    "trigger": ["agent-execute"],
}


def test_every_family_has_its_values_in_order() -> None:
    """The file holds the whole taxonomy."""
    assert {family: labels.values_of(family) for family in FAMILIES} == FAMILIES


def test_every_label_can_be_created_on_github() -> None:
    """Names, colours and descriptions keep GitHub's limits, and no two labels share a name."""
    every = labels.taxonomy()
    assert len({label.name for label in every}) == len(every)
    for label in every:
        assert len(label.name) <= 50
        assert len(bytes.fromhex(label.color)) == 3
        assert 0 < len(label.description) <= 100


def test_every_label_is_recognised_by_its_own_name() -> None:
    """No alias of one label shadows the name of another."""
    for label in labels.taxonomy():
        assert labels.recognise(label.name) is label


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("🐛 bug", "type:bug"),
        ("Bug", "type:bug"),
        ("✨ type: feature", "type:feature"),
        ("priority: P0", "priority:P0"),
        ("Priority: High", "priority:P1"),
        ("kind/documentation", "type:docs"),
        ("バグ", "type:bug"),
        ("⚠️ severity:Sev.2", "severity:Sev.2"),
        ("help wanted", None),
        ("bugfix-friendly", None),
    ],
)
def test_a_repositorys_own_names_are_understood(name: str, ours: str | None) -> None:
    """Emoji, case, spacing and usual aliases do not matter; anything else is foreign."""
    found = labels.recognise(name)
    assert (found.name if found else None) == ours


def test_only_families_that_are_decided_are_touched() -> None:
    """A new type removes the old one under whatever name; state, foreign and equal labels stay as they are."""
    wanted = [labels.label_of("type", "docs"), labels.label_of("agent", "triage")]
    change = labels.change_labels(["🐛 bug", "state:pending", "agent:review", "good first issue"], wanted)
    assert [label.name for label in change.add] == ["type:docs", "agent:triage"]
    assert change.remove == ("🐛 bug",)
    assert change.result == ("agent:review", "agent:triage", "good first issue", "state:pending", "type:docs")


@pytest.mark.parametrize(
    ("score", "value"),
    [(100, "excellent"), (90, "excellent"), (89, "good"), (80, "good"), (79, "needs-improvement"), (59, "poor")],
)
def test_a_score_has_its_quality(score: int, value: str) -> None:
    """The bounds belong to the better side."""
    assert labels.quality_of(score).value == value
