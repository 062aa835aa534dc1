"""What the model is told of a run of tests: counts, what failed and why, and what the run does not decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.toolchains.port import RunVerdicts
from miyabi_agents.verification.execution import Ran
from miyabi_agents.verification.judge import BLOCKED, FAILED, PASSED, SKIPPED
from miyabi_core.text import both_ends, ending, enumerated, exact, first, left_out, readable, shortened, split_lines

#: Failing tests whose reasons are shown; the others are named.
MAX_SHOWN = 12
#: Failing tests that are named beside.
MAX_NAMED = 30
#: Longest reason of one test. Its begin says what was tried, its end what came of it.
MAX_REASON = 2_000
#: End of the output that is shown of a run that came to no end.
MAX_OUTPUT = 4_000
#: What every result ends with.
JUDGED_LATER = (
    "This run decides nothing: in the end all tests are run again, on the repository without and with your change. "
    "A test that failed was not run twice, so that it may fail by chance."
)
_WORDS = {PASSED: "passed", FAILED: "failed", SKIPPED: "skipped", BLOCKED: "blocked"}


def red_of(verdicts: RunVerdicts, names: Sequence[str] = ()) -> frozenset[str]:
    """Return what is red in a run: tests, files that could not be loaded, and the run itself where it did not end."""
    chosen = _chosen(verdicts.verdicts, names)
    red = {name for name, verdict in chosen.items() if verdict in {FAILED, BLOCKED}} | set(verdicts.unbuilt)
    return frozenset(red if verdicts.complete else red | {"the run came to no end"})


def told(ran: Ran, base: RunVerdicts, *, names: Sequence[str] = (), notes: Sequence[str] = ()) -> str:
    """Return a run as text.

    Args:
        ran: The run, on the change.
        base: What was seen on base, as far as it was looked at.
        names: The tests that were asked for; empty: all that ran.
        notes: What else is to be said.
    """
    verdicts = ran.verdicts
    chosen = _chosen(verdicts.verdicts, names)
    lines = [f"{_counts(chosen)} in {ran.report.duration.ToTimedelta().total_seconds():.1f} s: {ran.report.command}"]
    if names and not any(_is_of(name, test) for test in verdicts.verdicts for name in names):
        lines.append("No test of the given names ran; these are the tests of their files.")
    if not verdicts.complete:
        lines.append(f"The run came to no end: {verdicts.problem or 'nothing says why'}")
        lines.append(ending(readable(ran.report.output_tail), MAX_OUTPUT))
    unbuilt, more = first(sorted(verdicts.unbuilt.items()), MAX_SHOWN)
    lines += [f"NOT LOADED {exact(file)}\n{_indented(reason)}" for file, reason in unbuilt]
    lines += [f"({left_out(more, 'files that could not be loaded')})"] if more else []
    lines += _failures(chosen, verdicts, base)
    lines += [f"({note})" for note in notes]
    return "\n".join([*lines, JUDGED_LATER])


def _failures(chosen: Mapping[str, TestVerdict.ValueType], verdicts: RunVerdicts, base: RunVerdicts) -> list[str]:
    """Return the tests that are red, the first with their reasons."""
    red = sorted(name for name, verdict in chosen.items() if verdict in {FAILED, BLOCKED})
    shown, more = first(red, MAX_SHOWN)
    lines = []
    for name in shown:
        too = " (on base too)" if base.verdicts.get(name) == FAILED else ""
        lines.append(f"{_WORDS[chosen[name]].upper()} {exact(name)}{too}\n{_indented(verdicts.reasons.get(name, ''))}")
    if more:
        lines.append(f"Red too: {enumerated([exact(name) for name in red if name not in shown], MAX_NAMED)}")
    return lines


def _counts(chosen: Mapping[str, TestVerdict.ValueType]) -> str:
    """Return how many tests came out how."""
    numbers = [(sum(verdict == kind for verdict in chosen.values()), word) for kind, word in _WORDS.items()]
    return ", ".join(f"{number} {word}" for number, word in numbers if number) or "no test ran"


def _chosen(verdicts: Mapping[str, TestVerdict.ValueType], names: Sequence[str]) -> dict[str, TestVerdict.ValueType]:
    """Return the tests that were asked for; all where none of them ran."""
    asked = {test: verdict for test, verdict in verdicts.items() if any(_is_of(name, test) for name in names)}
    return asked or dict(verdicts)


def _is_of(name: str, test: str) -> bool:
    """Tell whether a test is the named one, or lies in it: a parameter, a method, a subtest."""
    return test == name or (test.startswith(name) and test[len(name) :].startswith(("[", "::", "/", " > ", ".", " ")))


def _indented(reason: str) -> str:
    """Return a reason around its end, indented, without what a terminal obeys."""
    text = both_ends(readable(reason).strip(), MAX_REASON) or "it says nothing"
    return "\n".join(f"  {line}" for line in split_lines(text))


def command_told(output: str, how: str, *, cut: bool, most: int, note: str = "") -> str:
    """Return what a command printed, and how it ended.

    Args:
        output: What it printed.
        how: How it ended.
        cut: Whether more was printed than was kept.
        most: Characters that are shown: the begin and the end.
        note: What else is to be said of the run.
    """
    text = both_ends(readable(output), most) or "(it printed nothing)"
    more = "\n(it printed more than is kept, which is left out)" if cut else ""
    said = f"\n({shortened(note, MAX_REASON)})" if note else ""
    return f"{text}{more}\n({shortened(how, 300)}; what it wrote is not part of your change){said}"
