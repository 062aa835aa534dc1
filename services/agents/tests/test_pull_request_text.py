"""Titles, bodies and messages of pull requests, with every stranger in them hostile: evidence first, and whole."""

from __future__ import annotations

import re

import pytest
import rendered
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import STRANGERS, Page

from miyabi.coordinator.v1 import result_pb2 as pb
from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi_agents.agents.pull_request import MAX_BODY, body_of, message_of, title_of
from miyabi_agents.evidence import evidence
from miyabi_core.text import GitHubMarkdown

PASSED, FAILED = pb.TestVerdict.TEST_VERDICT_PASSED, pb.TestVerdict.TEST_VERDICT_FAILED
#: Elements of our own; a stranger adds none.
OURS = {
    "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "ul", "li", "code", "pre", "blockquote",
    "strong",
}  # fmt: skip


def inputs_of(evil: str, *, many: int = 2, passed: bool = False) -> TaskInputs:
    """Return a lease's inputs in which every text is *evil* and every list has *many* entries."""
    # Protos carry no lone surrogates: they end at the session's edge.
    evil = evil.encode("utf-8", "replace").decode()
    tests = [
        pb.TestComparison(test=f"{evil}{number}", reason=evil, before=FAILED, after=PASSED, added=True, proof=True)
        for number in range(many)
    ]
    other = [
        pb.TestComparison(
            test=f"{evil}b{number}", reason=evil, before=PASSED, after=FAILED, broken=True, deleted=True, flaky=True
        )
        for number in range(many)
    ]
    verification = pb.VerifyResult(
        comparisons=[*tests, *other], command=[evil, f"/opt/{evil}"], sandbox_layers=[evil] * many, passed=passed,
        missing_sandbox_layers=[evil] * many, output_tail=evil * 50, runtime=evil, verdict_reason=evil, approval_reasons=[evil] * min(many, 50),
        notes=[evil] * min(many, 100), comparisons_left_out=9, failed_before_passed_after=many,
        environments=[pb.EnvironmentReport(toolchain=evil, runner=evil, origin=evil, project=evil, notes=[evil] * min(many, 100))] * min(many, 20),
        runs=[pb.TestRunReport(name=evil, problem=evil, output_tail=evil * 9, total=3)] * min(many, 40),
        expectations=[pb.ExpectationForms(test=evil, before=evil * 9, after=evil)] * min(many, 50),
        coverage=pb.ChangeCoverage(
            executable=many, covered=1, measure=evil, files=[pb.FileCoverage(path=evil, not_measured=evil)] * min(many, 300)
        ),
    )  # fmt: skip
    review = pb.ReviewResult(
        score=91, remarks=evil * 20, analysers=[pb.AnalyserRun(analyser=evil, version=evil, error=evil)] * many,
        findings=[pb.Finding(analyser=evil, rule=evil, path=evil, line=3, message=evil)] * many,
    )  # fmt: skip
    expectations = [pb.ChangedExpectation(test=f"{evil}{number}", reason=evil) for number in range(many)]
    change = pb.ChangeSet(
        summary=evil, changed_expectations=expectations, additions=5, deletions=2,
        files=[pb.FileChange(path=f"{evil}{number}{'/package.json' * (number % 2)}") for number in range(many)],
        attempts_refused=[evil[:500]] * min(many, 50),
    )  # fmt: skip
    triage = pb.TriageResult(type="bug", area=evil[:100], notes=[evil] * min(many, 20))
    return TaskInputs(
        repository="acme/toy", issue_number=7, issue_title=evil, change_set=change, verification=verification,
        review=review, documentation=pb.DocumentResult(summary=evil), triage=triage, requester=evil,
    )  # fmt: skip


def body(inputs: TaskInputs) -> GitHubMarkdown:
    """Return the body of the pull request."""
    return body_of(inputs, inputs.change_set, evidence(inputs, simulated_model=True, simulated_github=False))


