"""The synthetic repository: any number of issues, each with its own scenario."""

from __future__ import annotations

from pathlib import Path

from miyabi_sim.demo import synthetic
from miyabi_sim.model.scenarios import Scenarios


def test_each_issue_has_its_own_answer(tmp_path: Path) -> None:
    """Issue 1 is not answered with what belongs to issue 10."""
    _, issues = synthetic.write(tmp_path, issues=12)
    scenarios = Scenarios.load(tmp_path / "scenarios")
    assert [entry["number"] for entry in issues] == list(range(1, 13))
    for number in (1, 10, 12):
        first = {"role": "user", "content": f"Repository issue {synthetic.REPOSITORY}#{number}\n\ntext"}
        request = {"tools": [{"name": "record_plan"}], "messages": [first]}
        assert scenarios.answer(request)[0]["input"]["files"] == [f"items/item_{number:04d}.py"]


def test_what_is_written_is_what_the_model_changes(tmp_path: Path) -> None:
    """The text that a scenario replaces is in the file that it names, once."""
    synthetic.write(tmp_path, issues=2)
    entries = Scenarios.load(tmp_path / "scenarios").entries
    edits = [
        block["input"]
        for entry in entries
        for turn in entry.turns
        for block in turn
        if block.get("tool") == "replace_in_file"
    ]
    assert len(edits) == 2
    for edit in edits:
        assert (tmp_path / "source" / edit["path"]).read_text().count(edit["old_text"]) == 1
