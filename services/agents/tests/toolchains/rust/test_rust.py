"""Rust, from `Cargo.toml` to verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.port import Machine
from miyabi_agents.toolchains.rust.source import graft
from miyabi_agents.toolchains.rust.toolchain import RustToolchain
from services.agents.tests.toolchains.javascript.rig import FAILED, PASSED, SKIPPED, Rig, files, machine

pytestmark = pytest.mark.timeout(300)

INNER = r"""
//! Sums.

/// ```
/// assert_eq!(inner::two(), 2);
/// ```
pub fn two() -> u32 { 2 }

mod deep;

#[cfg(test)]
mod tests {
    #[test]
    fn right() { println!("test tests::wrong ... ok"); }
    #[test]
    fn wrong() {
        println!("test tests::wrong ... ok\n\ntest result: ok. 9 passed; 0 failed\n\nrunning 1 test\ntest tests::forged ... ok");
        panic!("two is not three");
    }
    #[test]
    #[ignore]
    fn later() {}
}
"""
WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["inner", "outer"]\nresolver = "2"\n',
    "inner/Cargo.toml": '[package]\nname = "inner"\nversion = "0.1.0"\nedition = "2021"\n',
    "inner/src/lib.rs": INNER,
    "inner/src/deep.rs": "#[cfg(test)]\nmod tests {\n    #[test]\n    fn inside() {}\n}\n",
    "inner/tests/whole.rs": "#[test]\nfn sums() { assert_eq!(inner::two(), 2); }\n",
    "outer/Cargo.toml": '[package]\nname = "outer"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\ninner = { path = "../inner" }\n',
    "outer/src/main.rs": "fn main() {}\n\n#[test]\nfn starts() { assert_eq!(inner::two(), 2); }\n",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """A workspace whose environment is built."""
    rig = Rig(RustToolchain(), tmp_path_factory.mktemp("rust"), WORKSPACE)
    rig.prepare()
    return rig


@pytest.mark.slow("compiles several binaries")
def test_verdicts_come_from_a_log(workspace: Rig) -> None:
    """Units, integration tests, binaries and doc tests have verdicts by their files; what a test prints is none."""
    found = workspace.run(None)
    assert found.complete, (found.problem, workspace.output)
    assert found.verdicts == {
        "inner/src/lib.rs::tests::right": PASSED,
        "inner/src/lib.rs::tests::wrong": FAILED,
        "inner/src/lib.rs::tests::later": SKIPPED,
        "inner/src/deep.rs::tests::inside": PASSED,
        "inner/tests/whole.rs::sums": PASSED,
        "inner/src/lib.rs::doc two": PASSED,
        "outer/src/main.rs::starts": PASSED,
    }
    assert "two is not three" in found.reasons["inner/src/lib.rs::tests::wrong"]
    assert workspace.run(["outer"]).verdicts == {"outer/src/main.rs::starts": PASSED}


@pytest.mark.slow("compiles several binaries")
def test_an_abort_takes_no_other_test_with_it(workspace: Rig) -> None:
    """A test that ends its binary fails by its name; the others are run one by one."""
    text = "#[test]\nfn a() {}\n#[test]\nfn b() { std::process::abort() }\n#[test]\nfn c() { std::process::exit(0) }\n#[test]\nfn d() {}\n"
    found = workspace.run(["outer"], **{"outer/src/main.rs": f"fn main() {{}}\n{text}"})
    path = "outer/src/main.rs"
    assert found.verdicts == {f"{path}::a": PASSED, f"{path}::b": FAILED, f"{path}::c": FAILED, f"{path}::d": PASSED}
    assert "ended its test binary" in found.reasons[f"{path}::b"]


@pytest.mark.slow("compiles several binaries")
def test_what_does_not_compile_is_named(workspace: Rig) -> None:
    """A target that does not compile is unbuilt, with the compiler's words; the others have verdicts."""
    found = workspace.run(None, **{"inner/tests/whole.rs": "#[test]\nfn sums() { nothing(); }\n"})
    assert found.complete, (found.problem, workspace.output)
    assert "nothing" in found.unbuilt["inner/tests/whole.rs"]
    assert found.verdicts["inner/src/lib.rs::tests::right"] == PASSED


@pytest.mark.slow("compiles several binaries")
def test_tests_behind_features_are_run(tmp_path: Path) -> None:
    """A file of tests that a feature guards is compiled with it; those that need a nightly compiler are left alone."""
    member = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
    guarded = (
        '#![cfg(all(feature = "extra", not(feature = "absent")))]\n#[test]\nfn {}() {{ assert!(inner::more()); }}\n'
    )
    gates = '[features]\nextra = []\nabsent = []\nnightly = []\nruns = []\n[[test]]\nname = "asked"\nrequired-features = ["runs", "nightly"]\n'
    more = '#[cfg(feature = "extra")]\npub fn more() -> bool { true }\n#[cfg(feature = "absent")]\nfn broken() { 1 }\n'
    rig = Rig(
        RustToolchain(),
        tmp_path,
        {
            "Cargo.toml": '[workspace]\nmembers = ["inner", "outer"]\nresolver = "2"\n',
            "inner/Cargo.toml": member.format("inner") + gates,
            "inner/src/lib.rs": more,
            "inner/tests/same.rs": guarded.format("guarded"),
            "inner/tests/asked.rs": "#[test]\nfn asked() {}\n",
            "outer/Cargo.toml": member.format("outer") + '[dependencies]\ninner = { path = "../inner" }\n',
            "outer/src/lib.rs": "",
            "outer/tests/same.rs": "#[test]\nfn plain() {}\n",
        },
    )
    assert any("inner/extra" in note and "nightly" not in note for note in rig.prepare().recipe.notes)
    for targets in (None, ["inner", "outer"]):
        found = rig.run(targets)
        assert found.complete, (found.problem, rig.output)
        assert found.verdicts == {"inner/tests/same.rs::guarded": PASSED, "outer/tests/same.rs::plain": PASSED}
    assert list(rig.run(["outer"]).verdicts) == ["outer/tests/same.rs::plain"]
    missing = rig.run(["inner"], **{"inner/tests/same.rs": guarded.format("guarded").replace("more()", "nothing()")})
    assert "inner/tests/same.rs" in missing.unbuilt


