"""Renders what was measured as the evidence block of a pull request; what was not measured is "not run".

Nothing of it is cut at its end: each list has a size of its own and says how much of it is not shown.
"""

from __future__ import annotations

from miyabi.coordinator.v1.dispatch_service_pb2 import TaskInputs
from miyabi.coordinator.v1.result_pb2 import VerifyResult
from miyabi_agents import evidence_details as details
from miyabi_agents.agents.edit_policy import acts_elsewhere
from miyabi_agents.evidence_review import review_details, review_verdict
from miyabi_core.text import GitHubMarkdown, Untrusted, bullets, code, inline, joined, ours

#: Sizes of the parts; with those of the details and of the body they are less than GitHub takes (a test adds them up).
APPROVALS, COMMAND, LAYERS, UNSEEN, ATTEMPTS, ELSEWHERE, REQUESTER = 3_000, 1_000, 400, 1_000, 2_000, 1_000, 100
#: Characters of one sentence: of a reason for approval, a verdict.
SENTENCE = 300
#: Micro-dollars in a dollar.
_USD_MICROS = 1_000_000


def evidence(inputs: TaskInputs, *, simulated_model: bool, simulated_github: bool) -> GitHubMarkdown:
    """Return the block: tests with what a reader may unfold of them, the review, the cost, who asked."""
    verification = inputs.verification if inputs.HasField("verification") else None
    review = inputs.review if inputs.HasField("review") else None
    parts = [
        ours("## Evidence"),
        simulated(model=simulated_model, github=simulated_github),
        *_tests(verification),
        *details.of_tests(inputs),
        review_verdict(review),
        *review_details(review),
        _unseen(inputs),
        _elsewhere(inputs),
        _attempts(inputs),
        _costs(inputs),
        _asked(inputs),
    ]
    return joined(parts)


def _tests(result: VerifyResult | None) -> list[GitHubMarkdown]:
    """Render what the tests showed, in numbers."""
    if result is None:
        return [ours("**Tests:** not run")]
    return [_verdict(result), _numbers(result), _covered(result), _approvals(result), _how(result), _sandbox(result)]


def _verdict(result: VerifyResult) -> GitHubMarkdown:
    """Say whether the tests prove the change, and why not."""
    if result.passed:
        return ours("**Tests:** {count} prove the change", count=result.failed_before_passed_after)
    reason = inline(Untrusted(result.verdict_reason), most=2 * SENTENCE) or ours("not said")
    return ours("**Tests:** the change is not proven: {reason}", reason=reason)


def _numbers(result: VerifyResult) -> GitHubMarkdown:
    """Render the table of counts."""
    rows = [
        ours("| fail on base, pass on the change | {n} |", n=result.failed_before_passed_after),
        ours("| broken by the change | {n} |", n=result.broken),
        ours("| taken away by the change | {n} |", n=result.deleted),
        ours("| red on base and on the change | {n} |", n=result.red_on_base),
        ours("| blocked by the sandbox | {n} |", n=result.blocked),
        ours("| pass and fail by turns | {n} |", n=result.flaky),
        ours("| run on the change | {n} |", n=result.total),
    ]
    return joined([ours("| tests | number |\n|---|---:|"), *rows], by="\n")


def _covered(result: VerifyResult) -> GitHubMarkdown:
    """Say how much of the changed lines the tests execute; files that were not measured are in the list below."""
    measured = result.coverage
    if not result.HasField("coverage"):
        return ours("Changed lines executed by tests: not measured")
    unknown = sum(bool(file.not_measured) for file in measured.files)
    rest = ours("; {count} files were not measured", count=unknown) if unknown else ours("")
    if not measured.executable:
        return ours("Changed lines executed by tests: none that can be was measured{rest}", rest=rest)
    return ours(
        "Changed lines executed by tests: {covered} of {executable}{rest}.",
        covered=measured.covered,
        executable=measured.executable,
        rest=rest,
    )


