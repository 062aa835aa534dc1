"""The part of the evidence that a reader unfolds: tests by name, both forms of expectations, environments, runs."""

from __future__ import annotations

from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi.coordinator.v1.result_pb2 import (
    EnvironmentReport,
    ExpectationForms,
    FileCoverage,
    TestComparison,
    TestRunReport,
    TestVerdict,
    VerifyResult,
)
from miyabi_core.text import (
    GitHubMarkdown,
    Untrusted,
    bullets,
    code,
    enumerated,
    fenced,
    folded,
    folded_list,
    inline,
    joined,
    ours,
)

#: Sizes of the parts; see `evidence`.
PROOF, BROKEN, DELETED, RED, BLOCKED, FLAKY = 4_000, 4_000, 2_000, 2_000, 2_000, 1_500
#: The same, for what is said of the runs.
DECLARED, FORMS, ENVIRONMENTS, RUNS, OUTPUT, NOTES = 3_000, 6_000, 3_000, 2_500, 3_000, 2_500
#: The same, of the list of files with their executed lines, and lines of one that are named.
COVERAGE, MISSED = 2_000, 5
#: Size of one form of a test.
FORM = 1_200
#: Characters of a sentence.
SENTENCE = 200
#: Parts of a test's name that are looked at: package, module, class, function, and room.
MAX_PARTS = 20

_PASSED, _FAILED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_FAILED
_BLOCKED = TestVerdict.TEST_VERDICT_BLOCKED


def of_tests(inputs: TaskInputs) -> list[GitHubMarkdown]:
    """Return the folded lists; a list that holds nothing is not there."""
    if not inputs.HasField("verification"):
        return [_declared(inputs)]
    result = inputs.verification
    every = result.comparisons
    return [
        folded_list("Tests that prove the change: {count}", list(filter(_proves, every)), _test, budget=PROOF),
        folded_list("Broken by the change: {count}", list(filter(_is_broken, every)), _test, budget=BROKEN),
        folded_list("Taken away by the change: {count}", [one for one in every if one.deleted], _test, budget=DELETED),
        _declared(inputs),
        _forms(result),
        folded_list("Red on base too: {count}", list(filter(_red_on_base, every)), _test, budget=RED),
        folded_list("Blocked by the sandbox: {count}", list(filter(_is_blocked, every)), _test, budget=BLOCKED),
        folded_list("Pass and fail by turns: {count}", [one for one in every if one.flaky], _test, budget=FLAKY),
        folded_list("Changed lines by file: {count}", result.coverage.files, _covered, budget=COVERAGE),
        _environments(result),
        _runs(result),
        _output(result),
        _notes(result),
    ]


def _proves(test: TestComparison) -> bool:
    """Tell whether a test is the change's own, red on base and green on the change."""
    own = test.added or test.changed_expectation
    return test.proof or (own and test.before != _PASSED and test.after == _PASSED)


def _is_broken(test: TestComparison) -> bool:
    """Tell whether the change breaks a test."""
    return test.broken or (test.before == _PASSED and test.after == _FAILED and not test.changed_expectation)


def _red_on_base(test: TestComparison) -> bool:
    """Tell whether a test fails with and without the change."""
    return not test.added and not test.flaky and test.before == _FAILED and test.after == _FAILED


def _is_blocked(test: TestComparison) -> bool:
    """Tell whether the sandbox kept a test from running."""
    return _BLOCKED in {test.before, test.after, test.on_base}


def _test(test: TestComparison) -> GitHubMarkdown:
    """Return a test's name, and its reason where it has one."""
    name = code(Untrusted(test.test))
    reason = _sentence(test.reason)
    return ours("{name}: {reason}", name=name, reason=reason) if reason else name


def _declared(inputs: TaskInputs) -> GitHubMarkdown:
    """Name the existing tests that the change edits on purpose."""
    declared = {entry.test: entry.reason for entry in inputs.change_set.changed_expectations}
    edited = [entry.test for entry in inputs.verification.comparisons if entry.changed_expectation]
    known = {name for test in declared for name in _suffixes(test)}
    fresh = [test for test in edited if test not in known and not declared.keys() & _suffixes(test)]
    declared.update(dict.fromkeys(fresh, "edited by the change"))

    def line(test: str) -> GitHubMarkdown:
        return ours("{test}: {reason}", test=code(Untrusted(test)), reason=_sentence(declared[test]))

    names = sorted(declared)
    return folded_list(
        "Changed expectations (existing tests that this change edits): {count}", names, line, budget=DECLARED
    )


def _sentence(text: str) -> GitHubMarkdown:
    """Return one sentence."""
    return inline(Untrusted(text), most=SENTENCE)


