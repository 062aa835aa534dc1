"""Go, from `go.mod` to verdicts."""

from __future__ import annotations

import pytest

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.go.toolchain import GoToolchain
from miyabi_agents.toolchains.port import Machine
from services.agents.tests.toolchains.javascript.rig import FAILED, PASSED, SKIPPED, Rig, files, machine

pytestmark = pytest.mark.timeout(300)

TESTS = r"""
package toy

import (
	"fmt"
	"testing"
)

func TestRight(t *testing.T) {
	fmt.Println("--- FAIL: TestRight (0.00s)")
	t.Run("a b", func(t *testing.T) {})
}

func TestWrong(t *testing.T) {
	fmt.Println("\n--- PASS: TestWrong (0.00s)\nPASS\nok  \texample.com/toy\t0.001s")
	fmt.Println(`{"Action":"pass","Package":"example.com/toy","Test":"TestWrong"}`)
	t.Fatal("two is not three")
}

func TestLater(t *testing.T) { t.Skip("later") }

func ExampleSum() {
	fmt.Println(3)
	// Output: 3
}

func FuzzSum(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(t *testing.T, n int) {})
}
"""
MODULE = {
    "go.mod": "module example.com/toy\n\ngo 1.20\n",
    "toy.go": "package toy\n\nfunc Sum() int { return 3 }\n",
    "toy_test.go": TESTS,
    "inner/inner.go": 'package inner\n\nimport "example.com/toy"\n\nfunc Two() int { return toy.Sum() }\n',
    "inner/inner_test.go": 'package inner\n\nimport "testing"\n\nfunc TestInner(t *testing.T) { Two() }\n',
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A module whose environment is built."""
    rig = Rig(GoToolchain(), tmp_path_factory.mktemp("go"), MODULE)
    rig.prepare()
    return rig


@pytest.mark.slow("compiles the standard library into a cache of its own")
def test_verdicts_come_from_marked_lines(module: Rig) -> None:
    """Subtests, examples and fuzz seeds have verdicts; what a test prints is none."""
    found = module.run(None)
    assert found.complete, (found.problem, module.output)
    assert found.verdicts == {
        "TestRight": PASSED,
        "TestRight/a_b": PASSED,
        "TestWrong": FAILED,
        "TestLater": SKIPPED,
        "ExampleSum": PASSED,
        "FuzzSum": PASSED,
        "FuzzSum/seed#0": PASSED,
        "inner.TestInner": PASSED,
    }
    assert "two is not three" in found.reasons["TestWrong"]
    assert module.run(["inner"]).verdicts == {"inner.TestInner": PASSED}


@pytest.mark.slow("compiles the standard library into a cache of its own")
def test_a_panic_takes_no_other_test_with_it(module: Rig) -> None:
    """A test that panics, or exits, fails by its name; those after it are run without it."""
    text = """
    package toy

    import ("os"; "testing")

    func TestA(t *testing.T) {}
    func TestB(t *testing.T) { panic("boom") }
    func TestC(t *testing.T) {}
    func TestD(t *testing.T) { os.Exit(3) }
    func TestE(t *testing.T) {}
    """
    found = module.run(["."], **{"toy_test.go": text})
    assert found.complete, (found.problem, module.output)
    assert found.verdicts == {"TestA": PASSED, "TestB": FAILED, "TestC": PASSED, "TestD": FAILED, "TestE": PASSED}
    assert "boom" in found.reasons["TestB"]


@pytest.mark.slow("compiles the standard library into a cache of its own")
def test_what_does_not_compile_is_named(module: Rig) -> None:
    """A package that does not compile is unbuilt, with the compiler's words; the others have verdicts."""
    found = module.run(None, **{"inner/inner.go": "package inner\n\nfunc Two() int { return nothing }\n"})
    assert found.complete, (found.problem, module.output)
    assert "undefined: nothing" in found.unbuilt["inner"].partition("\n")[0]
    assert found.verdicts["TestRight"] == PASSED


def test_a_module_for_a_newer_go_names_it() -> None:
    """`go 1.99` asks for a Go that no machine has: the reason says which, and how to get it."""
    base = files({"go.mod": "module x\n\ngo 1.99\n"})
    toolchain = GoToolchain()
    project = toolchain.recognise(base, None)[0]
    with pytest.raises(ToolchainMissingError, match=r"Go 1\.99"):
        toolchain.recipe(project, base, machine())
    with pytest.raises(ToolchainMissingError, match="install Go"):
        toolchain.recipe(project, base, Machine())


def test_modules_and_workspaces_are_recognised() -> None:
    """Each module is a project; one that a workspace uses is built with it, one below testdata is none."""
    base = files(
        {
            "go.mod": "module example.com/a\ngo 1.22\n",
            "tools/go.mod": "module example.com/a/tools\n",
            "go.work": "go 1.22\n\nuse (\n\t.\n)\n",
            "testdata/x/go.mod": "module x\n",
        }
    )
    found = {project.root: project.facts["workspace"] for project in GoToolchain().recognise(base, None)}
    assert found == {".": "go.work", "tools": ""}


def test_packages_that_import_a_touched_one_are_near() -> None:
    """A change of a package selects its tests, and those of packages that import it."""
    base = files(MODULE)
    toolchain = GoToolchain()
    project = toolchain.recognise(base, None)[0]
    found = toolchain.select(project, base, {"toy.go": b"package toy\n"})
    assert (found.own, found.near) == ((), (".", "inner"))
    found = toolchain.select(project, base, {"inner/inner_test.go": b"package inner\n"})
    assert (found.own, found.near) == (("inner",), ())


def test_a_table_belongs_to_the_tests_that_use_it() -> None:
    """A case that is added to a table at the top of the file edits the test that goes through it, and no other."""
    before = b'package a\n\nvar cases = []string{"a"}\n\nfunc TestA(t *testing.T) { for range cases {} }\n\nfunc TestB(t *testing.T) {}\n'
    after = before.replace(b'"a"', b'"a", "}"') + b"\nfunc TestC(t *testing.T) { /* } */ }\n"
    found = GoToolchain().own_tests("x/a_test.go", before, after)
    assert (found.added, found.edited, found.removed) == ({"x.TestC"}, {"x.TestA"}, frozenset())
    assert GoToolchain().code_of("x/a_test.go", after, "x.TestC").startswith("func TestC")


def test_names_lead_to_functions_and_packages() -> None:
    """A subtest belongs to its function, a function to its package's folder."""
    toolchain = GoToolchain()
    assert toolchain.group_of("v1.2/x.TestA/a.b/c") == "v1.2/x.TestA"
    assert toolchain.file_of("v1.2/x.TestA/a.b/c") == "v1.2/x"
    assert (toolchain.group_of("TestA/x"), toolchain.file_of("TestA/x")) == ("TestA", ".")
