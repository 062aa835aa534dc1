"""Names and forms of calls that models know from elsewhere, turned into those of the tools that are offered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Other names of tools.
_TOOLS = {"replace_in_file": "edit_file", "str_replace": "edit_file", "insert": "edit_file", "view": "read_file"}
#: Tools that take a `command`, as models are trained on them, with the tool that each command is.
_COMMANDED = frozenset({"str_replace_based_edit_tool", "str_replace_editor"})
_COMMANDS = {"view": "read_file", "create": "create_file", "str_replace": "edit_file", "insert": "edit_file"}
#: Other names of arguments, by tool.
_ARGUMENTS = {
    "edit_file": {
        "old_text": "old_str",
        "new_text": "new_str",
        "old_string": "old_str",
        "new_string": "new_str",
        "insert_text": "new_str",
        "file_path": "path",
    },
    "create_file": {"file_text": "content", "file_path": "path"},
    "read_file": {"file_path": "path"},
    "search_code": {"pattern": "query"},
    "move_file": {"old_path": "path", "destination": "new_path"},
}
#: Length of a `view_range`: its first and its last line, where -1 is the file's last.
_RANGE = 2


def translated(name: str, given: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the tool and the arguments that a call means; one that is not known is returned as it is.

    Args:
        name: As the model calls it: a tool that is offered, `replace_in_file`, or `str_replace_based_edit_tool` with
            its commands `view`, `create`, `str_replace` and `insert`.
        given: Its input. An argument under two names is left under both, so that the tool's schema refuses it.

    Source: Anthropic's text editor tool, `text_editor_20250728`.
    """
    command = str(given.get("command"))
    if name in _COMMANDED and command in _COMMANDS:
        name = _COMMANDS[command]
        given = {key: value for key, value in given.items() if key != "command"}
    name = _TOOLS.get(name, name)
    given = _renamed(name, given)
    if name == "read_file":
        return name, _with_range(given)
    if name == "edit_file" and isinstance(given.get("edits"), list):
        edits = [_renamed(name, edit) if isinstance(edit, dict) else edit for edit in given["edits"]]
        return name, {**given, "edits": edits}
    return name, given


def _renamed(name: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return arguments under the names that the tool has for them."""
    names = _ARGUMENTS.get(name, {})
    return {key if names.get(key, key) in given else names.get(key, key): value for key, value in given.items()}


def _with_range(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments of a reading with first and last line in place of a range."""
    lines = given.get("view_range")
    if not isinstance(lines, list) or len(lines) != _RANGE or not all(type(line) is int for line in lines):
        return given
    rest = {key: value for key, value in given.items() if key != "view_range"}
    last = {} if lines[1] == -1 else {"end_line": lines[1]}
    return {**rest, "start_line": lines[0], **last}
