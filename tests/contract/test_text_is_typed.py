"""A plain `str` of a stranger reaches no surface: the type checker says so, and so does the code that we read here."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from miyabi_core.text import LeakedTextError, Untrusted, title

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "libs/miyabi-core/src", ROOT / "services/agents/src", ROOT / "cli/src"]
#: Functions whose first argument is a literal of ours.
LITERALS = {"ours", "folded", "folded_list", "title"}
#: What may look into a stranger's text: the surfaces.
SURFACES = {"untrusted.py", "github_markdown.py", "commits.py", "terminal.py"}

SNIPPET = """
from miyabi_cli.terminal import TerminalText, row, say, shown
from miyabi_core.text import CommitMessage, GitHubMarkdown, Title, Untrusted, code, commit_message, inline, ours, quoted
from rich.console import Console
from rich.table import Table

def show(stranger: str, console: Console, table: Table) -> None:
    {line}
"""
#: Each would show a stranger's text as it is.
WRONG = [
    'ours("{x}", x=stranger)', "inline(stranger)", "code(stranger)", "quoted(stranger, budget=9)", "say(console, stranger)",
    "row(table, stranger)", "shown(stranger)", "commit_message(stranger, Untrusted(stranger), last=stranger)",
]  # fmt: skip
RIGHT = [
    'ours("{x}", x=inline(Untrusted(stranger)))', "say(console, shown(Untrusted(stranger)))",
    "row(table, shown(Untrusted(stranger)))",
]  # fmt: skip


def errors_of(folder: Path, lines: list[str]) -> list[str]:
    """Return what mypy says of each line."""
    files = []
    for number, line in enumerate(lines):
        files.append(folder / f"snippet_{number}.py")
        files[-1].write_text(SNIPPET.format(line=line))
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--cache-dir",
        str(folder / "cache"),
    ]
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=False)
    return [
        next((line for line in done.stdout.splitlines() if file.name in line and "error:" in line), "")
        for file in files
    ]


@pytest.mark.slow("mypy reads our packages and their libraries without a cache")
@pytest.mark.timeout(300)
def test_the_type_checker_refuses_a_plain_text(tmp_path: Path) -> None:
    """Every surface refuses a `str`, and takes what went through its own function."""
    found = errors_of(tmp_path, [*WRONG, *RIGHT])
    assert ["[arg-type]" in error for error in found[: len(WRONG)]] == [True] * len(WRONG), found
    assert found[len(WRONG) :] == [""] * len(RIGHT)


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Parse our modules."""
    for folder in SOURCES:
        for path in folder.rglob("*.py"):
            yield path, ast.parse(path.read_text())


def name_of(call: ast.Call) -> str:
    """Return the last part of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_our_words_are_literals() -> None:
    """What a surface takes as ours is written in the code, never put together: mypy cannot tell one `str` from another."""
    wrong = []
    for path, tree in modules():
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
            for alias in node.names if (node.module or "").endswith((".text", ".terminal", ".github_markdown", ".commits"))
        }  # fmt: skip
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node) in LITERALS & imported:
                first = node.args[0] if node.args else None
                if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                    wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []


def test_only_surfaces_look_into_a_strangers_text() -> None:
    """`.raw` is read nowhere else, and surface types are made nowhere else."""
    wrong = []
    for path, tree in modules():
        for node in ast.walk(tree):
            reads = isinstance(node, ast.Attribute) and node.attr == "raw" and path.name not in SURFACES
            makes = isinstance(node, ast.Call) and name_of(node) in {
                "GitHubMarkdown",
                "Title",
                "CommitMessage",
                "TerminalText",
            }
            if (reads and "text" not in path.parts) or (makes and path.name not in SURFACES):
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []


def test_only_the_terminals_module_prints() -> None:
    """No module of the command prints, fills a table or reads markup by itself."""
    wrong = []
    for path, tree in modules():
        if "miyabi_cli" not in path.parts or path.name == "terminal.py":
            continue
        for node in ast.walk(tree):
            printing = isinstance(node, ast.Call) and name_of(node) in {
                "add_row",
                "from_markup",
                "log",
                "rule",
                "status",
            }
            on_console = (
                isinstance(node, ast.Call) and name_of(node) == "print" and isinstance(node.func, ast.Attribute)
            )
            if printing or on_console:
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []


def test_a_strangers_text_is_no_part_of_another_text() -> None:
    """Neither by an f-string nor by `str`; its representation tells its length alone."""
    stranger = Untrusted("secret words")
    for way in (lambda: f"{stranger}", lambda: " ".join(map(str, [stranger])), lambda: str(stranger)):
        with pytest.raises(LeakedTextError):
            way()
    assert repr(stranger) == "Untrusted(12 characters)"
    with pytest.raises(TypeError):
        title("{x}", x="text")  # type: ignore[arg-type]
