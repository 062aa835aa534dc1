"""What the model is told of a change: its code as it is, each file's share, and what is left out is said."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from rendered import STRANGERS

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.agents.change_prompt import MAX_DIFF_TOKENS, change_prompt
from miyabi_agents.agents.prompts import tokens_of


def change_of(parts: dict[str, str]) -> ChangeSet:
    """Return a change with a diff of *parts* by path."""
    diff = "".join(f"diff --git a/{path} b/{path}\n@@ -1 +1 @@\n{text}\n" for path, text in parts.items())
    return ChangeSet(diff=diff, files=[FileChange(path=path) for path in parts])


@pytest.mark.parametrize("mark", ["<!--", "-<!-- a", "+[//]: # (hidden)", "+```\n+<!--", "<details><!--"])
def test_code_is_shown_as_it_is(mark: str) -> None:
    """What hides text in prose hides nothing in a diff."""
    told = change_prompt(change_of({"page.html": f"+{mark}\n+rest", "b.py": "+more"}))
    assert (mark in told.text, "+rest" in told.text, "+more" in told.text, told.notes) == (True, True, True, ())


def test_what_cannot_be_seen_is_spelled_out() -> None:
    """A direction in code is what a reviewer has to see."""
    assert "+a\\u202eb\t\\x00" in change_prompt(change_of({"a.py": "+a\u202eb\t\x00"})).text


def test_a_long_file_leaves_the_others_their_room() -> None:
    """Each has its share; of the long one begin and end are there, and that is said to the model and to people."""
    told = change_prompt(change_of({"a.py": "+begin" + "x" * 500_000 + "end", "z.py": "+short"}))
    assert ["+begin" in told.text, "end\n" in told.text, "+short" in told.text] == [True] * 3
    assert tokens_of(told.text) < MAX_DIFF_TOKENS + 200
    assert "characters left out" in told.text
    assert told.notes == ("Of this change, models see the begin and the end of a/a.py b/a.py.",)
    assert "(models see the begin and the end of a/a.py b/a.py)" in told.text


def test_a_thousand_files_are_shown_as_far_as_each_has_a_part() -> None:
    """The files that are not shown are counted, the first ones by name."""
    told = change_prompt(change_of({f"f{number}.py": "+x" * 4_000 for number in range(1_000)}))
    shown = told.text.count("@@ -1")
    assert 100 < shown < 1_000
    assert f"models do not see {1_000 - shown:,} files (a/f{shown}.py b/f{shown}.py, " in told.notes[1]
    assert told.notes[1].endswith(f" and {1_000 - shown - 20:,} more).")


def test_files_that_the_diff_does_not_reach_are_counted() -> None:
    """The recorded diff ends somewhere; the list of files does not."""
    change = change_of({"a.py": "+x"})
    change.files.add(path="b.py")
    assert change_prompt(change).notes == (
        "Of this change, models do not see 1 of its files, which the recorded diff is too long for.",
    )


@settings(deadline=None)
@given(STRANGERS)
def test_nothing_in_a_diff_closes_the_fence(text: str) -> None:
    """One mark at each end, whatever the code."""
    text = text.encode("utf-8", "replace").decode()
    told = change_prompt(change_of({"a": text, text: text}))
    mark = told.text.partition("<data ")[2].partition(">")[0]
    assert told.text.count(mark) == 2