def _approvals(result: VerifyResult) -> GitHubMarkdown:
    """Say why a person had to approve."""
    if not result.approval_reasons:
        return ours("")
    reasons = bullets(result.approval_reasons, _sentence, budget=APPROVALS)
    return ours("**Takes a person's approval:**\n{reasons}", reasons=reasons)


def _sentence(text: str) -> GitHubMarkdown:
    """Render one sentence."""
    return inline(Untrusted(text), most=SENTENCE)


def _how(result: VerifyResult) -> GitHubMarkdown:
    """Say what was run, where, and how long it took."""
    return ours(
        "Command: {command} ({before:.1f} s on base, {after:.1f} s on the change{runtime}).",
        command=code(Untrusted(" ".join(map(_short, result.command))), most=COMMAND // 2),
        before=result.duration_before.ToTimedelta().total_seconds(),
        after=result.duration_after.ToTimedelta().total_seconds(),
        runtime=ours(", {name}", name=inline(Untrusted(result.runtime), most=100)) if result.runtime else ours(""),
    )


def _sandbox(result: VerifyResult) -> GitHubMarkdown:
    """Name the layers that were there and those that were not."""
    layers = inline(Untrusted(", ".join(result.sandbox_layers)), most=LAYERS) or ours("not said")
    missing = inline(Untrusted(", ".join(result.missing_sandbox_layers)), most=LAYERS)
    lacking = ours("; missing on this machine: {missing}", missing=missing) if missing else missing
    return ours("Sandbox: {layers}{lacking}.", layers=layers, lacking=lacking)


def _short(part: str) -> str:
    """Return a part of a command without the machine's folders."""
    return part.rpartition("/")[2] if part.startswith("/") else part


def _unseen(inputs: TaskInputs) -> GitHubMarkdown:
    """Say what of the issue no model saw."""
    if not inputs.triage.notes:
        return ours("")
    return ours("**Of the issue:**\n{notes}", notes=bullets(inputs.triage.notes, _sentence, budget=UNSEEN))


def _elsewhere(inputs: TaskInputs) -> GitHubMarkdown:
    """Name the files of the change that act beside the code, on machines that the sandbox does not hold."""
    changes = (inputs.change_set, inputs.documentation.change_set)
    edited = sorted({file.path for change in changes for file in change.files if acts_elsewhere(file.path)})
    if not edited:
        return ours("")
    files = bullets(edited, lambda path: code(Untrusted(path)), budget=ELSEWHERE)
    return ours("**Look twice: what is installed, or what developers' programs run or obey:**\n{files}", files=files)


def _attempts(inputs: TaskInputs) -> GitHubMarkdown:
    """Say what the model tried and was refused: a reader looks twice at the rest of such a change."""
    tried = list(dict.fromkeys([*inputs.change_set.attempts_refused, *inputs.documentation.attempts_refused]))
    if not tried:
        return ours("")
    return ours("**The model tried, and was refused:**\n{tried}", tried=bullets(tried, _sentence, budget=ATTEMPTS))


def _asked(inputs: TaskInputs) -> GitHubMarkdown:
    """Say who asked for it, by a name that notifies nobody."""
    who = code(Untrusted(inputs.requester), most=REQUESTER) if inputs.requester else ours("")
    return ours("Asked for by {who}.", who=who) if who else who


def _costs(inputs: TaskInputs) -> GitHubMarkdown:
    """Render what model calls used."""
    spent = inputs.spent
    tokens = spent.input_tokens + spent.output_tokens + spent.cache_read_tokens + spent.cache_write_tokens
    return ours(
        "Model: {calls} calls, {tokens} tokens, ${dollars:.4f}.",
        calls=spent.calls,
        tokens=tokens,
        dollars=spent.cost_usd_micros / _USD_MICROS,
    )


def simulated(*, model: bool, github: bool) -> GitHubMarkdown:
    """Say what is simulated."""
    if model and github:
        return ours("> The model and the GitHub behind this pull request are simulated.")
    if model:
        return ours("> The model behind this pull request is simulated.")
    return ours("> The GitHub behind this pull request is simulated.") if github else ours("")
