"""Names and texts of strangers on the terminal: shown as they are, never obeyed, whatever looks like markup."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from scripted_coordinator import ScriptedCoordinator, story
from test_commands import miyabi, run_against

from miyabi.coordinator.v1.event_pb2 import BatchEvent, StepChanged
from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_cli.errors import CliError
from miyabi_cli.runtime import show_error
from miyabi_cli.showing.results import show_results
from miyabi_cli.showing.triage_view import TriageView
from miyabi_cli.showing.views import LogView, TerminalView

#: What broke, and what would be obeyed.
EVIL = [
    "pages/[id].tsx",
    "docs/[/x].md",
    "[/bad]",
    "[docs]",
    "[red]x[/red]",
    "\\[a]",
    "a\\",
    "日本語",
    ":boom:",
    "[link=x]y[/link]",
]
OBEYED = ["\x1b[2Jgone", "\x9b2J", "a\rb", "a\u202eb", "\x07", "a\u200bb"]


def evil_story(name: str, *, state: RunState.ValueType = RunState.RUN_STATE_SUCCEEDED) -> list[BatchEvent]:
    """Return a batch's events in which a stranger named everything that strangers name."""
    events = story(state=state)
    events[0].batch_accepted.issues[0].title = name
    for result in (events[2].issue_finished, *events[3].batch_finished.results):
        result.title = result.failure_message = name
        result.labels[:], result.files[:] = [name], [name]
    step = BatchEvent(batch=events[0].batch, sequence=2, issue_number=7, step_changed=StepChanged(step=name))
    return [*events[:2], step, *events[2:]]


def screen() -> Console:
    """Return a terminal that keeps what is written to it."""
    return Console(
        file=io.StringIO(), force_terminal=True, width=200, record=True, color_system=None, legacy_windows=False
    )


def written(console: Console) -> str:
    """Return what went to the terminal, byte by byte."""
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("name", EVIL)
async def test_the_command_shows_names_as_they_are(name: str) -> None:
    """The real command, from a coordinator over gRPC to its table: no name is markup."""
    code, output, errors = await run_against(ScriptedCoordinator(evil_story(name)), "submit", "a/b", "--issues", "7")
    assert (code, errors) == (0, "")
    assert output.count(name) >= 2


@pytest.mark.parametrize("name", [*EVIL, *OBEYED])
@pytest.mark.parametrize("make", [TerminalView, LogView, TriageView])
def test_every_view_shows_every_name(name: str, make: type[TerminalView]) -> None:
    """Bars, lines and the table; no escape, no direction, no bell reaches the terminal."""
    console = screen()
    with make(console) as view:
        for event in evil_story(name, state=RunState.RUN_STATE_FAILED):
            view.show(event)
        view.finish(evil_story(name, state=RunState.RUN_STATE_FAILED)[-1].batch_finished.results)
    shown = written(console)
    if name in EVIL:
        assert name in shown
    assert not any(obeyed in shown for obeyed in OBEYED)
    assert not any(char in shown for char in "\x9b\u202e\x07\u200b")


@pytest.mark.parametrize("name", [*EVIL, *OBEYED])
def test_a_table_and_an_error_show_every_name(name: str) -> None:
    """The two that every command ends with."""
    console = screen()
    show_results(console, evil_story(name)[-1].batch_finished.results)
    show_error(CliError(f"no such thing: {name}", hint=name), console)
    shown = written(console)
    assert shown.count(name) == (5 if name in EVIL else 0)


async def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    """Machines read the same text; Japanese stays as it is."""
    name = "日本語\x9b2J\u202e\x1b[2J\U000e0041"
    _, output, _ = await run_against(ScriptedCoordinator(evil_story(name)), "submit", "a/b", "--issues", "7", "--json")
    lines = output.splitlines()
    assert "日本語" in lines[-1]
    assert all(char.isprintable() for line in lines for char in line)
    assert json.loads(lines[-1])["labels"] == [name]


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch", "[/b]"),
        ("submit", "a/b", "--issues", "[/7]"),
        ("submit", "a/b", "--issues", "7", "--pipeline", "[/tmp/x]"),
        ("inspect", "/nowhere/[/div]"),
        ("audit", "--limit", "[/x]"),
    ],
)
async def test_what_a_person_typed_is_no_markup(arguments: tuple[str, ...]) -> None:
    """Brackets in arguments end no command but by its own refusal."""
    code, output, errors = await miyabi(*arguments)
    assert (code, output, "Traceback" in errors, "MarkupError" in errors) == (2, "", False, False)
    assert "error" in errors.lower()
