"""`miyabi try`: a checkout through the whole pipeline, with a simulated model that knows the fix."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest
import yaml
from checkouts import SMALL, git, make_checkout
from test_commands import miyabi

from miyabi_cli.errors import CliError
from miyabi_cli.trial.issue import TrialIssue, read_issue

TITLE = "add() loses the sign"
#: Imports what a submodule holds.
NEW_TEST = "import small\nfrom lib.value import ONE\n\n\ndef test_sign():\n    assert small.add(-ONE, -2) == -3\n"


def scenarios() -> list[dict[str, object]]:
    """Return what the model says on the issue, conversation by conversation."""
    triage = {
        "type": "bug", "priority": "P2", "severity": "Sev.3", "complexity": "small", "size": "S", "area": "",
        "confidence": 0.9, "analysis": "A bug.",
    }  # fmt: skip
    plan = {"tasks": [{"title": "Fix", "description": "Fix.", "depends_on": []}], "files": ["small.py"], "notes": ""}
    edit = {"path": "small.py", "old_text": "abs(a + b)", "new_text": "a + b"}
    turns = {
        "record_triage": [[("record_triage", triage)]],
        "record_plan": [[("record_plan", plan)]],
        "finish_change": [
            [("replace_in_file", edit)],
            [("finish_change", {"summary": "The sign stays.", "changed_expectations": []})],
        ],
        "finish_tests": [
            [("create_file", {"path": "tests/test_sign.py", "content": NEW_TEST})],
            [("finish_tests", {"summary": "A test.", "tests": [], "changed_expectations": []})],
        ],
    }
    return [
        {
            "name": tool,
            "when": {"tool": tool, "contains": [TITLE]},
            "turns": [[{"tool": name, "input": given} for name, given in turn] for turn in said],
        }
        for tool, said in turns.items()
    ]


@pytest.mark.slow("starts the whole system and takes an issue through every step")
@pytest.mark.timeout(300)
async def test_a_checkout_comes_back_as_a_branch(tmp_path: Path) -> None:
    """Branch, diff and evidence are where it says; the checkout is as it was, with its submodule, and no more is left."""
    folder = make_checkout(tmp_path / "small", SMALL)
    lib = make_checkout(tmp_path / "lib", {"value.py": "ONE = 1\n"})
    git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), "tests/lib")
    git(folder, "commit", "--quiet", "--message", "Submodule")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios/fix.yaml").write_text(yaml.safe_dump(scenarios()))
    (tmp_path / "issue.md").write_text(f"# {TITLE}\n\n`small.add(-1, -2)` gives 3. See small.py.\n")
    out = tmp_path / "out"
    code, output, errors = await miyabi(
        "try", str(folder), "--issue", str(tmp_path / "issue.md"), "--scenarios", str(tmp_path / "scenarios"),
        "--data", str(out), MIYABI_DATA_DIR=str(tmp_path / "data"), ANTHROPIC_API_KEY="", GITHUB_TOKEN="",
    )  # fmt: skip
    assert code == 0, output + errors
    assert sorted(path.name for path in out.iterdir()) == ["change.diff", "evidence.md", "repository.git"]
    (branch,) = git(out / "repository.git", "branch", "--list", "--format=%(refname:short)", "miyabi/*").split()
    assert branch in output
    assert git(out / "repository.git", "merge-base", "trunk", branch) == git(folder, "rev-parse", "HEAD")
    assert git(folder, "status", "--porcelain") == ""
    git(folder, "apply", "--index", str(out / "change.diff"))
    assert git(folder, "write-tree") == git(out / "repository.git", "rev-parse", f"{branch}^{{tree}}")
    assert "test_sign" in (out / "evidence.md").read_text()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["environments"]


def test_an_issue_is_a_file_or_words(tmp_path: Path) -> None:
    """The first line is the title, unless one is given; what is no file is the text."""
    file = tmp_path / "issue.md"
    file.write_text("# Title\n\nBody\n")
    assert read_issue(str(file), "") == TrialIssue("Title", "Body")
    assert read_issue("Just words", "") == TrialIssue("Just words", "Just words")
    assert read_issue(str(file), "Mine") == TrialIssue("Mine", "# Title\n\nBody\n")


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * 70_000])
def test_what_is_no_issue_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, too long for GitHub, no text: one sentence each."""
    file = tmp_path / "issue.md"
    file.write_bytes(content)
    with pytest.raises(CliError, match="--issue"):
        read_issue(str(file), "")


async def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    """Results go into an empty folder only; what would be written over is left alone."""
    folder = make_checkout(tmp_path / "small", SMALL)
    code, _, errors = await miyabi("try", str(folder), "--issue", "words", "--data", str(folder))
    assert (code, "is not empty" in errors) == (2, True)


@pytest.mark.slow("starts the whole system")
@pytest.mark.timeout(300)
async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    """Every process that was started ends with the command, and its folders go; the exit code is that of Ctrl-C."""
    folder = make_checkout(tmp_path / "small", SMALL)
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                pass
        writer.close()

    # A model that says nothing keeps the issue under way until the signal comes.
    model = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    port = model.sockets[0].getsockname()[1]
    environment = {
        **os.environ, "MIYABI_DATA_DIR": str(tmp_path / "data"), "ANTHROPIC_API_KEY": "test-key",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "miyabi_cli", "try", str(folder), "--issue", "Anything", env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    while b"accepted" not in (line := await process.stdout.readline()):
        assert line, "it ended early"
    await asked.wait()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    await process.stdout.read()
    model.close()
    assert await process.wait() == 130
    assert len(children) >= 6
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    assert list((tmp_path / "data/trials").iterdir()) == []
