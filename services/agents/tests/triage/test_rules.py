"""What the words of an issue suggest where no model answers."""

from __future__ import annotations

import pytest

from miyabi_agents.agents.triage_rules import by_rules


@pytest.mark.parametrize(
    ("title", "body", "kind"),
    [
        ("Form crashes with a TypeError", "Traceback: it raises an exception.", "bug"),
        ("ログインできない不具合", "エラーが出ます", "bug"),
        ("Add support for dark mode", "It would be nice.", "feature"),
        ("新機能: ダークモードの追加", "", "feature"),
        ("Fix typo in the documentation", "README says teh.", "docs"),
        ("refactor: split the parser", "This bug-prone module raises errors.", "refactor"),
        ("ci: cache wheels", "", "deployment"),
        ("The terrorist debugger of forever", "", "feature"),
    ],
)
def test_words_in_both_languages_decide_the_type(title: str, body: str, kind: str) -> None:
    """English and Japanese words count, a conventional prefix decides, pieces of other words do not."""
    assert by_rules(title, body)["type"] == kind


@pytest.mark.parametrize("title", ["Welcome to your new repository!", "👋 Hello", "ようこそ", "Getting started"])
def test_a_greeting_is_never_an_urgent_bug(title: str) -> None:
    """The first issue of a template speaks of security, errors and crashes, and is none."""
    found = by_rules(title, "If you see an error or a crash, tell the security team. Urgent bugs: label them P0.")
    assert (found["type"], found["priority"]) == ("docs", "P3")


def test_data_loss_comes_first() -> None:
    """A crash that loses data is dropped everything for; a plain bug is not."""
    assert by_rules("Crash with data loss", "A bug.")["priority"] == "P0"
    assert by_rules("A wrong colour", "A bug.")["priority"] == "P2"
