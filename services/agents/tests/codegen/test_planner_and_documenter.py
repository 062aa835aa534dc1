"""Plans come from the model or from the issue's checklist; documentation touches prose only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyabi.coordinator.v1.result_pb2 import ChangeSet, PlannedTask
from miyabi_agents.agents.documenter import DocumenterAgent, is_prose
from miyabi_agents.agents.planner import PlannerAgent, acyclic
from miyabi_agents.localisation import Locator
from miyabi_sim.model.scenarios import Scenario


@pytest.fixture(scope="module", name="locator")
def _locator():
    """Give a locator with its worker."""
    locator = Locator()
    yield locator
    locator.close()


@pytest.fixture
def planner(locator):
    """Give a planner."""
    return PlannerAgent(locator)


@pytest.fixture
def documenter(locator):
    """Give a documenter."""
    return DocumenterAgent(locator)


async def test_the_models_plan_counts_with_the_likely_files_in_its_prompt(workshop, planner) -> None:
    """The model is shown the candidates; a wish that would close a circle is dropped."""
    steps = [
        {"title": "One", "description": "", "depends_on": [1, 7]},
        {"title": "Two", "description": "", "depends_on": [0, 1]},
    ]
    answer = {"tasks": steps, "files": ["toy/numbers.py"], "notes": "small"}
    plan = Scenario("plan", [[{"tool": "record_plan", "input": answer}]], tool="record_plan")
    outcome = await workshop.run(planner, plan)
    assert [list(step.depends_on) for step in outcome.plan.tasks] == [[1], []]
    assert (list(outcome.plan.files), outcome.plan.by_rules) == (["toy/numbers.py"], False)
    (first,) = workshop.first_messages
    assert "- toy/numbers.py (" in first


LISTED = [
    PlannedTask(title="Mend `double`", description="It adds."),
    PlannedTask(title="Mend shout", depends_on=[0]),
]


async def test_without_a_model_the_listed_steps_are_the_plan(workshop, planner) -> None:
    """Steps that come with the lease are the plan's steps, with their order."""
    outcome = await workshop.run(planner, with_model=False, inputs={"listed_steps": LISTED})
    found = [(step.title, step.description, list(step.depends_on)) for step in outcome.plan.tasks]
    assert found == [("Mend `double`", "It adds.", []), ("Mend shout", "Mend shout", [0])]
    assert outcome.plan.by_rules
    assert outcome.plan.files[0] == "toy/numbers.py"


async def test_a_model_describes_listed_steps_and_adds_none(workshop, planner) -> None:
    """Whatever the model plans, the listed steps stay; it is shown them, and its files count."""
    steps = [
        {"title": "Mend shout", "description": "Louder.", "depends_on": []},
        {"title": "Rewrite all", "description": "", "depends_on": []},
    ]
    answer = {"tasks": steps, "files": ["toy/words.py"], "notes": ""}
    plan = Scenario("plan", [[{"tool": "record_plan", "input": answer}]], tool="record_plan")
    outcome = await workshop.run(planner, plan, inputs={"listed_steps": LISTED})
    found = [(step.title, step.description, list(step.depends_on)) for step in outcome.plan.tasks]
    assert found == [("Mend `double`", "It adds.", []), ("Mend shout", "Louder.", [0])]
    assert (list(outcome.plan.files), outcome.plan.by_rules) == (["toy/words.py"], False)
    (first,) = workshop.first_messages
    assert "- Mend shout" in first


async def test_without_listed_steps_there_is_one_step(workshop, planner) -> None:
    """The issue's title is the step."""
    outcome = await workshop.run(planner, with_model=False)
    assert [step.title for step in outcome.plan.tasks] == ["double adds"]


@given(st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=12))
def test_steps_never_wait_for_one_another_in_a_circle(wanted: list[list[int]]) -> None:
    """Whatever is wished for, some step can always be done next until all are done."""
    chosen = acyclic(wanted)
    done: set[int] = set()
    while len(done) < len(wanted):
        ready = {position for position, others in enumerate(chosen) if position not in done and set(others) <= done}
        assert ready
        done |= ready


