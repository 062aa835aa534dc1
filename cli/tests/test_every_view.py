"""Any text in any field of any message: no view ends in an error, and nothing in it moves the terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import datetime

import pytest
from filled_messages import filled
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import STRANGERS
from rich.console import Console

from miyabi.coordinator.v1.batch_pb2 import Agent, Batch, IssueRun, Task
from miyabi.coordinator.v1.coordinator_service_pb2 import AuditEntry
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.result_pb2 import TestRunReport as RunReport
from miyabi.coordinator.v1.result_pb2 import TestVerdict as Verdict
from miyabi.coordinator.v1.transcript_pb2 import ModelCall
from miyabi_agents.inspection import Inspection, Look, Refusal
from miyabi_agents.toolchains.port import Project, RunVerdicts
from miyabi_cli.commands.access import audit
from miyabi_cli.errors import CliError
from miyabi_cli.runtime import show_error
from miyabi_cli.showing.agent_view import Fleet, Running, show_fleet
from miyabi_cli.showing.batch_view import show_batches
from miyabi_cli.showing.event_lines import line_of
from miyabi_cli.showing.results import show_results
from miyabi_cli.showing.run_view import show_run
from miyabi_cli.showing.transcript_view import show_call
from miyabi_cli.showing.triage_view import TriageView
from miyabi_cli.showing.views import BatchView, LogView, TerminalView
from miyabi_cli.terminal import json_line, say, say_rows
from miyabi_cli.trial.inspection_view import show_inspection
from miyabi_cli.trial.place import Place

#: What broke once, and pieces that terminals, rich or typer take for their own.
PIECES = [
    "[/div]", "[/tmp/x]", "app/[id]/page.tsx", "[docs]", "[bold", "[@click=x]", "\\[", "\x1b]8;;http://x\x1b\\\\", "\x1b[2J", "\x9b2J",
    "\r", "\n", "\x00", "\u202e", "\u2066", "\u200b", "\u00ad", "\U000e0041", "日本語", "e\u0301", "👩\u200d👧", ":boom:", "{0}", "%s", "\ud800",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | STRANGERS, max_size=4).map("".join)
#: What the terminal's own library writes to draw bars: hide and show the cursor, clear a line, go up.
OWN = re.compile(r"\x1b\[(?:\?25[lh]|2K|1A)|\r")
EVENTS = sorted(field.name for field in BatchEvent.DESCRIPTOR.oneofs_by_name["payload"].fields)


def carried(text: str) -> str:
    """Return a text as a message carries it: without halves of pairs."""
    return text.encode("utf-8", "replace").decode()


def screen(*, terminal: bool = False, width: int = 100) -> Console:
    """Return a console that keeps what is written."""
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, legacy_windows=False)


def written(console: Console) -> str:
    """Return what went to the console."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def is_harmless(text: str) -> bool:
    """Tell whether each character is printed, begins a line or is a tab."""
    return all(char.isprintable() or char in "\n\t\u3000" for char in OWN.sub("", text))


def events_of(text: str) -> list[BatchEvent]:
    """Return one event of each kind, the issue known, with every text a stranger's."""
    events = []
    for name in EVENTS:
        event = BatchEvent(batch=text, task_id=text, actor=text, issue_number=7)
        filled(getattr(event, name), text)
        getattr(event, name).SetInParent()
        events.append(event)
    first = next(event for event in events if event.HasField("batch_accepted"))
    first.batch_accepted.issues[0].number = 7
    return [first, *(event for event in events if event is not first)]


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("make", [TerminalView, LogView, TriageView])
@settings(deadline=None, max_examples=15)
@given(text=TEXTS)
def test_every_view_takes_every_event(make: Callable[[Console], BatchView], width: int, text: str) -> None:
    """Whoever wrote what: each kind of event is shown, and the results, at any width."""
    console = screen(terminal=make is TerminalView, width=width)
    with make(console) as view:
        for event in events_of(carried(text)):
            view.show(event)
        view.finish([filled(IssueResult(issue_number=7, failure_reason=1), carried(text))])  # type: ignore[list-item]
    assert is_harmless(written(console))


def _show_run(console: Console, text: str) -> None:
    show_run(console, filled(IssueRun(failure_reason=1), text))  # type: ignore[arg-type]


def _show_batches(console: Console, text: str) -> None:
    show_batches(console, [filled(Batch(), text)])  # type: ignore[list-item]


def _show_audit(console: Console, text: str) -> None:
    say_rows(console, audit._table([filled(AuditEntry(), text)]))  # type: ignore[list-item]


def _show_call(console: Console, text: str) -> None:
    call = filled(ModelCall(earlier_messages=1), text)
    show_call(console, call)  # type: ignore[arg-type]


def _show_fleet(console: Console, text: str) -> None:
    agent, task = filled(Agent(), text), filled(Task(agent=text), text)
    running = Running(text, text, 7, task)  # type: ignore[arg-type]
    show_fleet(console, Fleet([agent], {text.removeprefix("agents/"): [running]}), now=datetime(2026, 1, 1))  # type: ignore[list-item]  # noqa: DTZ001


def _show_log(console: Console, text: str) -> None:
    for event in events_of(text):
        say(console, line_of(event))


def _show_error(console: Console, text: str) -> None:
    show_error(CliError(text, hint=text), console)


def _show_inspection(console: Console, text: str) -> None:
    reasons = {f"{text}{number}": text for number in range(3)}
    verdicts = RunVerdicts(
        verdicts=dict.fromkeys(reasons, Verdict.TEST_VERDICT_FAILED), reasons=reasons, unbuilt=reasons, gate=text, problem=text
    )  # fmt: skip
    report = RunReport(command=text, output_tail=text * 3, problem=text)
    refusal = Refusal(text, text)
    look = Look(Project(text, text, text, text), notes=(text,), report=report, verdicts=verdicts, refusal=refusal)
    inspection = Inspection(Place(text, text, checkout=None), config_from=text, looks=(look,), refusal=refusal)
    show_inspection(console, inspection, uncommitted=2)


@pytest.mark.parametrize(
    "show", [_show_run, _show_batches, _show_audit, _show_fleet, _show_log, _show_error, _show_inspection, _show_call]
)
@settings(deadline=None, max_examples=40)
@given(text=TEXTS)
def test_every_answer_is_shown(show: Callable[[Console, str], None], text: str) -> None:
    """`show` and `try`, `batches`, `audit`, `inspect`, and what any command ends with where it was refused."""
    console = screen()
    show(console, carried(text))
    assert is_harmless(written(console))


@pytest.mark.parametrize("name", ["app/[id]/page.tsx", "[docs]", "[/div]", "日本語 [x]", ":boom:", "a\\[b"])
def test_a_name_is_shown_as_it_is(name: str) -> None:
    """Nothing of it vanishes, wherever it stands: files, labels, tests, findings, reasons."""
    console = screen(width=400)
    _show_run(console, name)
    _show_batches(console, name)
    _show_audit(console, name)
    _show_inspection(console, name)
    show_results(console, [filled(IssueResult(issue_number=7), name)])  # type: ignore[list-item]
    assert written(console).count(name) > 40


@settings(deadline=None, max_examples=40)
@given(TEXTS)
def test_json_is_one_line_of_what_can_be_seen(text: str) -> None:
    """For machines the text is there, escaped where a terminal would obey it."""
    assert json_line({"text": carried(text)}).replace("\u3000", "").isprintable()
