"""Whether an issue is a duplicate of those that its lease names: by likely files, then by a model that quotes."""

from __future__ import annotations

import pytest

from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1.batch_pb2 import DuplicateSuspect
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_sim.model.scenarios import Scenario

QUOTE = "`double` returns two more than it is given"
TRIAGE = {
    "type": "bug", "priority": "P1", "severity": "Sev.2", "complexity": "small", "size": "S", "area": "numbers",
    "confidence": 0.9, "analysis": "Adds.",
}  # fmt: skip
TRIAGED = Scenario("triage", [[{"tool": "record_triage", "input": TRIAGE}]], tool="record_triage")


def says(same: bool, quote: str = QUOTE) -> Scenario:
    """What the model finds of both."""
    found = {"same": same, "quote": quote, "reason": "One line is wrong."}
    return Scenario("duplicate", [[{"tool": "record_duplicate", "input": found}]], tool="record_duplicate")


def suspects(*, sure: bool = False, number: int = 3) -> dict[str, object]:
    """Return a lease's inputs that name one suspect."""
    return {"suspects": [DuplicateSuspect(issue_number=number, url="https://example.test/3", sure=sure)]}


@pytest.fixture
def twins(workshop):
    """A workshop whose gateway has another report of the same thing."""
    body = f"In `toy/numbers.py`,\n{QUOTE.replace(' ', chr(10), 1)}, for any number."
    workshop.gateway.others[3] = pb.Issue(number=3, title="double is off", body=body)
    return workshop


def asked(workshop) -> int:
    """Return how often the model was asked to compare."""
    return sum((request.get("tool_choice") or {}).get("name") == "record_duplicate" for request in workshop.requests)


@pytest.mark.parametrize("sure", [False, True], ids=["likely", "sure"])
async def test_a_confirmed_duplicate_is_not_looked_at_any_further(twins, triage, sure):
    """The model confirms and quotes: no label is set, nothing else is asked, and the call is counted."""
    outcome = await twins.run(triage, says(True), TRIAGED, inputs=suspects(sure=sure))
    (judgement,) = outcome.triage.duplicates
    assert (judgement.issue_number, judgement.confirmed, judgement.quote) == (3, True, QUOTE)
    assert "toy/numbers.py" in judgement.files
    assert (outcome.triage.type, twins.gateway.label_calls, len(twins.requests)) == ("", [], 1)
    (message,) = twins.first_messages
    assert message.startswith("Repository issue acme/toy#7")
    assert "Issue #7:" in message
    assert "double is off" in message


@pytest.mark.parametrize("sure", [False, True], ids=["likely", "sure"])
async def test_what_the_model_refuses_is_triaged(twins, triage, sure):
    """An issue that is another one is worked on, whatever its text looked like, and says why."""
    outcome = await twins.run(triage, says(False), TRIAGED, inputs=suspects(sure=sure))
    (judgement,) = outcome.triage.duplicates
    assert (judgement.confirmed, judgement.reason, outcome.triage.type) == (False, "One line is wrong.", "bug")
    assert twins.gateway.label_calls


@pytest.mark.parametrize(
    "ways",
    [
        {"with_model": False},
        {"scenarios": [Scenario("talk", [[{"text": "Hm."}]] * 2, tool="record_duplicate")]},
        {"scenarios": [says(True, "Words that nobody wrote")]},
        {"scenarios": [says(False, "Words that nobody wrote")]},
        {"scenarios": [says(True)], "budget": Budget(usd_micros=1)},
        {"scenarios": [says(True)], "number": 9},
    ],
    ids=["no model", "no call", "invented", "invented refusal", "no money", "it is gone"],
)
@pytest.mark.parametrize("sure", [False, True], ids=["likely", "sure"])
async def test_without_an_answer_the_text_alone_decides(twins, triage, sure, ways):
    """What cannot be judged is left to the text: a sure duplicate is not triaged, a likely one is."""
    ways = dict(ways)
    scenarios, number = ways.pop("scenarios", []), ways.pop("number", 3)
    outcome = await twins.run(triage, *scenarios, TRIAGED, inputs=suspects(sure=sure, number=number), **ways)
    assert list(outcome.triage.duplicates) == []
    assert bool(outcome.triage.type) is not sure
    assert bool(twins.gateway.label_calls) is not sure


@pytest.mark.parametrize(("sure", "calls"), [(False, 0), (True, 1)], ids=["likely", "sure"])
async def test_issues_about_different_files_cost_no_call(twins, triage, sure, calls):
    """Where no file is likely for both, only what the text is sure of is asked about."""
    twins.gateway.others[3] = pb.Issue(number=3, title="shout is quiet", body="`shout` in `toy/words.py`")
    twins.gateway.issue.title, twins.gateway.issue.body = "zzz", "qqq"
    outcome = await twins.run(triage, says(False, "qqq"), TRIAGED, inputs=suspects(sure=sure))
    (judgement,) = outcome.triage.duplicates
    assert (judgement.confirmed, asked(twins), list(judgement.files)) == (False, calls, [])


async def test_the_first_that_it_is_one_of_is_enough(twins, triage):
    """What comes after a confirmed suspect is not asked about; what was refused before it is told."""
    twins.gateway.others[4] = twins.gateway.others[3]
    named = [DuplicateSuspect(issue_number=number) for number in (3, 4, 5)]
    different = Scenario("other", says(False).turns, tool="record_duplicate", contains=["Issue #5"])
    outcome = await twins.run(triage, different, says(True), TRIAGED, inputs={"suspects": named})
    assert [(entry.issue_number, entry.confirmed) for entry in outcome.triage.duplicates] == [(3, True)]
    assert asked(twins) == 1
