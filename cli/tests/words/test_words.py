"""The words of the command line: each has help with examples that can be typed, and none is read before it is used."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from test_commands import miyabi
from typer.main import get_command

from miyabi_cli.app import app
from miyabi_cli.manual.help import EXITS, command_of
from miyabi_cli.manual.word import Word
from miyabi_cli.manual.words import SECTIONS, WORDS

ROOT = Path(__file__).resolve().parents[3]
#: What costs more than all of the help together: gRPC, messages, the terminal's library, settings, the stack, services.
HEAVY = [
    "asyncio", "google.protobuf", "grpc", "miyabi_agents", "miyabi_cli.client", "miyabi_cli.stack", "miyabi_coordinator",
    "miyabi_dashboard", "miyabi_github_gateway", "miyabi_sim", "opentelemetry", "pydantic", "rich", "structlog", "yaml",
]  # fmt: skip


#: What a word that only asks a service does without.
NOT_FOR_A_CALL = [
    "email", "importlib.metadata", "miyabi_cli.settings", "miyabi_cli.stack", "miyabi_core.logging", "opentelemetry",
    "pydantic", "rich.progress", "structlog", "yaml",
]  # fmt: skip


def imported(*arguments: str, code: int = 0) -> list[str]:
    """Run the command in a process of its own; returns the modules that it had imported at its end."""
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from miyabi_cli.__main__ import main\n"
        f"sys.argv = ['miyabi', *{list(arguments)!r}]\n"
        "main()\n"
    )
    environment = {**os.environ, "MIYABI_COORDINATOR": "127.0.0.1:1"}
    done = subprocess.run(  # the interpreter that runs the tests
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == code, done.stderr
    return done.stderr.split()


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("-h",)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """A person who looks for a word waits for Python and the parser, for nothing that words need."""
    there = imported(*arguments)
    assert "typer" in there
    assert [name for name in HEAVY if name in there] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("batches",), ("batches", "--limit", "3", "--repository", "a/b", "--json"), ("agents",), ("approve", "latest", "7"),
        ("audit", "--limit", "5"), ("show", "latest", "7"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_call_imports_what_it_needs(arguments: tuple[str, ...]) -> None:
    """A word that asks a service waits for the parser, gRPC and the table; not for what sets whole processes.

    Words that make an id for their request (`pause`, `submit`) import the library of ULIDs, with what it imports.
    """
    there = imported(*arguments, code=3)
    assert "grpc" in there
    assert [name for name in NOT_FOR_A_CALL if name in there] == []


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_each_example_can_be_typed(word: Word) -> None:
    """Each has one at least; its options are there, and its values are taken, for nothing is run."""
    assert word.examples
    for example in word.examples:
        program, *arguments = shlex.split(example.line.partition(" >> ")[0])
        assert (program, arguments[0]) == ("miyabi", word.name)
        context = command_of(word).make_context(word.name, arguments[1:])
        assert context.args == []


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_each_help_has_what_a_manual_page_has(word: Word) -> None:
    """What it does, each option with its sentence, examples on unbroken lines, how it ends, where to go on."""
    command = command_of(word)
    text = command.get_help(command.make_context(word.name, [], resilient_parsing=True))
    assert [param.name for param in command.params if not getattr(param, "help", "") and param.name != "help"] == []
    assert [example.line for example in word.examples if f"    {example.line}\n" not in text] == []
    assert [code for code, _ in EXITS if f"  {code} " not in text] == []
    assert all(f"miyabi {name} --help" in " ".join(text.split()) for name in word.see)
    assert command.help
    assert ("--json" in text) == bool(word.json)


def test_words_are_told_apart_and_lead_to_others() -> None:
    """No name comes twice, each stands below a heading, and whatever is named as related is there."""
    names = [word.name for word in WORDS]
    assert sorted(set(names)) == sorted(names)
    assert {word.section for word in WORDS} == set(SECTIONS)
    assert [name for word in WORDS for name in word.see if name not in names] == []
    assert all(word.does.endswith(".") for word in WORDS)


def test_the_list_of_words_says_each_sentence_whole() -> None:
    """Nothing of what a word does is cut."""
    group = get_command(app)
    text = " ".join(group.get_help(group.make_context("miyabi", [], resilient_parsing=True)).split())
    assert [word.name for word in WORDS if f"{word.name} {word.does}" not in text] == []


def test_the_readme_and_the_manual_name_the_same_codes() -> None:
    """Who scripts the command finds one truth."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [code for code, _ in EXITS if f" {code} " not in readme.partition("Exit codes:")[2][:400]] == []


async def test_an_unknown_word_is_refused() -> None:
    """With how to find the right one."""
    code, output, errors = await miyabi("pasue")
    assert (code, output) == (2, "")
    assert "pasue" in errors
    assert "miyabi -h" in errors