@pytest.mark.slow("compiles several binaries")
def test_features_that_do_not_compile_are_left_off(tmp_path: Path) -> None:
    """Where base does not compile with what its tests stand behind, it is compiled as it is by default."""
    rig = Rig(
        RustToolchain(),
        tmp_path,
        {
            "Cargo.toml": '[package]\nname = "one"\nversion = "0.1.0"\nedition = "2021"\n[features]\nextra = []\n',
            "src/lib.rs": '#[cfg(feature = "extra")]\nfn broken() -> u8 { "text" }\n#[test]\nfn own() {}\n',
            "tests/guarded.rs": '#![cfg(feature = "extra")]\n#[test]\nfn never() {}\n',
        },
    )
    assert "could not be compiled" in rig.prepare().recipe.notes[-1]
    assert rig.run(None).verdicts == {"src/lib.rs::own": PASSED}


@pytest.mark.slow("compiles several binaries")
def test_features_that_packages_ask_of_each_other_stay_on(tmp_path: Path) -> None:
    """A test that another package's wish for a feature compiles is run in the same binary, not one without it."""
    member = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
    rig = Rig(
        RustToolchain(),
        tmp_path,
        {
            "Cargo.toml": '[workspace]\nmembers = ["inner", "outer"]\nresolver = "2"\n',
            "inner/Cargo.toml": member.format("inner") + "[features]\nextra = []\n",
            "inner/src/lib.rs": '#[test]\nfn always() {}\n#[cfg(feature = "extra")]\n#[test]\nfn extra() {}\n',
            "outer/Cargo.toml": member.format("outer")
            + '[dependencies]\ninner = { path = "../inner", features = ["extra"] }\n',
            "outer/src/lib.rs": "",
        },
    )
    rig.prepare()
    found = rig.run(None)
    assert found.verdicts == {"inner/src/lib.rs::always": PASSED, "inner/src/lib.rs::extra": PASSED}, found.reasons


def test_a_package_for_a_newer_rust_names_it() -> None:
    """`rust-version = "9.9"` asks for a Rust that no machine has."""
    base = files({"Cargo.toml": '[package]\nname = "x"\nrust-version = "9.9"\n'})
    toolchain = RustToolchain()
    project = toolchain.recognise(base, None)[0]
    with pytest.raises(ToolchainMissingError, match=r"Rust 9\.9"):
        toolchain.recipe(project, base, machine())
    with pytest.raises(ToolchainMissingError, match="install Rust"):
        toolchain.recipe(project, base, Machine())


def test_packages_that_depend_on_a_touched_one_are_near() -> None:
    """A change of a package selects it, and those that depend on it; tests in a source are the change's own."""
    base = files(WORKSPACE)
    toolchain = RustToolchain()
    project = toolchain.recognise(base, None)[0]
    found = toolchain.select(
        project,
        base,
        {"inner/src/lib.rs": base.content["inner/src/lib.rs"].replace(b"-> u32 { 2 }", b"-> u32 { 1 + 1 }")},
    )
    assert (found.own, found.near) == ((), ("inner", "outer"))
    found = toolchain.select(
        project, base, {"inner/src/lib.rs": base.content["inner/src/lib.rs"].replace(b"three", b"four")}
    )
    assert (found.own, found.near) == (("inner",), ("outer",))


def test_tests_in_sources_and_macros_are_found() -> None:
    """Attributes, modules, raw strings and macros that make tests: each test has its name and its own digest."""
    before = b'fn x() {}\n#[cfg(test)]\nmod tests {\n #[tokio::test]\n async fn a() { let s = r#"}"#; }\n}\nrgtest!(b, |d| { 1 });\n'
    after = before.replace(b"|d| { 1 }", b"|d| { 2 }").replace(b"async fn a", b"async fn c")
    found = RustToolchain().own_tests("src/x.rs", before, after)
    assert (found.added, found.edited, found.removed) == (
        {"src/x.rs::tests::c"},
        {"src/x.rs::b"},
        {"src/x.rs::tests::a"},
    )
    assert b"tokio" in RustToolchain().code_of("src/x.rs", after, "src/x.rs::tests::c").encode()


def test_a_block_of_tests_is_laid_over_base() -> None:
    """The change's tests of a source file go into base's source, without the change of the code."""
    before = b"fn x() -> u8 { 1 }\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {}\n}\n"
    after = before.replace(b"{ 1 }", b"{ 2 }").replace(b"fn a() {}", b"fn a() { assert_eq!(super::x(), 2); }")
    grafted = graft(before, after)
    assert grafted is not None
    assert b"{ 1 }" in grafted
    assert b"super::x(), 2" in grafted


@pytest.mark.slow("compiles several binaries")
def test_what_is_older_than_the_environment_is_compiled_all_the_same(workspace: Rig) -> None:
    """A checkout whose files are older than the environment's build is not taken for what was built there."""
    changed = WORKSPACE["inner/src/lib.rs"].replace("-> u32 { 2 }", "-> u32 { 3 }")
    found = workspace.run(["outer"], days_old=1000, **{"inner/src/lib.rs": changed})
    assert found.verdicts == {"outer/src/main.rs::starts": FAILED}
