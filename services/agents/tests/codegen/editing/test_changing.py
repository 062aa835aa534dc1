"""Edits are exact, several are done all or none, and where a text is not there its nearest is shown."""

from __future__ import annotations

import jsonschema
import pytest

from miyabi_agents.agents.editing import TOOLS, translated

CODE = b"def first(value):\n    if value:\n        return 1\n    return 2\n\n\ndef second(value):\n    return 2\n"


async def edited(on_files, given, content: bytes = CODE) -> bytes:
    """Return the file after a call."""
    async with on_files({"a.py": content}) as opened:
        await opened.tools.edit({"path": "a.py", **given})
        return opened.tree.read("a.py")


async def refused(on_files, given, content: bytes = CODE) -> str:
    """Return why a call is not done; nothing is changed by it."""
    async with on_files({"a.py": content}) as opened:
        with pytest.raises(ValueError, match=r"^\S") as caught:
            await opened.tools.edit({"path": "a.py", **given})
        assert await opened.paths() == []
    return str(caught.value)


async def test_several_edits_are_done_in_their_order(on_files) -> None:
    """The second sees what the first left; lines are counted as they are by then."""
    edits = [
        {"old_str": "return 1", "new_str": "return 10"},
        {"old_str": "return 10", "new_str": "return 100"},
        {"insert_line": 0, "new_str": "import os"},
        {"insert_line": 1, "new_str": "import re\n"},
    ]
    assert await edited(on_files, {"edits": edits}) == b"import os\nimport re\n" + CODE.replace(
        b"return 1", b"return 100"
    )


async def test_every_occurrence_is_replaced_where_it_is_asked_for(on_files) -> None:
    """Also of a text that holds its own replacement."""
    assert await edited(on_files, {"old_str": "value", "new_str": "a_value", "replace_all": True}) == CODE.replace(
        b"value", b"a_value"
    )


async def test_ten_thousand_occurrences_in_a_large_file_are_replaced_in_time(on_files) -> None:
    """A file just below the limit, with ends by turns: every line keeps its own."""
    base = b"".join(
        b"value %d of a line that is long enough to count" % n + (b"\r\n", b"\n")[n % 2] for n in range(30_000)
    )
    made = await edited(on_files, {"old_str": "value", "new_str": "item", "replace_all": True}, base)
    assert made == base.replace(b"value", b"item")