FINISH = {"tool": "finish_documentation", "input": {"summary": "Told.", "nothing_to_document": False}}


async def changed(workshop) -> ChangeSet:
    """Return a change of the sources."""
    async with workshop_tree(workshop) as tree:
        tree.write("toy/numbers.py", b"def double(value):\n    return value * 2\n")
        change = await tree.change_set()
    change.summary = "Doubles."
    return change


def workshop_tree(workshop):
    """Open a checkout of the base."""
    from miyabi_agents.workspace import GitWorkspaces

    workspaces = GitWorkspaces(f"file://{workshop.folder / 'remote'}", workshop.folder / "data")
    return workspaces.edit(repository="acme/toy", sha=workshop.base_sha)


def documents(path: str, old: str, new: str) -> Scenario:
    """Return a conversation that edits one file."""
    edit = {"tool": "replace_in_file", "input": {"path": path, "old_text": old, "new_text": new}}
    return Scenario("document", [[{"text": "Noted."}, edit], [FINISH]], tool="finish_documentation")


async def test_documentation_is_added_to_the_change(workshop, documenter) -> None:
    """Prose comes on top of the change, whose summary stays; the text is streamed and committed."""
    says = documents("docs/changes.md", "# Changes\n", "# Changes\n\n- `double` doubles.\n")
    outcome = await workshop.run(documenter, says, inputs={"change_set": await changed(workshop)})
    found = outcome.documentation
    assert [file.path for file in found.change_set.files] == ["docs/changes.md", "toy/numbers.py"]
    assert (found.summary, found.nothing_to_document, found.change_set.summary) == ("Told.", False, "Doubles.")
    assert [entry.text.text for entry in workshop.sent if entry.HasField("text")] == ["Noted."]


async def test_code_is_not_the_documenters_to_change(workshop, documenter) -> None:
    """A documentation step that edits code is left out and says so."""
    says = documents("toy/words.py", "return text", "return text.upper()")
    outcome = await workshop.run(documenter, says, inputs={"change_set": await changed(workshop)})
    assert outcome.documentation.nothing_to_document
    assert "left out" in outcome.documentation.summary
    assert not outcome.documentation.HasField("change_set")


@pytest.mark.parametrize(
    ("path", "prose"),
    [
        ("docs/x.md", True), ("CHANGES.rst", True), ("docs/requirements.txt", True), ("readme.txt", True),
        ("requirements.txt", False), ("CMakeLists.txt", False), ("docs/CMakeLists.txt", False), ("x.py", False),
    ],
)  # fmt: skip
def test_prose_is_what_no_program_reads(path: str, *, prose: bool) -> None:
    """Files that decide what is built or installed are none, whatever they end in."""
    assert prose == is_prose(path)


async def test_what_was_verified_is_what_is_pushed(workshop, documenter) -> None:
    """A documentation step that puts base's content back in place of the fix is left out."""
    says = documents("toy/numbers.py", "value * 2", "value + 2")
    outcome = await workshop.run(documenter, says, inputs={"change_set": await changed(workshop)})
    assert "left out" in outcome.documentation.summary
    assert not outcome.documentation.HasField("change_set")


async def test_nothing_to_document_is_an_answer(workshop, documenter) -> None:
    """With a model that sees no need, or without any, the change stays as it is."""
    none = {"tool": "finish_documentation", "input": {"summary": "Internal.", "nothing_to_document": True}}
    says = Scenario("none", [[none]], tool="finish_documentation")
    change = await changed(workshop)
    outcome = await workshop.run(documenter, says, inputs={"change_set": change})
    assert (outcome.documentation.nothing_to_document, outcome.documentation.summary) == (True, "Internal.")
    outcome = await workshop.run(documenter, inputs={"change_set": change}, with_model=False)
    assert outcome.documentation.nothing_to_document
