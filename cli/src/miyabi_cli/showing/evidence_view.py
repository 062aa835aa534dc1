"""Shows what tests measured, and beside a view what a person has to know: why something failed, what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console

from miyabi.coordinator.v1.event_pb2 import BatchAccepted, BatchEvent
from miyabi.coordinator.v1.result_pb2 import (
    FileCoverage,
    TestComparison,
    TestRunReport,
    TestVerdict,
    VerifyResult,
)
from miyabi.coordinator.v1.state_pb2 import RunState
from miyabi_cli.calling.problems import show_overruled
from miyabi_cli.showing.results import failure_name
from miyabi_cli.showing.review_view import show_review
from miyabi_cli.terminal import TerminalText, lines, ours, say, shown
from miyabi_core.text import Untrusted, enumerated, first, last

#: Lines of the end of a run's output while a batch is watched; `miyabi show` has all that was kept.
WATCHED_LINES = 12
#: Tests that are listed one by one.
MOST_TESTS = 50
#: Lines of a file that are named since no test executes them.
MOST_LINES = 20
#: Characters of one line of a runner's output.
_WIDTH = 500
#: Verdicts after the change that deserve a line.
_NOT_GREEN = (TestVerdict.TEST_VERDICT_FAILED, TestVerdict.TEST_VERDICT_BLOCKED)
#: Ends that are no success and deserve a word.
_BAD = (RunState.RUN_STATE_FAILED, RunState.RUN_STATE_SKIPPED)

#: What some events have to say of an issue, a sentence each.
_NOTES: dict[str, Callable[[BatchEvent], Iterable[str]]] = {
    "triage_recorded": lambda event: event.triage_recorded.notes,
    "pull_request_recorded": lambda event: event.pull_request_recorded.notes,
    "run_ordered": lambda event: [event.run_ordered.message],
}
#: What the model tried on the way and was refused.
_ATTEMPTS: dict[str, Callable[[BatchEvent], Iterable[str]]] = {
    "change_recorded": lambda event: event.change_recorded.attempts_refused,
    "documentation_recorded": lambda event: event.documentation_recorded.attempts_refused,
}


class Attention:
    """Says beside a view what a person has to know: why something failed, and what waits for them.

    Args:
        console: Where to.
        stays: The batch can be looked at after its end, and decided on.
    """

    def __init__(self, console: Console, *, stays: bool = True) -> None:
        self._console, self._stays = console, stays
        self._reasons: dict[int, Sequence[str]] = {}
        self._refused: set[tuple[int, str]] = set()

    def note(self, event: BatchEvent) -> None:
        """Look at an event."""
        payload = event.WhichOneof("payload")
        if payload == "batch_accepted":
            show_overruled(self._console, event.batch_accepted)
            self._duplicates(event.batch_accepted)
        elif payload == "verification_recorded":
            self._reasons[event.issue_number] = list(event.verification_recorded.approval_reasons)
            if not event.verification_recorded.passed:
                self._refuted(event.issue_number, event.verification_recorded)
        elif payload in _ATTEMPTS:
            self._attempts(event.issue_number, _ATTEMPTS[payload](event))
        elif payload in _NOTES:
            self._notes(event.issue_number, _NOTES[payload](event))
        elif payload == "review_recorded" and not event.review_recorded.passed:
            say(self._console, ours("#{}", event.issue_number, style="yellow"))
            show_review(self._console, event.review_recorded)
        elif payload == "run_state_changed":
            if event.run_state_changed.to_state == RunState.RUN_STATE_AWAITING_APPROVAL:
                self._waits(event)
        elif payload == "issue_finished" and event.issue_finished.state in _BAD:
            self._failed(event)

    def _refuted(self, number: int, verification: VerifyResult) -> None:
        """Say why tests do not prove a change, with the end of what they printed."""
        reason = verification.verdict_reason or "the tests do not prove the change"
        say(self._console, ours("#{} ", number, style="yellow"), lines(Untrusted(reason), style="yellow"))
        show_output(self._console, telling(verification.runs), most=WATCHED_LINES)

    def _duplicates(self, accepted: BatchAccepted) -> None:
        """Say which issues are not worked on, since others ask for the same."""
        for heading in accepted.issues:
            if heading.duplicate_of:
                words = ours("asks for the same as #{}, which is worked on", heading.duplicate_of)
                say(self._console, ours("#{} ", heading.number, style="yellow"), words)

    def _notes(self, number: int, notes: Iterable[str]) -> None:
        """Print sentences on an issue's step."""
        for note in notes:
            say(self._console, ours("#{} ", number, style="yellow"), shown(Untrusted(note)))

    def _attempts(self, number: int, attempts: Iterable[str]) -> None:
        """Print what the model tried and was refused, each once: a change brings along those of the rounds before."""
        for attempt in attempts:
            if (number, attempt) not in self._refused:
                self._refused.add((number, attempt))
                say(self._console, ours("#{} refused: ", number, style="yellow"), shown(Untrusted(attempt)))

    def _waits(self, event: BatchEvent) -> None:
        """Say that a person has to decide, why, and how."""
        number = event.issue_number
        say(self._console, ours("#{} waits for approval", number, style="yellow"))
        show_reasons(self._console, self._reasons.get(number, ()))
        if self._stays:
            how = _command("approve", event.batch)
            say(self._console, ours("  approve or decline with: "), how, ours(" {}", number))

    def _failed(self, event: BatchEvent) -> None:
        """Say why an issue failed, whole, and where there is more."""
        result = event.issue_finished
        number, message = result.issue_number, result.failure_message or "no reason was given"
        reason = shown(Untrusted(failure_name(result.failure_reason) or "skipped"), style="red")
        say(self._console, ours("#{} ", number, style="red"), reason, ours(": "), lines(Untrusted(message)))
        if self._stays:
            say(self._console, ours("  look closer with: "), _command("show", event.batch), ours(" {}", number))


