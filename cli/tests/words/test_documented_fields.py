"""What `--json` prints is what the documentation says that it prints, field by field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pool import Default
from scripted_coordinator import story
from scripted_measurements import measurements
from test_commands import STALE

import miyabi.coordinator.v1.coordinator_service_pb2
import miyabi.coordinator.v1.transcript_pb2
import miyabi.dashboard.v1.telemetry_service_pb2  # noqa: F401 - the pool knows what was imported
from miyabi.coordinator.v1.batch_pb2 import Agent, Task
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi_cli.asking.request_file import read_request
from miyabi_cli.calling.problems import ProblemsError
from miyabi_cli.checking.machine import Finding
from miyabi_cli.manual.words import WORDS
from miyabi_cli.report.comparison import comparison_json
from miyabi_cli.showing.agent_view import Running, _as_dict
from miyabi_cli.showing.results import as_json
from miyabi_core.errors import FailedPreconditionError

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/command.md").read_text(encoding="utf-8")
#: Fields by the object that the page documents.
DOCUMENTED = {
    name: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    for name, text in re.findall(r"^### `([\w.]+)`\n(.*?)(?=^### |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
}
PROTOS = sorted(name for name in DOCUMENTED if "." in name)
#: Words with what each line of theirs is.
LINES = dict(
    re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCUMENT.partition("| word |")[2].partition("###")[0], re.MULTILINE)
)


@pytest.mark.parametrize("name", PROTOS)
def test_an_object_of_a_service_has_the_documented_fields(name: str) -> None:
    """Those of its proto, in order: a field that is added there is missing here until somebody says what it means."""
    assert [field.name for field in Default().FindMessageTypeByName(name).fields] == DOCUMENTED[name]


def test_each_word_says_what_its_lines_are() -> None:
    """The page and each word's help say the same, and each object that they name is on the page."""
    assert {word.name: word.json for word in WORDS if word.json} == {
        name: re.sub(r"`(miyabi\.[\w.]+)`", r"\1", text) for name, text in LINES.items()
    }
    named = {found for text in LINES.values() for found in re.findall(r"`([\w.]+)`", text)}
    assert sorted(named - DOCUMENTED.keys()) == []


def test_a_result_has_the_documented_fields() -> None:
    """Those that only some results have too."""
    result: IssueResult = story(stale=STALE)[2].issue_finished
    result.failure_reason, result.failure_message = FailureReason.FAILURE_REASON_DEADLINE, "too late"
    assert sorted(as_json(result)) == sorted(DOCUMENTED["result"])


def test_an_agent_has_the_documented_fields() -> None:
    """The proto's, and its tasks with their own."""
    task = Task(name="batches/X/runs/7/tasks/plan", attempt=1)
    line = _as_dict(Agent(name="agents/a", slots=1), [Running("batches/X", "a/b", 7, task)])
    assert [name for name in line if name not in DOCUMENTED["miyabi.coordinator.v1.Agent"]] == DOCUMENTED["agent"]
    described = re.findall(r"^\| `tasks` \| (.*) \|$", DOCUMENT, re.MULTILINE)
    (own,) = [text for text in described if "`repository`" in text]
    assert sorted(line["tasks"][0]) == sorted(re.findall(r"`(\w+)`", own))


def test_a_comparison_has_the_documented_fields() -> None:
    """Both batches, and each number of both."""
    line = comparison_json((measurements(), measurements()), ("batches/A", "batches/B"))
    assert list(line) == DOCUMENTED["comparison"]
    assert sorted(line["changes"][0]) == ["a", "b", "name", "table"]
    assert sorted(line["a"]) == ["batch", "report"]


def test_a_refusal_and_a_finding_have_the_documented_fields() -> None:
    """What a script reads where nothing could be done."""
    refusal = ProblemsError(FailedPreconditionError("no", reason="PROBLEMS_FOUND")).as_dict()
    assert list(refusal) == DOCUMENTED["refusal"]
    described = DOCUMENT.partition("### `refusal`")[2].partition("###")[0]
    assert [name for name in refusal["error"] if f"`{name}`" not in described] == []
    assert list(Finding.__dataclass_fields__) == DOCUMENTED["finding"]


def test_the_example_of_a_file_is_a_request(tmp_path: Path) -> None:
    """The one that a person copies is taken as it stands."""
    (text,) = re.findall(r"^```yaml\n(repository:.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    file = tmp_path / "batch.yaml"
    file.write_text(text, encoding="utf-8")
    request = read_request(str(file))
    assert (request.repository, request.query.milestone, request.max_fix_rounds) == ("acme/shop", "2.4", 1)
