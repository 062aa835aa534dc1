"""The tools of all steps in one order: the prompt cache begins with them, so that they are the same in each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_agents.agents.editing import CHANGED_EXPECTATIONS, TOOLS, tool

#: Steps that a plan may have.
MAX_STEPS = 50
#: Files that are put in order at once.
MAX_ORDERED = 20

RECORD_ORDER = tool(
    "record_order",
    "Record the numbers of the listed files, the one that is most likely to be changed first.",
    {
        "order": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": MAX_ORDERED},
            "maxItems": MAX_ORDERED,
        }
    },
)
RECORD_PLAN = {
    "name": "record_plan",
    "description": "Record the steps of the change, in order, and the files that it is likely to touch.",
    "input_schema": {
        "type": "object",
        "properties": {
            "tasks": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_STEPS,
                "items": {
                    "type": "object",
                    "properties": {
                        "title": {"type": "string", "minLength": 1, "maxLength": 300},
                        "description": {"type": "string", "maxLength": 20000},
                        "depends_on": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                    },
                    "required": ["title", "description", "depends_on"],
                },
            },
            "files": {"type": "array", "items": {"type": "string"}, "maxItems": 200},
            "notes": {"type": "string", "maxLength": 20000},
        },
        "required": ["tasks", "files", "notes"],
    },
}
FINISH_CHANGE = tool(
    "finish_change",
    "Say that the change is complete. Name existing tests whose expectation it edits on purpose.",
    {"summary": {"type": "string", "maxLength": 8000}, "changed_expectations": CHANGED_EXPECTATIONS},
)
FINISH_TESTS = tool(
    "finish_tests",
    "Say that the tests are written.",
    {
        "summary": {"type": "string", "maxLength": 8000},
        "tests": {"type": "array", "items": {"type": "string"}},
        "changed_expectations": CHANGED_EXPECTATIONS,
    },
)
FINISH_DOCUMENTATION = tool(
    "finish_documentation",
    "Say that the documentation is complete, or that the change needs none.",
    {"summary": {"type": "string", "maxLength": 8000}, "nothing_to_document": {"type": "boolean"}},
)


def all_tools(running: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the tools of all steps.

    Args:
        running: Those that run something, as far as the repository allows them.
    """
    return [*TOOLS, *running, RECORD_ORDER, RECORD_PLAN, FINISH_CHANGE, FINISH_TESTS, FINISH_DOCUMENTATION]
