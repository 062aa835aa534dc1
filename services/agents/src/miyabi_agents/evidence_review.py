"""The review's part of the evidence: verdict, analysers, findings, what was left out, the model's remarks."""

from __future__ import annotations

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, Finding, ReviewResult
from miyabi_core.text import GitHubMarkdown, Untrusted, code, folded, folded_list, inline, ours, quoted

#: Sizes of the parts; see `evidence`.
FINDINGS, ANALYSERS, REMARKS, LEFT_OUT = 5_000, 3_000, 3_000, 2_000
#: Characters of a sentence: of a finding, of why an analyser has no verdict.
SENTENCE = 300
#: Characters of why there is no pass, which is two sentences.
REASON = 700


def review_verdict(result: ReviewResult | None) -> GitHubMarkdown:
    """Return the score; where there is none, why, and what can be done."""
    if result is None:
        return ours("**Review:** not run")
    reason = inline(Untrusted(result.verdict_reason), most=REASON)
    if result.incomplete:
        return ours("**Review:** incomplete: {reason}", reason=reason or ours("not said"))
    if result.not_analysed:
        why = inline(Untrusted("; ".join(result.left_out)), most=REASON) or ours("nothing of the change can be read")
        return ours("**Review:** not analysed, so there is no score: {why}", why=why)
    if reason:
        return ours("**Review:** {score} of 100: {reason}", score=result.score, reason=reason)
    return ours("**Review:** {score} of 100", score=result.score)


def review_details(result: ReviewResult | None) -> list[GitHubMarkdown]:
    """Return what each analyser said, what nobody looked at, and the model's remarks."""
    if result is None:
        return []
    remarks = quoted(Untrusted(result.remarks), budget=REMARKS)
    return [
        folded_list("Analysers: {count}", result.analysers, _analyser, budget=ANALYSERS),
        folded_list("Findings on changed lines: {count}", result.findings, _finding, budget=FINDINGS),
        folded_list("Not looked at, or in another way: {count}", result.left_out, _sentence, budget=LEFT_OUT),
        folded("Remarks of the model, of which only quoted concerns take points", remarks),
    ]


def _sentence(text: str) -> GitHubMarkdown:
    """Render one sentence."""
    return inline(Untrusted(text), most=SENTENCE)


def _analyser(run: AnalyserRun) -> GitHubMarkdown:
    """Render how one analyser ended; no colon of ours stands beside strangers' words, an emoji with it."""
    name = inline(Untrusted(f"{run.analyser} {run.version}".strip()), most=100)
    notes = inline(Untrusted("; ".join(run.notes)), most=SENTENCE)
    noted = ours(" ({notes})", notes=notes) if notes else notes
    if run.not_applicable and notes:
        return ours("{name} - {notes}", name=name, notes=notes)
    if run.not_applicable:
        return ours("{name} - nothing to look at", name=name)
    if run.completed:
        return ours("{name} takes {points} points{noted}", name=name, points=run.penalty, noted=noted)
    why = inline(Untrusted(run.error), most=SENTENCE) or ours("not said")
    return ours("{name} - no verdict ({why}){noted}", name=name, why=why, noted=noted)


def _finding(entry: Finding) -> GitHubMarkdown:
    """Render one finding."""
    return ours(
        "{place} {rule} - {message}",
        place=code(Untrusted(f"{entry.path}:{entry.line}")),
        rule=inline(Untrusted(f"{entry.analyser} {entry.rule}".strip()), most=100),
        message=inline(Untrusted(entry.message), most=SENTENCE),
    )
