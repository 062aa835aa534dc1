"""A repository's own configuration keeps no analyser from a verdict: what cannot be used is said, and rules of ours are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.analysers.base import Analyser, ToolRunner
from miyabi_agents.analysers.changed.change_set import of_change_set
from miyabi_agents.analysers.changed.exhibits import lay_out
from miyabi_agents.analysers.python.bandit import Bandit
from miyabi_agents.analysers.python.mypy import Mypy
from miyabi_agents.analysers.python.ruff import Ruff
from miyabi_agents.analysers.suite import Looked, run_all
from miyabi_agents.sandbox import ProcessSandbox
from services.agents.tests.test_review import Files, Silent

UNUSED, WRONG = b"import os\n", b"x: int = 'a'\n"


async def look(
    folder: Path, *analysers: Analyser, change: dict[str, bytes], base: dict[str, bytes] | None = None
) -> Looked:
    """Have some analysers look at a change."""
    files, there = [FileChange(path=path, content=content) for path, content in change.items()], Files(base or {})
    laid = lay_out(of_change_set(files, there), there, folder / "exhibits")
    (folder / "scratch").mkdir()
    silent: Any = Silent()
    return await run_all(analysers, laid.subject, silent, ToolRunner(ProcessSandbox(unsafe=True), folder / "scratch"))


def rules(looked: Looked) -> set[tuple[str, str]]:
    """Return where which rule found something."""
    return {(entry.path, entry.rule) for _, entry in looked.findings}


#: Configurations that this ruff cannot use, with a word of what is said of each.
UNUSABLE = {
    "pinned": ({"ruff.toml": b"required-version = '<0.1'\n"}, "does not match the running version"),
    "removed rule": ({"pyproject.toml": b"[tool.ruff.lint]\nselect = ['ZZZ999']\n"}, "Unknown rule selector"),
    "unknown option": ({".ruff.toml": b"no-such-option = 3\n"}, "unknown field"),
    "no TOML": ({"ruff.toml": b"lint.select = ['E\n"}, "ruff.toml"),
    "extends what is missing": ({"ruff.toml": b"extend = 'nowhere.toml'\n"}, "No such file"),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_rules_that_this_ruff_cannot_use_give_way_to_safe_ones(tmp_path: Path, name: str) -> None:
    """The change is linted all the same, and the run says by which rules and why."""
    base, said = UNUSABLE[name]
    looked = await look(tmp_path, Ruff(), change={"a.py": UNUSED}, base=base)
    (run,) = looked.runs
    assert (rules(looked), run.completed, run.error) == ({("a.py", "F401")}, True, "")
    assert len(run.notes) == 1
    assert "safe default ones were used" in run.notes[0]
    assert said in run.notes[0]


async def test_deprecated_options_are_still_the_repository_s_own(tmp_path: Path) -> None:
    """Ruff warns of them beside its findings; its rules count, and no default does."""
    looked = await look(
        tmp_path, Ruff(), change={"a.py": b"x = 1\nimport os\n"}, base={"ruff.toml": b"select = ['E402']\n"}
    )
    assert (rules(looked), list(looked.runs[0].notes)) == ({("a.py", "E402")}, [])


async def test_each_package_of_a_monorepo_has_its_own_rules(tmp_path: Path) -> None:
    """The nearest configuration counts; one that cannot be used costs the other packages nothing."""
    base = {
        "one/ruff.toml": b"lint.select = ['E402']\n",
        "two/pyproject.toml": b"[tool.ruff]\nrequired-version = '<0.1'\n",
    }
    change = dict.fromkeys(("one/a.py", "two/sub/a.py", "three/a.py"), b"x = 1\nimport os\n")
    looked = await look(tmp_path, Ruff(), change=change, base=base)
    assert rules(looked) == {
        ("one/a.py", "E402"),
        ("two/sub/a.py", "E402"), ("two/sub/a.py", "F401"),
        ("three/a.py", "E402"), ("three/a.py", "F401"),
    }  # fmt: skip
    assert len(looked.runs[0].notes) == 1
    assert "two/pyproject.toml" in looked.runs[0].notes[0]


#: Files that mypy does not take together, each with an error of its own.
MONOREPOS = {
    "scripts of one name": ("one-a/setup.py", "two-b/setup.py"),
    "three of them": ("a-1/setup.py", "b-2/setup.py", "c-3/setup.py", "plain/x.py"),
    "a package that is none by its name": ("my-lib/__init__.py", "my-lib/core.py", "other/core.py"),
    "packages below such folders": (
        "lib-a/pkg/__init__.py",
        "lib-a/pkg/x.py",
        "lib-b/pkg/__init__.py",
        "lib-b/pkg/x.py",
    ),
    "a module beside its package": ("tool.py", "tool/__init__.py"),
    "a stub beside its module": ("m/shape.py", "m/shape.pyi"),
}


@pytest.mark.parametrize("name", MONOREPOS)
async def test_files_of_one_module_name_are_all_checked(tmp_path: Path, name: str) -> None:
    """Each file's error is found in it; none of them keeps mypy from a verdict."""
    looked = await look(tmp_path, Mypy(), change=dict.fromkeys(MONOREPOS[name], WRONG))
    assert (looked.runs[0].error, looked.runs[0].completed) == ("", True)
    assert rules(looked) == {(path, "assignment") for path in MONOREPOS[name]}


