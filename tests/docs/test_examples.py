"""The worked examples of *Extend it*, taken from their pages and run against the real interfaces."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from miyabi.coordinator.v1 import dispatch_service_pb2 as dispatch
from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.analysers.base import Analyser, Subject, ToolRunner
from miyabi_agents.analysers.score import score
from miyabi_agents.analysers.suite import run_all
from miyabi_agents.dispatch.progress import TaskProgress
from miyabi_agents.ports import SandboxJob, TaskAgent
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.toolchains.port import Toolchain
from services.agents.tests.conftest import TASK, open_workshop, template  # noqa: F401 - the fixture
from services.agents.tests.toolchains.javascript.rig import FAILED, PASSED, Rig
from tests.docs.extracted import ROOT, example

#: Each example's page with its class and what the class has to be.
CLASSES = (
    ("agent", "ChangelogAgent", TaskAgent),
    ("analyser", "JsonSyntax", Analyser),
    ("toolchain", "ShellToolchain", Toolchain),
)


@pytest.mark.parametrize(("page", "name", "protocol"), CLASSES, ids=[page for page, *_ in CLASSES])
def test_an_example_has_every_method_of_its_interface(tmp_path, page, name, protocol) -> None:
    """With the same parameters: a method that is added to the interface is missing on the page until it is there too."""
    shown = getattr(example(page, tmp_path), name)
    asked = {
        key: value for key, value in vars(protocol).items() if inspect.isfunction(value) and not key.startswith("_")
    }
    assert {key: list(inspect.signature(value).parameters) for key, value in asked.items()} == {
        key: list(inspect.signature(getattr(shown, key)).parameters) for key in asked
    }
    properties = [key for key, value in vars(protocol).items() if isinstance(value, property)]
    named = [key for key in protocol.__annotations__ if not key.startswith("_")]
    assert [key for key in (*properties, *named) if not hasattr(shown, key)] == []


@pytest.mark.parametrize("page", [page for page, *_ in CLASSES])
def test_an_example_is_linted_as_the_tree_is(tmp_path, page) -> None:
    """What a reader copies passes the checks that it will meet."""
    module = example(page, tmp_path)
    config = ROOT / "pyproject.toml"
    # The interface asks for parameters that a small example has no use for.
    rules = ["--config", str(config), "--extend-ignore", "ARG002,INP001", "--no-cache"]
    command = [sys.executable, "-m", "ruff", "check", *rules, module.__file__]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert ended.returncode == 0, ended.stdout


async def test_the_agent_documents_a_change(tmp_path, template) -> None:  # noqa: F811
    """One line is added to the changelog of a real repository; a hostile title stays text, and the change is kept."""
    agent = example("agent", tmp_path).ChangelogAgent()
    async with open_workshop(tmp_path, template) as workshop:
        mended = FileChange(path="toy/numbers.py", content=b"def double(value):\n    return value * 2\n")
        change = ChangeSet(base_sha=workshop.base_sha, files=[mended], summary="It doubles.")
        inputs = {"change_set": change, "issue_title": "double adds\n# @everyone [x](http://x.test)"}
        outcome = await workshop.run(agent, inputs=inputs, with_model=False)
    files = {file.path: file.content.decode() for file in outcome.documentation.change_set.files}
    assert sorted(files) == ["docs/changes.md", "toy/numbers.py"]
    head, line = files["docs/changes.md"].split("\n", 1)
    assert head == "# Changes"
    assert line.startswith("- double adds")
    assert line.endswith("(#7)\n")
    assert line.count("\n") == 1
    assert "[x](http" not in line
    assert outcome.documentation.change_set.summary == "It doubles."


async def test_the_agent_says_where_there_is_nothing_to_document(tmp_path, template) -> None:  # noqa: F811
    """A change that takes the changelog away leaves no file to write to, and that is said."""
    agent = example("agent", tmp_path).ChangelogAgent()
    async with open_workshop(tmp_path, template) as workshop:
        change = ChangeSet(base_sha=workshop.base_sha, files=[FileChange(path="docs/changes.md", deleted=True)])
        outcome = await workshop.run(agent, inputs={"change_set": change}, with_model=False)
    assert outcome.documentation.nothing_to_document
    assert outcome.documentation.summary == "There is no docs/changes.md."


async def test_the_analyser_finds_what_is_no_json(tmp_path) -> None:
    """Run as a review runs it: the finding has the line and costs its points; the file that is JSON costs nothing."""
    analyser = example("analyser", tmp_path).JsonSyntax()
    root, base, scratch = (tmp_path / name for name in ("root", "base", "scratch"))
    for folder in (root, base, scratch):
        folder.mkdir()
    (root / "good.json").write_text('{"a": 1}\n')
    (root / "-bad.json").write_text('{\n  "a": 1,\n  "b" 2\n}\n')
    changed = ("-bad.json", "good.json")
    subject = Subject(root, base, changed, {path: range(1, 10) for path in changed})
    progress = TaskProgress(dispatch.LeaseReference(task=TASK, fencing_token=1), lambda *_: None)
    looked = await run_all((analyser,), subject, progress, ToolRunner(ProcessSandbox(unsafe=True), scratch))
    assert [(name, entry.path, entry.line, entry.points) for name, entry in looked.findings] == [
        ("json-syntax", "-bad.json", 3, 30)
    ]
    result = score(looked.findings, looked.runs)
    assert (result.score, result.passed, result.incomplete) == (70, False, False)


#: A repository whose tests are scripts: one passes, one fails, one prints what the runner writes.
SCRIPTS = {
    "tests/right.sh": 'test "$(sh lib/sum.sh 1 2)" = 3\n',
    "tests/wrong.sh": "echo 'pass tests/wrong.sh'; exit 1\n",
    "tests/lib/names.sh": "NAME=x\n",
    "lib/sum.sh": "echo $(($1 + $2))\n",
}


def test_the_toolchain_takes_scripts_from_recognition_to_verdicts(tmp_path) -> None:
    """A project is recognised, its tests are run in a fresh checkout, and verdicts come from the report alone."""
    toolchain = example("toolchain", tmp_path).ShellToolchain()
    rig = Rig(toolchain, tmp_path, SCRIPTS)
    rig.prepare()
    found = rig.run()
    assert found.complete, found.problem
    assert found.verdicts == {"tests/right.sh": PASSED, "tests/wrong.sh": FAILED}
    assert rig.run(["tests/right.sh"]).verdicts == {"tests/right.sh": PASSED}
    broken = rig.run(["tests/right.sh"], **{"lib/sum.sh": "echo 4\n"})
    assert (broken.complete, broken.verdicts) == (True, {"tests/right.sh": FAILED})


def test_the_toolchain_believes_no_run_that_was_cut_off(tmp_path) -> None:
    """A script that ends the runner leaves a report without its last line: nothing follows from it."""
    rig = Rig(example("toolchain", tmp_path).ShellToolchain(), tmp_path, SCRIPTS)
    rig.prepare()
    found = rig.run(["tests/right.sh"], **{"tests/right.sh": "kill -9 $PPID\n"})
    assert (found.complete, found.verdicts) == (False, {})
    assert found.problem.startswith("The run was ended by signal 9")


def test_the_toolchain_selects_and_names_tests(tmp_path) -> None:
    """Changed tests are the change's own, the others are near; what tests load is the harness."""
    toolchain = example("toolchain", tmp_path).ShellToolchain()
    rig = Rig(toolchain, tmp_path, SCRIPTS)
    chosen = toolchain.select(rig.project, rig.base, {"tests/right.sh": b"true\n", "lib/sum.sh": b""})
    assert (list(chosen.own), list(chosen.near)) == (["tests/right.sh"], ["tests/wrong.sh"])
    assert toolchain.is_harness("tests/lib/names.sh")
    assert toolchain.harness_changed("tests/lib/names.sh", b"", b"x")
    assert toolchain.own_tests("tests/right.sh", None, b"true\n").added == {"tests/right.sh"}
    assert toolchain.own_tests("tests/right.sh", b"true\n", None).removed == {"tests/right.sh"}


async def test_the_toolchains_run_works_in_the_sandbox(tmp_path) -> None:
    """The same command in the sandbox, where only the checkout may be written to, ends with the same report."""
    toolchain = example("toolchain", tmp_path).ShellToolchain()
    rig = Rig(toolchain, tmp_path, SCRIPTS)
    environment = rig.prepare()
    run = toolchain.test_run(rig.project, environment, ["tests/right.sh"])
    tree = environment.tree
    job = SandboxJob(run.command, cwd=tree, writable=[tree])
    result = await ProcessSandbox(unsafe=True).run(job)
    found = toolchain.read(rig.project, run, result, tree=tree)
    assert (found.complete, found.verdicts) == (True, {"tests/right.sh": PASSED}), (found.problem, result.output)
