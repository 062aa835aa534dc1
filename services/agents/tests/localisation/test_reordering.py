"""The fast model puts located files in order: once, within bounds, and whatever goes wrong the files stay."""

from __future__ import annotations

import subprocess
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi.common.v1.usage_pb2 import Budget
from miyabi_agents.agents.locating.reordering import permuted
from miyabi_agents.agents.planner import PlannerAgent
from miyabi_agents.localisation import Candidate, Locator
from miyabi_agents.localisation.index import LIMIT
from miyabi_sim.model.scenarios import Scenario

PLAN = Scenario(
    "plan",
    [
        [
            {
                "tool": "record_plan",
                "input": {
                    "tasks": [{"title": "Mend", "description": "", "depends_on": []}],
                    "files": [],
                    "notes": "",
                },
            }
        ]
    ],
    tool="record_plan",
)
#: More files than a plan is shown, all about the issue.
FILES = {
    f"toy/part{number:02}.py": f"def double_{number}(value):\n    '''double adds two'''\n" + "double = 1\n" * number
    for number in range(16)
}


@pytest.fixture(scope="module", name="locator")
def _locator():
    """Give a locator with its worker."""
    with closing(Locator()) as locator:
        yield locator


@pytest.fixture(name="wide")
def _wide(workshop):
    """Give a workshop whose repository has many likely files."""
    remote = workshop.folder / "remote" / "acme" / "toy.git"
    for path, text in FILES.items():
        (remote / path).write_text(text)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["add", "."], [*who, "commit", "-q", "-m", "wide"]):
        subprocess.run(["git", *command], cwd=remote, check=True)
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=remote, check=True, capture_output=True, text=True)
    workshop.base_sha = found.stdout.strip()
    return workshop


def orders(*numbers) -> Scenario:
    """Return a model that names these."""
    return Scenario("order", [[{"tool": "record_order", "input": {"order": list(numbers)}}]], tool="record_order")


def asked(workshop) -> list:
    """Return the requests for an order."""
    return [
        request for request in workshop.requests if (request.get("tool_choice") or {}).get("name") == "record_order"
    ]


def listed(workshop, *, at: str = "Files that may matter:") -> list[str]:
    """Return the files that the plan was shown, in order."""
    text = next(text for text in workshop.first_messages if at in text)
    return [line[2:].partition(" (")[0] for line in text.partition(at)[2].split("\n") if line.startswith("- ")]


def said(workshop) -> list[str]:
    """Return what is said of an order that stays."""
    return [entry.step.step for entry in workshop.sent if "stay in the order of their words" in entry.step.step]


async def lexical(workshop, locator) -> list[str]:
    """Return the files in the order of their words."""
    await workshop.run(PlannerAgent(locator), orders(), PLAN)
    return listed(workshop)


async def test_the_model_puts_files_in_order_and_invents_none(wide, locator) -> None:
    """What it names comes first, the rest keeps its order; numbers twice or of no file change nothing."""
    before = await lexical(wide, locator)
    assert len(before) == LIMIT
    wide.sent.clear()
    await wide.run(PlannerAgent(locator), orders(3, 2, 3, 20), PLAN)
    assert listed(wide) == [before[2], before[1], before[0], *before[3:]]
    assert (len(asked(wide)), said(wide)) == (1, [])


async def test_a_file_from_beyond_those_that_are_shown_can_come_first(wide, locator) -> None:
    """The call looks at more files than a plan is shown, each with what it defines."""
    before = await lexical(wide, locator)
    await wide.run(PlannerAgent(locator), orders(14), PLAN)
    (first, *rest) = listed(wide)
    assert first not in before
    assert rest == before[:-1]
    prompt = asked(wide)[0]["messages"][0]["content"][0]["text"]
    assert f"14. {first}: double_" in prompt


async def test_what_the_call_costs_is_counted(wide, locator) -> None:
    """It is the fast model's, and its usage is reported as that of any call."""
    await wide.run(PlannerAgent(locator), orders(2), PLAN)
    calls = [entry.tool_invocation for entry in wide.sent if entry.tool_invocation.detail.startswith("order: ")]
    (call,) = calls
    assert (call.usage.calls, call.usage.cost_usd_micros > 0) == (1, True)
    assert call.model == next(request["model"] for request in wide.requests if request not in asked(wide))


@pytest.mark.parametrize(
    ("scenario", "why"),
    [
        (orders(), "the model named none of them"),
        (Scenario("talk", [[{"text": "Hm."}]], tool="record_order"), "you did not call record_order"),
        (
            Scenario("bad", [[{"tool": "record_order", "input": {"order": ["x"]}}]], tool="record_order"),
            "cannot be used",
        ),
        (Scenario("no", [[{"text": "No."}, {"stop": "refusal"}]], tool="record_order"), "refused to answer"),
    ],
    ids=["none", "no call", "no numbers", "refusal"],
)
async def test_without_an_order_that_can_be_used_files_stay_as_they_were(wide, locator, scenario, why) -> None:
    """It is asked once, and what happened is said."""
    before = await lexical(wide, locator)
    wide.sent.clear()
    await wide.run(PlannerAgent(locator), scenario, PLAN)
    assert listed(wide) == before
    assert len(asked(wide)) == 1
    (words,) = said(wide)
    assert why in words


async def test_a_small_budget_is_kept_for_the_work(wide, locator) -> None:
    """Where the call could take more than a tenth of what is left, nothing is asked, and that is said."""
    await wide.run(PlannerAgent(locator), orders(2), PLAN, budget=Budget(usd_micros=40_000))
    assert asked(wide) == []
    assert "may cost more than 10% of what is left of the budget" in said(wide)[0]


async def test_few_files_are_not_put_in_order(workshop, locator) -> None:
    """Where all are shown anyway, nothing is gained."""
    await workshop.run(PlannerAgent(locator), orders(2), PLAN)
    assert (asked(workshop), said(workshop)) == ([], [])


@given(st.integers(0, 20), st.lists(st.integers(-3, 30), max_size=30))
def test_an_order_is_a_permutation(count, order) -> None:
    """Whatever numbers come: every file once, none more, those that are named first."""
    candidates = [Candidate(f"{number}.py", 1.0, ()) for number in range(count)]
    found = permuted(candidates, order)
    assert sorted(entry.path for entry in found) == sorted(entry.path for entry in candidates)
    named = [number for number in dict.fromkeys(order) if 1 <= number <= count]
    assert [entry.path for entry in found[: len(named)]] == [f"{number - 1}.py" for number in named]