@pytest.mark.parametrize(
    "base",
    [
        {"mypy.ini": b"[mypy]\nplugins = no_such_plugin\n"},
        {"mypy.ini": b"[mypy]\nno_such_option = maybe\npython_version = 2.7\n"},
        {"setup.cfg": b"[mypy]\nplugins = evil.py:plugin\n", "evil.py": b"raise SystemExit(3)\n"},
        {"pyproject.toml": b"[tool.mypy\nno TOML"},
    ],
    ids=["plugin that is missing", "unknown options", "plugin of the repository", "no TOML"],
)
async def test_mypy_s_configuration_is_not_used_and_that_is_said(tmp_path: Path, base: dict[str, bytes]) -> None:
    """Types are checked by options of ours, whatever the repository's own say."""
    looked = await look(tmp_path, Mypy(), change={"a.py": WRONG}, base=base)
    assert (rules(looked), looked.runs[0].error) == ({("a.py", "assignment")}, "")
    assert "were not used" in looked.runs[0].notes[0]


async def test_code_that_cannot_be_parsed_costs_the_other_files_nothing(tmp_path: Path) -> None:
    """It is a finding, by which the review has its verdict; what else the analysers found is there too."""
    change = {
        "broken.py": b"def f(:\n",
        "a.py": b"import os\nx: int = 'a'\n",
        "b.py": b"def f(x):\n    return eval(x)\n",
    }
    looked = await look(tmp_path, Ruff(), Mypy(), Bandit(), change=change)
    assert [run.error for run in looked.runs] == ["", "", ""]
    assert rules(looked) >= {
        ("broken.py", "invalid-syntax"), ("broken.py", "syntax"), ("a.py", "F401"), ("a.py", "assignment"), ("b.py", "B307"),
    }  # fmt: skip
    assert list(looked.runs[2].notes) == ["broken.py: not looked at, since it cannot be parsed, which is a finding"]


async def test_base_s_own_broken_file_keeps_mypy_from_nothing(tmp_path: Path) -> None:
    """A file that the change does not touch, and that cannot be parsed, is not followed."""
    base = {"lib.py": b"def f(:\n"}
    looked = await look(tmp_path, Mypy(), change={"a.py": b"import lib\n" + WRONG}, base=base)
    assert (rules(looked), looked.runs[0].error) == ({("a.py", "assignment")}, "")


async def test_python_that_only_an_old_version_reads_is_no_pass(tmp_path: Path) -> None:
    """Base is as broken, so that no finding is the change's: bandit says which file it has no verdict on."""
    before, after = b"print 'a'\n", b"print 'a'\nprint 'b'\n"
    looked = await look(tmp_path, Bandit(), change={"old.py": after}, base={"old.py": before})
    assert looked.runs[0].error == "no verdict on old.py: syntax error while parsing AST from file"
    assert "have a person review" in looked.remedy