@settings(deadline=None, max_examples=50)
@given(STRANGERS)
def test_whatever_strangers_wrote_the_body_is_ours(evil: str) -> None:
    """No image, link, heading or HTML of theirs; nothing that mentions, closes, refers, signs or skips but our one line."""
    whole = body(inputs_of(evil))
    first, _, rest = whole.text.partition("\n\n")
    assert first == "Closes #7"
    page = Page(rest)
    assert page.elements <= OURS, page.elements - OURS
    assert page.comments == []
    for pattern in (rendered.CLOSING, rendered.MENTION, rendered.SKIP, rendered.TRAILER):
        found = pattern.search(rest)
        assert not found or found.group() in OUR_LINES, (pattern, found)
    for pattern in (rendered.REFERENCE, rendered.COMMIT, rendered.EMOJI):
        assert not pattern.search(page.prose), pattern


#: Begins of our own lines that have a trailer's form; none of them stands in the last paragraph.
OUR_LINES = {"Command:", "Sandbox:", "Model:"}


@settings(deadline=None, max_examples=10)
@given(STRANGERS, st.integers(0, 150), st.integers(1, 30))
def test_every_body_is_taken_and_says_what_it_folds(evil: str, many: int, times: int) -> None:
    """Whatever is written how often: less than GitHub's limit, each fold closed, numbers and score there."""
    whole = body(inputs_of(evil * times, many=many))
    assert whole.size <= MAX_BODY
    assert whole.text.count("<details><summary>") == whole.text.count("\n\n</details>")
    assert ("The model tried, and was refused:" in whole.text) == (many > 0)
    for part in ("| run on the change |", "**Review:** 91 of 100", "Model: 0 calls", "The model behind this"):
        assert part in whole.text


def test_a_long_summary_is_whole_below() -> None:
    """Above the evidence its begin, with what is left out; below it, folded, all of it."""
    inputs = inputs_of("x", many=1)
    inputs.change_set.summary = "first " + "word " * 1_000 + "end"
    text = body(inputs).text
    above, _, below = text.partition("## Evidence")
    assert ("> first" in above, "characters left out" in above, "end" in above) == (True, True, False)
    assert "<summary>All that the model says of its change</summary>\n\n> first" in below
    assert "word end" in below


@settings(deadline=None, max_examples=200)
@given(
    STRANGERS
    | st.sampled_from(["🎉", "日本語 ", "[x] ", "closes #901, ", "fixes #902\n", "Co-authored-by: a <b@c>\n"]).map(
        lambda one: one * 60
    )
)
def test_every_title_is_one_line_that_acts_on_nothing(issue: str) -> None:
    """A commit type, at most 256 characters as GitHub counts them, no line end, nobody mentioned, nothing closed."""
    issue = issue.encode("utf-8", "replace").decode()
    text = title_of(TaskInputs(issue_number=7, issue_title=issue, triage=pb.TriageResult(type="bug"))).text
    assert re.match(r"[a-z]+(\([^)]*\))?!?: \S", text)
    assert len(text.encode("utf-16-le")) // 2 <= 256
    assert text.splitlines() == [text]
    for pattern in (rendered.CLOSING, rendered.MENTION, rendered.REFERENCE, rendered.SKIP):
        assert not pattern.search(text), pattern


def test_the_title_of_the_change_is_what_the_issue_says() -> None:
    """A title that is conventional stays as it is, whatever its scope."""
    for issue in ("feat(auth): login by key", "fix: 文字化け", "refactor(api)!: x"):
        assert title_of(TaskInputs(issue_number=7, issue_title=issue, triage=pb.TriageResult(type="bug"))).text == issue


@pytest.mark.parametrize(
    "evil", ["x" * 4000, "@" * 3000, "`" * 2000, "é" * 3000, "🎉" * 2000, "a\n" * 1500, "|#<" * 900]
)
def test_a_body_fits_and_its_evidence_is_whole(evil: str) -> None:
    """With a thousand of everything at its longest: what GitHub takes, evidence first, and the rest is counted."""
    inputs = inputs_of(evil, many=1000)
    whole, block = body(inputs), evidence(inputs, simulated_model=True, simulated_github=False)
    assert whole.size <= MAX_BODY == 65_536
    assert whole.text.startswith("Closes #7\n\n## What the model says")
    assert whole.text.index(f"\n\n{block.text}\n\n## Documentation") < 3_000
    assert re.search(
        r"<summary>Files: 1,000 \(\+5 -2\)</summary>\n\n(- .*\n)*- … [\d,]+ more\n\n</details>$", whole.text
    )
    assert whole.text.count("<details><summary>") == whole.text.count("\n\n</details>")
    for part in (
        "| run on the change |",
        "**Review:** 91 of 100",
        "Tests that prove the change: 1,000",
        "Model: 0 calls",
    ):
        assert part in block.text