def _command(word: str, batch: str) -> TerminalText:
    """Return a command of ours on a batch."""
    return shown(Untrusted(f"miyabi {word} {batch}"))


def telling(runs: Iterable[TestRunReport]) -> TestRunReport | None:
    """Return the run that tells most of why tests prove nothing: the first that came to no end, else the change's."""
    there = list(runs)
    broken = [run for run in there if run.problem or not run.complete]
    change = [run for run in there if run.name.startswith("change")]
    return next(iter([*broken, *change, *there]), None)


def show_reasons(console: Console, reasons: Iterable[str]) -> None:
    """Print why a person has to approve."""
    for reason in reasons:
        say(console, ours("  because: "), shown(Untrusted(reason)))


def show_output(console: Console, run: TestRunReport | None, *, most: int | None = None) -> None:
    """Print how a run ended and the end of what it printed.

    Args:
        console: Where to.
        run: None: nothing is printed.
        most: Lines that are shown, from the end; None: all that were kept.
    """
    if run is None:
        return
    if run.problem:
        say(console, ours("  "), shown(Untrusted(run.name)), ours(": "), shown(Untrusted(run.problem)))
    there = run.output_tail.rstrip().splitlines()
    seen, before = last(there, len(there) if most is None else most)
    if before:
        say(console, ours("  | … {} lines before are in `miyabi show`", before, style="dim"))
    elif run.output_cut:
        say(console, ours("  | … the begin of the output was not kept", style="dim"))
    for line in seen:
        say(console, ours("  | ", style="dim"), shown(Untrusted(line), most=_WIDTH, style="dim"))


