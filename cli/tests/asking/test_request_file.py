"""A batch from a file: every field is obeyed or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from scripted_coordinator import ScriptedCoordinator, story
from test_commands import run_against

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.common.v1.usage_pb2 import Budget
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import IssueQuery
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_cli.asking.input_file import MAX_BYTES
from miyabi_cli.asking.request_file import read_request
from miyabi_cli.errors import CliError

#: A request in which every field but `issue_numbers`, which excludes `query`, has a value of its own.
FULL = pb.SubmitBatchRequest(
    repository="acme/shop", query=IssueQuery(labels=["bug"], milestone="2.4", assignee="a", text="cart", limit=20, state=3),
    pipeline=Pipeline.PIPELINE_TRIAGE, concurrency=4, max_parallel_tasks=8, budget=Budget(usd_micros=5_000_000, tokens=9),
    issue_budget=Budget(usd_micros=1), task_budget=Budget(tokens=2), priority=-3, weight=2, dry_run=True, require_approval=True,
    max_fix_rounds=0, base_branch="main", request_id="01ARZ3NDEKTSV4RRFFQ69G5FAV", no_grouping=True,
    overrule=[ProblemKind.PROBLEM_KIND_ISSUE_ASSIGNED],
)  # fmt: skip


@pytest.mark.parametrize("proto_names", [True, False])
def test_every_field_arrives(tmp_path: Path, proto_names: bool) -> None:
    """By the proto's names or by those of its JSON, as JSON or as YAML, which JSON is a part of."""
    unset = {field.name for field in pb.SubmitBatchRequest.DESCRIPTOR.fields} - {
        field.name for field, _ in FULL.ListFields()
    }
    assert unset == {"issue_numbers"}
    file = tmp_path / "batch.json"
    file.write_text(json.dumps(MessageToDict(FULL, preserving_proto_field_name=proto_names)))
    assert read_request(str(file)) == FULL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("repository: a/b\nissue_numbers: [7]\nconcurency: 3\n", "concurency"),
        ("repository: a/b\nissue_numbers: [7]\nconcurrency: many\n", "concurrency"),
        ("repository: a/b\nissue_numbers: [7]\nconcurrency: 2000\n", "concurrency"),
        ("repository: a/b\nissue_numbers: [7]\npipeline: magic\n", "pipeline"),
        ("repository: a/b\nissue_numbers: [7]\nquery: {labels: [x], labls: [y]}\n", "labls"),
        ("repository: a/b\nissue_numbers: [7]\nquery: {text: x}\n", "issue_numbers"),
        ("repository: a/b\nissue_numbers: [7]\nrepository: c/d\n", "'repository' is there twice"),
        ("repository: a/b\nissue_numbers: [7]\noverrule: [PROBLEM_KIND_REPOSITORY_ARCHIVED]\n", "overrule"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("- 1\n", "holds no fields"),
        ("on: 1\n", "no name of a field"),
        ("repository: [a\n", "neither JSON nor YAML"),
        ("", "holds no fields"),
        ("[" * 5000, "neither JSON nor YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """A misspelt field, a value that it cannot have, a name that comes twice: one error that names it."""
    file = tmp_path / "batch.yaml"
    file.write_text(text)
    with pytest.raises(CliError) as caught:
        read_request(str(file))
    assert said in str(caught.value)
    assert "Available Fields" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """One that is not there, one that is no text, one that is a mistake by its size."""
    binary, large = tmp_path / "binary", tmp_path / "large"
    binary.write_bytes(b"repository: \xff\xfe")
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    for file, said in ((tmp_path / "none", "No such file"), (binary, "no UTF-8"), (large, "larger than")):
        with pytest.raises(CliError) as caught:
            read_request(str(file))
        assert said in str(caught.value)
        assert str(file) in str(caught.value)


async def test_the_command_hands_the_file_over(tmp_path: Path) -> None:
    """What the coordinator gets is what the file says, with a request id where it names none."""
    file = tmp_path / "batch.yaml"
    file.write_text("repository: a/b\nissue_numbers: [7]\nmax_parallel_tasks: 5\n")
    servicer = ScriptedCoordinator(story())
    code, _, errors = await run_against(servicer, "submit", "--from-file", str(file))
    (request,) = servicer.submitted
    assert (code, errors, request.max_parallel_tasks, len(request.request_id)) == (0, "", 5, 26)


@pytest.mark.parametrize("beside", [["a/b"], ["--issues", "7"], ["--dry-run"], ["--concurrency", "0"]])
async def test_an_option_beside_the_file_is_refused(tmp_path: Path, beside: list[str]) -> None:
    """Even where it is the default: nobody wonders which of both counted."""
    file = tmp_path / "batch.yaml"
    file.write_text("repository: a/b\nissue_numbers: [7]\n")
    servicer = ScriptedCoordinator(story())
    code, output, errors = await run_against(servicer, "submit", *beside, "--from-file", str(file))
    assert (code, output, servicer.submitted) == (2, "", [])
    assert (beside[0] if beside[0].startswith("-") else "OWNER/REPO") in errors
