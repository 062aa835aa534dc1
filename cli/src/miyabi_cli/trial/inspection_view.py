"""Shows an inspection: words for a person, one object a project for machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from miyabi_agents.inspection import Inspection, Look, Refusal
from miyabi_cli.terminal import TerminalText, commit, joined, lines, ours, say, shown
from miyabi_core.text import Untrusted, first, last

#: Tests and files that are named; the rest is counted.
MOST_NAMED = 20
#: Lines of why something is red: enough for an assertion, no traceback.
MOST_LINES = 3
#: Lines of the end of the output where tests cannot be run.
TAIL_LINES = 25
#: Characters of one line of those.
_WIDTH = 300
#: What languages call their errors.
_ERROR = re.compile(r"\b\w*(Error|Exception|error)\b: ?")


def show_inspection(console: Console, inspection: Inspection, *, uncommitted: int = 0) -> None:
    """Print what was recognised and what base's tests show.

    Args:
        console: Where to.
        inspection: What was seen.
        uncommitted: Paths that were left out since they are not committed.
    """
    place = inspection.place
    say(console, shown(Untrusted(place.repository), style="bold"), ours(" at "), commit(Untrusted(place.sha)))
    if uncommitted:
        say(console, ours("left out: {} paths that are not committed", uncommitted, style="yellow"))
    if inspection.config_from:
        _field(console, ours("configured by"), shown(Untrusted(inspection.config_from)))
    else:
        _field(console, ours("configured by"), ours("nothing: all of this is recognised"))
    if inspection.refusal is not None:
        _refused(console, inspection.refusal)
    for look in inspection.looks:
        say(console)
        _look(console, look)


def _look(console: Console, look: Look) -> None:
    """Print one project."""
    project = look.project
    say(console, shown(Untrusted(project.root), style="bold"), ours(": "), shown(Untrusted(project.toolchain)))
    _field(console, ours("runner"), shown(Untrusted(project.runner)))
    _field(console, ours("environment"), shown(Untrusted(look.recipe.origin if look.recipe else project.origin)))
    if look.recipe is not None and look.recipe.runtime:
        _field(console, ours("runtime"), shown(Untrusted(look.recipe.runtime)))
    if look.recipe is not None and look.report is None:
        steps = joined(*(shown(Untrusted(step.name)) for step in look.recipe.steps), by=", ")
        _field(console, ours("steps"), steps)
    for note in look.notes:
        _field(console, ours("note"), shown(Untrusted(note), most=_WIDTH))
    if look.report is not None:
        _ran(console, look)
    if look.refusal is not None:
        _refused(console, look.refusal)
        if look.report is not None:
            _tail(console, look.report.output_tail)


def _ran(console: Console, look: Look) -> None:
    """Print what base's tests showed."""
    assert look.report is not None
    _field(console, ours("command"), shown(Untrusted(look.report.command)))
    counts = look.counts
    words = ours(
        "{} passed, {} failed, {} skipped, {} blocked by the sandbox",
        counts["passed"], counts["failed"], counts["skipped"], counts["blocked"],
    )  # fmt: skip
    _field(console, ours("tests"), words)
    how = ours("built") if look.built else ours("found")
    seconds = look.seconds
    took = ours(" in {:.1f} s, again in {:.1f} s; tests took {:.1f} s", seconds.first, seconds.again, seconds.tests)
    _field(console, ours("time"), joined(ours("environment "), how, took))
    if look.verdicts.gate:
        _field(console, ours("gate"), shown(Untrusted(look.verdicts.gate), most=_WIDTH))
    _reasons(console, ours("red on base"), look.named("failed"))
    _reasons(console, ours("blocked"), look.named("blocked"))
    _reasons(console, ours("not loaded"), look.verdicts.unbuilt)


def _field(console: Console, name: TerminalText, value: TerminalText) -> None:
    """Print one line."""
    say(console, ours("  "), name, ours(": "), value)


def _reasons(console: Console, name: TerminalText, reasons: Mapping[str, str]) -> None:
    """Print names, each with the first lines of why."""
    named, rest = first(sorted(reasons), MOST_NAMED)
    for test in named:
        _field(console, name, shown(Untrusted(test), style="red"))
        for line in told(reasons[test]):
            say(console, ours("      "), shown(Untrusted(line), most=_WIDTH))
    if rest:
        _field(console, name, ours("and {} more", rest))


def told(reason: str) -> list[str]:
    """Return the lines of a reason that tell most: the last one that names an error, else the first ones."""
    there = [line.strip() for line in reason.splitlines() if line.strip()]
    # An error names itself at the begin of its line; what is behind is of any length.
    errors = [line for line in there if _ERROR.search(line, 0, _WIDTH)]
    told, rest = last(errors, 1) if errors else first(there, MOST_LINES)
    return [*told, f"… {rest:,} lines more"] if rest and not errors else list(told)


def _refused(console: Console, refusal: Refusal) -> None:
    """Print why tests cannot be run."""
    reason = shown(Untrusted(refusal.reason), style="red")
    say(console, ours("  "), reason, ours(": "), lines(Untrusted(refusal.message)))


def _tail(console: Console, output: str) -> None:
    """Print the end of what a run printed."""
    there, rest = last(output.rstrip().splitlines(), TAIL_LINES)
    if there:
        say(console, ours("  the end of the output:", style="dim"))
    if rest:
        say(console, ours("  | … {} lines before", rest, style="dim"))
    for line in there:
        say(console, ours("  | ", style="dim"), shown(Untrusted(line), most=_WIDTH))


def as_json(inspection: Inspection, look: Look | None) -> dict[str, Any]:
    """Return the machine-readable line of a project, or of a repository that has none."""
    place = inspection.place
    refusal = look.refusal if look is not None else inspection.refusal
    line: dict[str, Any] = {
        "repository": place.repository,
        "commit": place.sha,
        "configured_by": inspection.config_from or None,
        "runnable": refusal is None,
    }
    if refusal is not None:
        line["refusal"] = {"reason": refusal.reason, "message": refusal.message}
    if look is None:
        return line
    project, recipe = look.project, look.recipe
    line |= {
        "project": project.root, "toolchain": project.toolchain, "runner": project.runner,
        "origin": recipe.origin if recipe else project.origin, "runtime": recipe.runtime if recipe else "",
        "notes": list(look.notes),
    }  # fmt: skip
    if look.report is not None:
        seconds = look.seconds
        line |= {
            "command": look.report.command,
            "tests": look.counts,
            "red_on_base": look.named("failed"),
            "blocked": look.named("blocked"),
            "not_loaded": dict(look.verdicts.unbuilt),
            "seconds": {"environment": seconds.first, "again": seconds.again, "tests": seconds.tests},
            "environment_was_there": not look.built,
        }
        if refusal is not None:
            line["output_tail"] = look.report.output_tail
    return line
