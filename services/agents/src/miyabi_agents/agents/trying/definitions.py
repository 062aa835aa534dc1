"""The tools that try a change: their names, what they do, and what they take."""

from __future__ import annotations

from miyabi_agents.agents.editing import tool

#: Runs tests on the change.
RUN_TESTS = tool(
    "run_tests",
    "Run tests on the repository with your changes, in a sandbox without network. Without targets: the tests of what "
    "you changed and those near to it.",
    {},
    {
        "targets": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 1000},
            "minItems": 1,
            "maxItems": 30,
            "description": "Files or folders of tests, files whose tests are wanted, or names of tests as shown.",
        }
    },
)
#: Runs any program on the change.
RUN_COMMAND = tool(
    "run_command",
    "Run a program on a copy of the repository with your changes, in the tests' environment and a sandbox without "
    "network. No shell. Files that it writes are thrown away: change files with the editing tools only.",
    {
        "command": {
            "type": "array",
            "items": {"type": "string", "maxLength": 8000},
            "minItems": 1,
            "maxItems": 100,
            "description": 'Program and arguments, such as ["python", "-c", "import shop; print(shop.total())"].',
        }
    },
    {"cwd": {"type": "string", "maxLength": 1000, "description": "A folder of the repository; its root by default."}},
)
