"""The tools that the model is offered: their names, what they do, and what they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def tool(
    name: str, description: str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a tool's definition."""
    properties = {**required, **(optional or {})}
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"name": name, "description": description, "input_schema": schema}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 1}
_OLD = {"type": "string", "minLength": 1, "description": "Text of the file, exactly, over as many lines as needed."}
_ALL = {"type": "boolean", "description": "Replace every occurrence; else old_str must occur exactly once."}
_AFTER = {"type": "integer", "minimum": 0, "description": "Insert new_str after this line; 0: before the first."}
_EDIT = {
    "type": "object",
    "properties": {"old_str": _OLD, "new_str": _TEXT, "replace_all": _ALL, "insert_line": _AFTER},
    "required": ["new_str"],
    "additionalProperties": False,
}

#: Tools that every editing conversation offers.
TOOLS = [
    tool(
        "list_files",
        "List the files of the repository, or of a folder, with links and submodules as what they are. Long lists are "
        "shown by folder.",
        {},
        {"path": _TEXT, "glob": _TEXT},
    ),
    tool(
        "search_code",
        "Search files line by line for a regular expression (RE2: no backreferences, no look-around).",
        {"query": {"type": "string", "minLength": 1, "maxLength": 1000}},
        {
            "path": {**_TEXT, "description": "A folder or file to search; all by default."},
            "glob": {**_TEXT, "description": "Which files, such as *.py or src/**/*.{ts,tsx}."},
            "context": {"type": "integer", "minimum": 0, "maximum": 20, "description": "Lines around each match."},
            "ignore_case": {"type": "boolean"},
        },
    ),
    tool(
        "read_file",
        "Read a file, or lines of it, with line numbers. Line ends are shown as one kind; files keep their own.",
        {"path": _TEXT},
        {"start_line": _NUMBER, "end_line": _NUMBER},
    ),
    tool(
        "edit_file",
        "Replace old_str by new_str, or insert new_str after a line; or do several such edits in order, all or none.",
        {"path": _TEXT},
        {
            "old_str": _OLD,
            "new_str": _TEXT,
            "replace_all": _ALL,
            "insert_line": _AFTER,
            "edits": {"type": "array", "items": _EDIT, "minItems": 1, "maxItems": 100},
        },
    ),
    tool("create_file", "Create a file that is not there yet.", {"path": _TEXT, "content": _TEXT}),
    tool("move_file", "Move or rename a file; it keeps its executable bit.", {"path": _TEXT, "new_path": _TEXT}),
    tool("delete_file", "Delete a file, or a symbolic link itself.", {"path": _TEXT}),
]

#: Names existing tests whose expectation is edited on purpose.
CHANGED_EXPECTATIONS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "test": {"type": "string", "minLength": 1, "maxLength": 1000},
            "reason": {"type": "string", "maxLength": 2000},
        },
        "required": ["test", "reason"],
    },
}