def _forms(result: VerifyResult) -> GitHubMarkdown:
    """Show both forms of each edited test, as many as there is room for."""
    shown: list[GitHubMarkdown] = []
    size = 0
    for entry in result.expectations:
        form = _form(entry)
        size += form.size
        if size > FORMS:
            shown.append(ours("… {rest} more", rest=len(result.expectations) - len(shown)))
            break
        shown.append(form)
    return folded("Both forms of changed expectations: {count}", joined(shown), count=len(result.expectations))


def _form(entry: ExpectationForms) -> GitHubMarkdown:
    """Show one edited test."""
    return ours(
        "{test}, on base:\n\n{before}\n\nand on the change{undeclared}:\n\n{after}",
        test=code(Untrusted(entry.test), most=200),
        undeclared=ours("") if entry.declared else ours(", not declared by it"),
        before=fenced(Untrusted(entry.before), budget=FORM) or ours("(nothing)"),
        after=fenced(Untrusted(entry.after), budget=FORM) or ours("(nothing)"),
    )


def _covered(file: FileCoverage) -> GitHubMarkdown:
    """Say which of a file's changed lines are executed, or why that is not known."""
    path = code(Untrusted(file.path), most=200)
    if file.not_measured:
        return ours("{path} - not measured ({why})", path=path, why=_sentence(file.not_measured))
    missed = enumerated([str(line) for line in file.missed], MISSED, of=file.executable - file.covered)
    return ours(
        "{path} - {covered} of {executable} changed lines{missed}",
        path=path,
        covered=file.covered,
        executable=file.executable,
        missed=ours(", not {lines}", lines=inline(Untrusted(missed), most=100)) if missed else ours(""),
    )


def _environments(result: VerifyResult) -> GitHubMarkdown:
    """Say what each project's tests ran in."""
    notes = [note for report in result.environments for note in report.notes]
    entries: list[EnvironmentReport | str] = [*result.environments, *notes]

    def line(entry: EnvironmentReport | str) -> GitHubMarkdown:
        return _sentence(entry) if isinstance(entry, str) else _environment(entry)

    return folded("Environment", bullets(entries, line, budget=ENVIRONMENTS))


def _environment(report: EnvironmentReport) -> GitHubMarkdown:
    """Say what one project's tests ran in."""
    built = report.duration.ToTimedelta().total_seconds()
    return ours(
        "{project}: {toolchain}, {runner}, from {origin}{own}{seconds}",
        project=code(Untrusted(report.project or "."), most=200),
        toolchain=inline(Untrusted(report.toolchain), most=50),
        runner=inline(Untrusted(report.runner), most=50),
        origin=code(Untrusted(report.origin), most=200),
        own=ours(", made for this change, which edits what it is made from") if report.of_change else ours(""),
        seconds=ours(", built in {built:.1f} s", built=built) if built else ours(", there already"),
    )


def _runs(result: VerifyResult) -> GitHubMarkdown:
    """List the runs that the verdict rests on."""
    return folded_list("Runs: {count}", result.runs, _run, budget=RUNS)


def _run(run: TestRunReport) -> GitHubMarkdown:
    """Say how one run ended."""
    problem = _sentence(run.problem) or ours("not said")
    return ours(
        "{name} - {total} tests, exit status {status}, {seconds:.1f} s{kept}{problem}",
        name=inline(Untrusted(run.name), most=50),
        total=run.total,
        status=run.exit_code,
        seconds=run.duration.ToTimedelta().total_seconds(),
        kept=ours(", kept from another issue of the same commit") if run.reused else ours(""),
        problem=ours("") if run.complete else ours("; gives no verdict: {problem}", problem=problem),
    )


def _output(result: VerifyResult) -> GitHubMarkdown:
    """Show the end of the output where there is something to be explained: a run without a verdict, a broken test."""
    failed = next((run for run in result.runs if not run.complete), None)
    tail = failed.output_tail if failed is not None else "" if result.passed else result.output_tail
    return folded("The end of the output", fenced(Untrusted(tail), budget=OUTPUT, end=True))


def _notes(result: VerifyResult) -> GitHubMarkdown:
    """Say what was not run, and how many comparisons are not listed at all."""
    more = [f"{result.comparisons_left_out:,} more tests are not listed"] if result.comparisons_left_out else []
    return folded_list("Notes: {count}", [*more, *result.notes], _sentence, budget=NOTES)


def _suffixes(test: str) -> set[str]:
    """Return a test's name, and its ends at the last separators, under which it may be declared."""
    names, rest = {test}, test
    for _ in range(MAX_PARTS):
        ends = [place for place in (rest.find("."), rest.find(":")) if place >= 0]
        if not ends:
            break
        rest = rest[min(ends) + 1 :].lstrip(":")
        names.add(rest)
    return names
