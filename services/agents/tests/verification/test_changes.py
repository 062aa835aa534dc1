"""What the files of a change are to the tests; code that holds its own tests is taken apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.toolchains.go.toolchain import GoToolchain
from miyabi_agents.toolchains.javascript.toolchain import JavaScriptToolchain
from miyabi_agents.toolchains.port import Toolchain
from miyabi_agents.toolchains.python.toolchain import PythonToolchain
from miyabi_agents.toolchains.rust.toolchain import RustToolchain
from miyabi_agents.verification.changes import sort


class Files:
    """Base's files, in memory."""

    committed = datetime(2026, 1, 1, tzinfo=UTC)

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def paths(self) -> list[str]:
        return sorted(self._files)

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)


CODE = b"pub fn double(n: u32) -> u32 { n + %s }\n"
TESTS = b"#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    fn %s() { assert_eq!(double(3), 6); }\n}\n"


def test_rust_tests_are_taken_out_of_the_code_that_they_test() -> None:
    """Base's code gets the change's tests, and the change's code base's: so that the one can fail, the other break."""
    before, after = CODE % b"2" + TESTS % b"old", CODE % b"n" + TESTS % b"fresh"
    base = Files({"Cargo.toml": b'[package]\nname = "x"\nversion = "0.1.0"\n', "src/lib.rs": before})
    found = sort([FileChange(path="src/lib.rs", content=after)], RustToolchain(), base)
    assert found.grafted["src/lib.rs"].content == CODE % b"2" + TESTS % b"fresh"
    assert found.grafted_old["src/lib.rs"].content == CODE % b"n" + TESTS % b"old"
    assert any("fresh" in name for name in found.own.added)


def test_each_file_is_one_thing() -> None:
    """Tests, what stands beside them, what decides how they are run, what the environment is made of."""
    base = Files({
        "pyproject.toml": b'[project]\nname = "x"\nversion = "1"\n[tool.pytest.ini_options]\naddopts = "-q"\n',
        "src/x/a.py": b"a = 1\n",
        "tests/test_a.py": b"def test_a(): pass\n",
        "tests/data.json": b"{}\n",
    })  # fmt: skip
    changed = {
        "pyproject.toml": b'[project]\nname = "x"\nversion = "1"\ndependencies = ["y"]\n[tool.pytest.ini_options]\n',
        "src/x/a.py": b"a = 2\n",
        "tests/test_a.py": b"def test_b(): pass\n",
        "tests/data.json": b"[]\n",
        "conftest.py": b"x = 1\n",
    }
    found = sort([FileChange(path=path, content=content) for path, content in changed.items()], PythonToolchain(), base)
    assert [sorted(part) for part in (found.tests, found.support, found.harness, found.manifests)] == [
        ["tests/test_a.py"], ["tests/data.json"], ["conftest.py", "pyproject.toml"], ["pyproject.toml"],
    ]  # fmt: skip
    assert (sorted(found.own.added), sorted(found.own.removed)) == (
        ["tests/test_a.py::test_b"],
        ["tests/test_a.py::test_a"],
    )


@pytest.mark.parametrize(
    ("toolchain", "paths"),
    [
        (GoToolchain(), ["cmd/x/testdata/help.golden", "x/testdata/src/a.go"]),
        (JavaScriptToolchain(), ["src/__snapshots__/a.test.ts.snap", "src/__fixtures__/a.json"]),
        (RustToolchain(), ["src/snapshots/x__a.snap"]),
        (PythonToolchain(), ["x/__snapshots__/test_a.ambr", "tests/cases/test/a.txt"]),
    ],
)
def test_what_tests_compare_is_no_source(toolchain: Toolchain, paths: list[str]) -> None:
    """Expected output may lie among sources; were it one, whoever breaks something could write it there unseen."""
    base = Files({**dict.fromkeys(paths, b"old"), "tests/test_a.py": b"def test_a(): pass\n"})
    sources = [FileChange(path=path, content=b"new") for path in ("src/a.ts", "cmd/x/x.go", "x/a.py")]
    found = sort([*sources, *(FileChange(path=path, content=b"new") for path in paths)], toolchain, base)
    assert sorted(found.support) == sorted(paths)