def test_three_thousand_files_leave_the_evidence_in_the_body() -> None:
    """The list is folded, and says how many names it does not show."""
    inputs = inputs_of("name", many=1)
    del inputs.change_set.files[:]
    inputs.change_set.files.extend(pb.FileChange(path=f"src/package/module_{number}.py") for number in range(3000))
    text = body(inputs).text
    shown = text.count("- `src/package/module_")
    assert 100 < shown < 3000
    assert f"- … {3000 - shown:,} more" in text
    order = [
        "Closes #7",
        "## What the model",
        "## Evidence",
        "**Tests:**",
        "**Review:**",
        "Model: 0",
        "Asked for by",
        "Files: 3",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_what_was_not_measured_is_not_run() -> None:
    """Neither tests nor review: both are said."""
    block = evidence(TaskInputs(issue_number=7), simulated_model=False, simulated_github=True)
    assert "**Tests:** not run" in block.text
    assert "**Review:** not run" in block.text
    assert "The GitHub behind this pull request is simulated." in block.text


def test_each_field_of_a_verdict_is_shown() -> None:
    """Environments, runs, both forms of expectations, approvals, notes, taken away and flaky tests, why it is no pass."""
    text = evidence(inputs_of("word"), simulated_model=False, simulated_github=False).text
    for part in (
        "the change is not proven: word", "**Takes a person's approval:**\n- word", "Taken away by the change: 2",
        "Pass and fail by turns: 2", "Broken by the change: 2", "Both forms of changed expectations: 2", "Environment</summary>",
        "`word`: word, word, from `word`, there already", "word - 3 tests, exit status 0, 0.0 s; gives no verdict: word",
        "The end of the output", "9 more tests are not listed", "missing on this machine: word, word", ", not declared by it",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.parametrize(
    ("issue", "title"),
    [
        ("Forms lose 日本語 [x] 🎉", "fix: Forms lose 日本語 [x] 🎉"),
        ("feat(api)!: add it", "feat(api)!: add it"),
        ("crash, closes #901, fixes #902 @x", "fix: crash, closes #\u200b901, fixes #\u200b902 @\u200bx"),
        ("a<!-- b -->c\u202ed\ne", "fix: acd e"),
        ("", "fix: Issue 7"),
    ],
)
def test_titles(issue: str, title: str) -> None:
    """The issue's title with a commit type, in any script, and nothing in it acts."""
    assert title_of(TaskInputs(issue_number=7, issue_title=issue, triage=pb.TriageResult(type="bug"))).text == title


@settings(deadline=None, max_examples=50)
@given(STRANGERS)
def test_a_commit_closes_nothing_and_signs_for_nobody(evil: str) -> None:
    """The pull request closes the issue; the commit's message only names it, in a paragraph that is ours."""
    message = message_of(inputs_of(evil), inputs_of(evil).change_set).text
    for pattern in (rendered.CLOSING, rendered.MENTION, rendered.REFERENCE, rendered.SKIP):
        assert not pattern.search(message), pattern
    assert message.endswith("\n\nMade by Miyabi for issue 7 of acme/toy.\n")


@given(STRANGERS)
@settings(max_examples=60, deadline=None)
def test_a_change_that_lacks_something_says_so_and_closes_nothing(evil):
    """Whatever titles of steps and verdicts say: they are listed, and no word of them closes, mentions or marks up."""
    inputs = inputs_of("plain", passed=True)
    inputs.missing.extend(["The third step.", evil.encode("utf-8", "replace").decode()])
    block = evidence(inputs, simulated_model=False, simulated_github=False)
    body = body_of(inputs, inputs.change_set, block).text
    assert body.startswith(f"For #{inputs.issue_number}\n")
    assert "Closes #" not in body
    assert body.index("## What is missing") < body.index("The third step")
    page = Page(body)
    assert page.elements <= OURS
