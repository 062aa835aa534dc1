"""Renders what was measured as the evidence block of a pull request; what was not measured is "not run"."""

from __future__ import annotations

from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi.coordinator.v1.result_pb2 import ReviewResult, TestVerdict, VerifyResult

#: Tests that are listed by name.
MAX_TESTS = 25
#: Findings that are listed.
MAX_FINDINGS = 15
#: Micro-dollars in a dollar.
_USD_MICROS = 1_000_000


def evidence(inputs: TaskInputs, *, simulated_model: bool, simulated_github: bool) -> str:
    """Return the block, in Markdown."""
    verification = inputs.verification if inputs.HasField("verification") else None
    review = inputs.review if inputs.HasField("review") else None
    parts = ["## Evidence", *_tests(verification), *_expectations(inputs), *_review(review), *_costs(inputs)]
    simulated = [name for name, flag in (("model", simulated_model), ("GitHub", simulated_github)) if flag]
    if simulated:
        verb = "is" if len(simulated) == 1 else "are"
        parts.append(f"> The {' and the '.join(simulated)} behind this pull request {verb} simulated.")
    return "\n\n".join(filter(None, parts))


def _tests(result: VerifyResult | None) -> list[str]:
    """Render what the tests showed."""
    if result is None:
        return ["**Tests:** not run"]
    before, after = result.duration_before.ToTimedelta(), result.duration_after.ToTimedelta()
    rows = [
        ("fail on base, pass on the change", result.failed_before_passed_after),
        ("broken by the change", result.broken),
        ("red on base and on the change", result.red_on_base),
        ("blocked by the sandbox", result.blocked),
        ("run on the change", result.total),
    ]
    table = "| tests | number |\n|---|---:|\n" + "\n".join(f"| {name} | {number} |" for name, number in rows)
    own = [entry for entry in result.comparisons if entry.added or entry.changed_expectation]
    proof = [entry.test for entry in own if entry.after == _PASSED]
    missing = ", ".join(result.missing_sandbox_layers)
    command = (
        f"Command: `{' '.join(_short(result.command))}` ({before.total_seconds():.1f} s on base, "
        f"{after.total_seconds():.1f} s on the change, {result.runtime})."
    )
    return [
        table,
        _listing("Tests that prove the change:", proof),
        command,
        f"Sandbox: {', '.join(result.sandbox_layers)}{f'; missing on this machine: {missing}' if missing else ''}.",
    ]


_PASSED = TestVerdict.TEST_VERDICT_PASSED


def _short(command: object) -> list[str]:
    """Return a command without the machine's folders."""
    return [part.rpartition("/")[2] if part.startswith("/") else part for part in command]  # type: ignore[attr-defined]


def _expectations(inputs: TaskInputs) -> list[str]:
    """Name the existing tests that the change edits on purpose."""
    declared = {entry.test: entry.reason for entry in inputs.change_set.changed_expectations}
    if inputs.HasField("verification"):
        edited = [entry.test for entry in inputs.verification.comparisons if entry.changed_expectation]
        declared.update({test: "edited by the change" for test in edited if not _known(test, declared)})
    title = "**Changed expectations** (existing tests that this change edits):"
    return [_listing(title, [f"`{test}`: {declared[test]}" for test in sorted(declared)], code=False)]


def _known(test: str, declared: dict[str, str]) -> bool:
    """Tell whether a test is declared, under its name or the end of it."""
    return any(test == name or test.endswith(f".{name}") or name.endswith(f".{test}") for name in declared)


def _review(result: ReviewResult | None) -> list[str]:
    """Render the score with its breakdown."""
    if result is None:
        return ["**Review:** not run"]
    rows = []
    for run in result.analysers:
        how = "nothing to look at" if run.not_applicable else "no verdict" if not run.completed else f"-{run.penalty}"
        rows.append(f"| {run.analyser} {run.version} | {how} |")
    table = "| analyser | points |\n|---|---:|\n" + "\n".join(rows)
    head = "**Review:** incomplete" if result.incomplete else f"**Review:** {result.score} of 100"
    findings = [
        f"`{entry.path}:{entry.line}` {entry.analyser} {entry.rule}: {entry.message}" for entry in result.findings
    ]
    return [head, table, _listing("Findings on changed lines:", findings[:MAX_FINDINGS], code=False), result.remarks]


def _costs(inputs: TaskInputs) -> list[str]:
    """Render what model calls used."""
    spent = inputs.spent
    tokens = spent.input_tokens + spent.output_tokens + spent.cache_read_tokens + spent.cache_write_tokens
    return [f"Model: {spent.calls} calls, {tokens} tokens, ${spent.cost_usd_micros / _USD_MICROS:.4f}."]


def _listing(title: str, entries: list[str], *, code: bool = True) -> str:
    """Return a titled list; empty where there is nothing."""
    if not entries:
        return ""
    shown = [f"- `{entry}`" if code else f"- {entry}" for entry in entries[:MAX_TESTS]]
    more = [f"- and {len(entries) - MAX_TESTS} more"] if len(entries) > MAX_TESTS else []
    return "\n".join([title, *shown, *more])