def show_verification(console: Console, found: VerifyResult) -> None:
    """Print what verification measured."""
    proof = ours("{} prove the change, {} broken", found.failed_before_passed_after, found.broken)
    rest = ours(
        "; {} red on base, {} blocked, {} by turns, of {} tests",
        found.red_on_base, found.blocked, found.flaky, found.total,
    )  # fmt: skip
    say(console, ours("  tests: "), proof, rest)
    if found.verdict_reason:
        say(console, ours("  verdict: "), lines(Untrusted(found.verdict_reason), style="red"))
    _coverage(console, found)
    for one in found.environments:
        words = f"{one.project}: {one.toolchain}, {one.runner}, from {one.origin}"
        say(console, ours("  environment: "), shown(Untrusted(words)))
        for note in one.notes:
            say(console, ours("    "), shown(Untrusted(note)))
    for note in found.notes:
        say(console, ours("  note: "), shown(Untrusted(note)))
    if found.approval_reasons:
        say(console, ours("  needs approval"))
        show_reasons(console, found.approval_reasons)
    _tests(console, found.comparisons)
    if found.comparisons_left_out:
        say(console, ours("  {} tests more are not listed", found.comparisons_left_out))
    if found.missing_sandbox_layers:
        missing = Untrusted(", ".join(found.missing_sandbox_layers))
        say(console, ours("  sandbox: missing on that machine: ", style="yellow"), shown(missing))
    for form in found.expectations:
        how = ours("") if form.declared else ours(" (not declared by the change)", style="yellow")
        say(console, ours("  edited expectation: "), shown(Untrusted(form.test)), how)
    for run in found.runs:
        _run(console, run, open_end=not found.passed)


def _coverage(console: Console, found: VerifyResult) -> None:
    """Print which changed lines the tests execute, and why that is not known of some files."""
    if not found.HasField("coverage"):
        return
    measured = found.coverage
    words = ours("  changed lines executed by tests: {} of {}", measured.covered, measured.executable)
    say(console, words, ours(", by ") if measured.measure else ours(""), shown(Untrusted(measured.measure)))
    for file in measured.files:
        say(console, ours("    "), shown(Untrusted(file.path)), ours(": "), shown(Untrusted(_covered(file))))
    if measured.files_left_out:
        say(console, ours("    and {} files more", measured.files_left_out))


def _covered(file: FileCoverage) -> str:
    """Return what is known of one file."""
    if file.not_measured:
        return f"not measured: {file.not_measured}"
    missed = enumerated([str(line) for line in file.missed], MOST_LINES, of=file.executable - file.covered)
    return f"{file.covered} of {file.executable}" + (f", not {missed}" if missed else "")


def _tests(console: Console, comparisons: Sequence[TestComparison]) -> None:
    """Print what proves the change, what broke and what is not green, each with the first lines of why."""
    bad = [one for one in comparisons if one.proof or one.broken or one.flaky or one.after in _NOT_GREEN]
    named, rest = first(bad, MOST_TESTS)
    for one in named:
        base = one.before if one.added or one.changed_expectation else one.on_base
        what = ", broken" if one.broken else ", by turns" if one.flaky else ", the proof" if one.proof else ""
        words = f"{_verdict(base)} before, {_verdict(one.after)} after{what}"
        say(console, ours("  test: "), shown(Untrusted(one.test)), ours(": "), shown(Untrusted(words)))
        _reason(console, one.reason)
    if rest:
        say(console, ours("  and {} tests more", rest))


def _reason(console: Console, reason: str) -> None:
    """Print the first lines of why a test is not green."""
    told, rest = first(reason.splitlines(), WATCHED_LINES)
    for line in told:
        say(console, ours("      "), shown(Untrusted(line), most=_WIDTH))
    if rest:
        say(console, ours("      … {} lines more", rest))


def _verdict(value: TestVerdict.ValueType) -> str:
    """Return a verdict as a lower-case word."""
    return TestVerdict.Name(value).removeprefix("TEST_VERDICT_").lower()


def _run(console: Console, run: TestRunReport, *, open_end: bool) -> None:
    """Print one of the runs that the verdict rests on."""
    how = ours("{} tests, exit status {}", run.total, run.exit_code)
    took = ours(", kept from before") if run.reused else ours(", {:.1f} s", run.duration.ToTimedelta().total_seconds())
    say(console, ours("  run: "), shown(Untrusted(run.name)), ours(": "), how, took)
    if run.command:
        say(console, ours("    $ "), shown(Untrusted(run.command), most=_WIDTH))
    if open_end or run.problem:
        show_output(console, run)
