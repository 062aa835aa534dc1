"""The toolchains' own analysers: run where they are, on both sides; where not, the review says why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from miyabi.coordinator.v1.result_pb2 import AnalyserRun, ReviewResult
from miyabi_agents.analysers.base import AnalyserError
from miyabi_agents.analysers.native.go import GoVet, Staticcheck
from miyabi_agents.analysers.native.javascript import Eslint, Tsc
from miyabi_agents.analysers.native.linter import Linter, Said
from miyabi_agents.analysers.native.rust import Clippy
from services.agents.tests.review.test_pull_requests import git, open_pull, review

TREE = Path("/tree")


def said(output: str, exit_code: int = 0, folder: str = ".") -> Said:
    """Return what a tool printed in a checkout."""
    return Said(output, exit_code, TREE, folder)


#: What each prints, as its documentation shows it, with the findings in it.
PRINTED: dict[str, tuple[Linter, Said, list[tuple[str, int, str, int]]]] = {
    "go vet": (
        GoVet(),
        said(
            '{\n\t"x": {\n\t\t"printf": [\n\t\t\t{\n\t\t\t\t"posn": "/tree/mod/a.go:5:24",\n\t\t\t\t"message": "wrong type"\n'
            "\t\t\t}\n\t\t]\n\t}\n}\n# x/in\nvet: in/b.go:3:23: undefined: nothing\n",
            1,
            "mod",
        ),
        [("mod/a.go", 5, "printf", 10), ("mod/in/b.go", 3, "compile", 30)],
    ),
    "staticcheck": (
        Staticcheck(),
        said(
            'warning: x\n{"code":"SA4006","severity":"error","location":{"file":"/tree/a.go","line":7,"column":2},'
            '"message":"never used"}\n',
            1,
        ),
        [("a.go", 7, "SA4006", 10)],
    ),
    "clippy": (
        Clippy(),
        said(
            '{"reason":"compiler-artifact"}\n{"reason":"compiler-message","message":{"message":"zero","level":"warning",'
            '"code":{"code":"clippy::len_zero"},"spans":[{"is_primary":true,"file_name":"src/lib.rs","line_start":4}]}}\n'
        ),
        [("src/lib.rs", 4, "clippy::len_zero", 10)],
    ),
    "eslint": (
        Eslint(),
        said(
            '(node) Warning: old\n[{"filePath":"/tree/web/a.js","messages":[{"ruleId":"no-undef","severity":2,"line":3,'
            '"message":"undefined"},{"ruleId":null,"severity":1,"message":"File ignored"}]}]\n',
            1,
            "web",
        ),
        [("web/a.js", 3, "no-undef", 10), ("web/a.js", 0, "left-out", 0)],
    ),
    "tsc": (
        Tsc(),
        said("src/a.ts(3,5): error TS2322: Type 'string' is not assignable.\n", 2, "web"),
        [("web/src/a.ts", 3, "TS2322", 30)],
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_what_each_prints_is_read(name: str) -> None:
    """Places are those of the repository, whatever folder the project is in; warnings beside the report are none."""
    linter, printed, expected = PRINTED[name]
    assert [(entry.path, entry.line, entry.rule, entry.points) for entry in linter.read(printed)] == expected


@pytest.mark.parametrize("linter", [GoVet(), Staticcheck(), Clippy(), Eslint(), Tsc()], ids=lambda one: one.name)
def test_an_end_without_a_report_is_no_verdict(linter: Linter) -> None:
    """Words that are no report, and a status that says that it did not work."""
    with pytest.raises(AnalyserError, match="cannot find"):
        linter.read(said("cannot find the project\n", 3))


def run_of(result: ReviewResult, name: str) -> AnalyserRun:
    """Return how an analyser ended."""
    return next(run for run in result.analysers if run.analyser == name)


def base_has(workshop: Any, files: Mapping[str, str]) -> None:
    """Let base have files, before there is a pull request."""
    remote = workshop.folder / "remote/acme/toy.git"
    for path, text in files.items():
        (remote / path).parent.mkdir(parents=True, exist_ok=True)
        (remote / path).write_text(text)
    git(remote, "add", "-A")
    git(remote, "commit", "-q", "-m", "project")


async def test_code_of_no_project_is_said_to_be_unchecked(workshop: Any) -> None:
    """A script in a repository of another language has the analysers that need no project, and the rest say so."""
    open_pull(workshop, lambda path: (path / "a.js").write_text("module.exports = 1\n"))
    result = await review(workshop)
    assert list(run_of(result, "eslint").notes) == ["not run: no project holds the files"]
    assert (run_of(result, "ast-grep").completed, result.incomplete, result.score) == (True, False, 100)
    assert "eslint - not run: no project holds the files" in workshop.gateway.comments["review"]


async def test_a_change_of_what_the_environment_holds_is_not_checked_in_base_s(workshop: Any) -> None:
    """What the change newly imports is not there, and that is no finding: the tools were not run, and that is said."""
    base_has(workshop, {"go.mod": "module x\n\ngo 1.22\n", "a.go": "package x\n"})

    def edit(path: Path) -> None:
        (path / "go.mod").write_text("module x\n\ngo 1.22\n\nrequire example.com/new v1.0.0\n")
        (path / "a.go").write_text('package x\n\nimport _ "example.com/new"\n')

    open_pull(workshop, edit)
    result = await review(workshop)
    why = "not run: the change edits go.mod, and the environment at hand is base's"
    assert [list(run_of(result, name).notes) for name in ("go vet", "staticcheck")] == [[why]] * 2
    assert (list(result.findings), result.incomplete) == ([], False)


@pytest.mark.slow("compiles with Go")
@pytest.mark.timeout(300)
async def test_go_is_vetted(workshop: Any) -> None:
    """What the change adds is found, what base has is not; a tool that the machine has not says so."""
    base_has(
        workshop, {"go.mod": "module x\n\ngo 1.22\n", "a.go": "package x\n\nfunc F(a int) int { a = a; return a }\n"}
    )
    text = "package x\n\nfunc F(a int) int { a = a; return a }\n\nfunc G(b int) int { b = b; return b }\n"
    open_pull(workshop, lambda path: (path / "a.go").write_text(text))
    result = await review(workshop)
    assert [(entry.path, entry.line, entry.analyser, entry.rule) for entry in result.findings] == [
        ("a.go", 5, "go vet", "assign")
    ]
    assert run_of(result, "go vet").version.startswith("go version")
    other = run_of(result, "staticcheck")
    assert other.completed or list(other.notes) == ["not run: staticcheck is not on this machine"]
    assert (result.score, result.incomplete) == (90, False)


@pytest.mark.slow("compiles with Go")
@pytest.mark.timeout(300)
async def test_go_that_does_not_compile_is_a_finding(workshop: Any) -> None:
    """The compiler's words are the finding; the review has its verdict."""
    base_has(workshop, {"go.mod": "module x\n\ngo 1.22\n", "a.go": "package x\n"})
    open_pull(workshop, lambda path: (path / "a.go").write_text("package x\n\nfunc F() int { return nothing }\n"))
    result = await review(workshop)
    assert [(entry.line, entry.rule, entry.message) for entry in result.findings] == [
        (3, "compile", "undefined: nothing")
    ]
    assert (result.score, result.incomplete) == (70, False)


@pytest.mark.slow("compiles with cargo")
@pytest.mark.timeout(300)
async def test_rust_is_linted_and_cannot_be_talked_down(workshop: Any) -> None:
    """An attribute of the change that allows everything has no say."""
    manifest = '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n'
    code = "pub fn f(v: &[i32]) -> bool {\n    v.is_empty()\n}\n"
    base_has(workshop, {"Cargo.toml": manifest, "src/lib.rs": code})
    added = "\n#[allow(clippy::all)]\npub fn g(v: &[i32]) -> bool {\n    v.len() == 0\n}\n"
    open_pull(workshop, lambda path: (path / "src/lib.rs").write_text(code + added))
    result = await review(workshop)
    found = {(entry.analyser, entry.line, entry.rule) for entry in result.findings}
    assert ("clippy", 7, "clippy::len_zero") in found or list(run_of(result, "clippy").notes) == [
        "not run: clippy is not on this machine beside cargo"
    ]
    assert not result.incomplete