#: What is asked, and words of why not.
REFUSED = {
    "one of several": (
        {"edits": [{"old_str": "return 1", "new_str": "x"}, {"old_str": "nowhere at all", "new_str": "y"}]},
        "edits 2: old_str: occurs 0 times in a.py; none of the edits was done",
    ),
    "a text that is there twice": (
        {"old_str": "return 2", "new_str": "x"},
        "old_str: occurs 2 times in a.py (lines 4, 8); it must occur exactly once, so add text around it, or set replace_all",
    ),
    "both forms": ({"edits": [{"old_str": "a", "new_str": "b"}], "old_str": "x"}, "edits: give either edits or old_str, not both"),
    "no new text": ({"old_str": "first"}, "new_str: is missing"),
    "no old text": ({"new_str": "x"}, "old_str: is missing; give the text to replace, or insert_line"),
    "a line and a text": ({"insert_line": 1, "old_str": "a", "new_str": "x"}, "insert_line: give either insert_line or old_str, not both"),
    "a line behind the end": ({"insert_line": 9, "new_str": "x"}, "insert_line: 9 is behind the end of a.py, which has 8 lines"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
async def test_a_call_that_cannot_be_done_names_its_argument(on_files, given, words: str) -> None:
    """One sentence, and nothing is changed."""
    assert await refused(on_files, given) == words


async def test_occurrences_that_overlap_count_each(on_files) -> None:
    """`aa` is in `aaa` twice: which one is meant cannot be known."""
    assert "occurs 2 times" in await refused(on_files, {"old_str": "aa", "new_str": "b"}, b"aaa\n")


#: A text that is not there, and what the model is told.
NEAREST = {
    "other indentation": (
        "  if value:\n      return 1\n",
        "the nearest text is in lines 2-3:\n" + "line 2 is   `    if value:`\nold_str has `  if value:`\n(only the white space at its begin or end differs)\n" + "line 3 is   `        return 1`\nold_str has `      return 1`\n(only the white space at its begin or end differs)",
    ),
    "one other line of several": (
        "def second(value):\n    return 3\n",
        "the nearest text is in lines 7-8:\nline 8 is   `    return 2`\nold_str has `    return 3`",
    ),
    "a slip of the pen": (
        "def frist(value):",
        "the nearest text is in line 1:\nline 1 is   `def first(value):`\nold_str has `def frist(value):`",
    ),
    "more than the file has": (
        "    return 2\n\n\ndef second(value):\n    return 2\n    return 3\n",
        "the nearest text is in lines 4-8:\nthe file ends at line 8, old_str goes on",
    ),
    "another form of a character": (
        "\uff44ef second(value):",
        "the nearest text is in line 7:\nline 7 is   `def second(value):`\nold_str has `\uff44ef second(value):`\n(only the form of characters differs)",
    ),
    "nothing like it": ("zzzzzzzzzzzz", ""),
}  # fmt: skip


@pytest.mark.parametrize(("old", "told"), NEAREST.values(), ids=NEAREST)
async def test_the_nearest_text_is_shown_with_what_differs(on_files, old: str, told: str) -> None:
    """With line numbers; where nothing is like it, nothing is shown."""
    words = await refused(on_files, {"old_str": old, "new_str": "x"})
    assert words == "old_str: occurs 0 times in a.py" + (f"; {told}" if told else "")


#: Calls as models know them, with the tool and the input that they are.
FORMS = [
    ("replace_in_file", {"path": "a", "old_text": "b", "new_text": "c"}, "edit_file", {"path": "a", "old_str": "b", "new_str": "c"}),
    ("create_file", {"path": "a", "content": "b"}, "create_file", {"path": "a", "content": "b"}),
    ("create_file", {"path": "a", "file_text": "b"}, "create_file", {"path": "a", "content": "b"}),
    ("edit_file", {"path": "a", "edits": [{"old_string": "b", "new_string": "c"}]}, "edit_file", {"path": "a", "edits": [{"old_str": "b", "new_str": "c"}]}),
    ("str_replace_based_edit_tool", {"command": "view", "path": "a"}, "read_file", {"path": "a"}),
    ("str_replace_based_edit_tool", {"command": "view", "path": "a", "view_range": [2, 5]}, "read_file", {"path": "a", "start_line": 2, "end_line": 5}),
    ("str_replace_based_edit_tool", {"command": "view", "path": "a", "view_range": [2, -1]}, "read_file", {"path": "a", "start_line": 2}),
    ("str_replace_based_edit_tool", {"command": "create", "path": "a", "file_text": "b"}, "create_file", {"path": "a", "content": "b"}),
    ("str_replace_based_edit_tool", {"command": "str_replace", "path": "a", "old_str": "b", "new_str": "c"}, "edit_file", {"path": "a", "old_str": "b", "new_str": "c"}),
    ("str_replace_based_edit_tool", {"command": "insert", "path": "a", "insert_line": 0, "insert_text": "c"}, "edit_file", {"path": "a", "insert_line": 0, "new_str": "c"}),
    ("search_code", {"pattern": "a"}, "search_code", {"query": "a"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "tool", "meant"), FORMS)
def test_calls_are_taken_in_the_forms_that_models_know(name: str, given, tool: str, meant) -> None:
    """Each is one of a tool that is offered, whose schema takes it."""
    assert translated(name, given) == (tool, meant)
    schema = next(entry["input_schema"] for entry in TOOLS if entry["name"] == tool)
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(meant)) == []


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("finish_change", {"summary": "x"}),
        ("str_replace_based_edit_tool", {"command": "undo_edit"}),
        ("str_replace_based_edit_tool", {"command": ["view"]}),
        ("read_file", {"path": "a", "view_range": "all"}),
        ("edit_file", {"path": "a", "edits": "none"}),
        ("edit_file", {"old_str": "a", "old_text": "b"}),
    ],
)
def test_what_is_not_known_is_left_for_the_schema_to_refuse(name: str, given) -> None:
    """Nothing is guessed, and nothing is an error here."""
    assert translated(name, given) == (name, given)
