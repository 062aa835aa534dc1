"""What a line is, is said once: no code of ours takes `str.splitlines` for it where lines of a file are meant."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: All code that is shipped.
SOURCES = sorted(
    path for pattern in ("libs/*/src", "services/*/src", "cli/src") for path in ROOT.glob(f"{pattern}/**/*.py")
)
#: Where `splitlines` may stand, and why: no number of a line comes from there, and no name or content is taken apart.
ALLOWED = {
    "cli/src/miyabi_cli/showing/evidence_view.py": "the end of what a runner printed, for a terminal",
    "cli/src/miyabi_cli/stack/processes.py": "the end of a log of ours, for a terminal",
    "cli/src/miyabi_cli/trial/inspection_view.py": "what a build printed, for a terminal",
    "libs/miyabi-core/src/miyabi_core/store/cluster_keeper.py": "answers of the store, which are ASCII",
    "libs/miyabi-core/src/miyabi_core/text/lines.py": "of bytes, which know the three ends only",
    "libs/miyabi-core/src/miyabi_core/store/valkey.py": "the end of the store's log, for an error's text",
    "services/agents/src/miyabi_agents/analysers/native/running.py": "the version that a program printed",
    "services/agents/src/miyabi_agents/sandbox/launch/syscalls.py": "a table of ours; imports nothing by design",
    "services/agents/src/miyabi_agents/sandbox/probe.py": "what a probe of ours printed",
    "services/agents/src/miyabi_agents/toolchains/python/runners/reading.py": "the last line printed, for a reason",
    "services/agents/src/miyabi_agents/toolchains/python/runners/report/miyabi_report/outcomes.py": (
        "the end of an error's text, for a reason; runs in the repository's own interpreter"
    ),
    "services/agents/src/miyabi_agents/verification/judge.py": "the first line of an error's text, for a reason",
}


def uses(path: Path) -> int:
    """Return how often a file calls `splitlines`."""
    if path.name.endswith(("_pb2.py", "_pb2_grpc.py")):
        return 0
    calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Attribute)]
    return sum(node.attr == "splitlines" for node in calls)


def test_lines_of_files_are_split_by_the_one_function() -> None:
    """`splitlines` stands only where the list says why; a place that is gone from the code is gone from the list."""
    found = {str(path.relative_to(ROOT)) for path in SOURCES if uses(path)}
    assert sorted(found) == sorted(ALLOWED)


def test_the_code_is_looked_through() -> None:
    """The walk sees the services, the libraries and the command line."""
    seen = {path.relative_to(ROOT).parts[0] for path in SOURCES}
    assert (seen, len(SOURCES) > 300) == ({"cli", "libs", "services"}, True)
