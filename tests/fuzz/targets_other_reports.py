"""What reads strangers' JavaScript, Go and Rust: reports of runs, manifests, files of tests, names, imports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.go.toolchain import GoToolchain
from miyabi_agents.toolchains.javascript.toolchain import JavaScriptToolchain
from miyabi_agents.toolchains.port import Project, RunVerdicts, Toolchain
from miyabi_agents.toolchains.port import TestRun as Run
from miyabi_agents.toolchains.rust.source import graft
from miyabi_agents.toolchains.rust.toolchain import RustToolchain

_TREE = Path("/nonexistent")
_RUN = Run(())


@dataclass
class _Base:
    """Implements `BaseFiles` over a mapping."""

    content: dict[str, bytes] = field(default_factory=dict)
    committed: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def paths(self) -> list[str]:
        return sorted(self.content)

    def read(self, path: str) -> bytes | None:
        return self.content.get(path)


def _read(toolchain: Toolchain, project: Project, name: str, data: bytes) -> None:
    """Read a report under both exit statuses: it says either that it is complete, or why it is not."""
    for status in (0, 1):
        result = SandboxResult(status, "", timedelta(), report={name: data})
        found: RunVerdicts = toolchain.read(project, _RUN, result, tree=_TREE)
        json.dumps([dict(found.verdicts), found.problem, dict(found.unbuilt), dict(found.reasons), found.gate])
        assert found.complete is not bool(found.problem)
        assert all(toolchain.group_of(test) and toolchain.file_of(test) is not None for test in found.verdicts)


def fuzz_javascript_report(data: bytes) -> None:
    """A report of our reporters."""
    _read(JavaScriptToolchain(), Project("javascript", ".", "jest", ""), "run.1.jsonl", data)


def fuzz_go_report(data: bytes) -> None:
    """A report of `go test -json`."""
    _read(GoToolchain(), Project("go", ".", "go", "", {"module": "x"}), "go.jsonl", data)


def fuzz_rust_report(data: bytes) -> None:
    """A report of libtest's logs."""
    _read(RustToolchain(), Project("rust", ".", "cargo", ""), "cargo.jsonl", data)


def _tests(toolchain: Toolchain, path: str, data: bytes) -> None:
    """Find tests: what is equal has no change, and what is new is added or cannot be told."""
    same = toolchain.own_tests(path, data, data)
    assert not same.added
    assert not same.removed
    assert same.edited <= {path}
    for group in [*toolchain.own_tests(path, None, data).added][:5]:
        assert len(toolchain.code_of(path, data, group)) <= 4000
    toolchain.own_tests(path, data[: len(data) // 2], data)


def fuzz_javascript_tests(data: bytes) -> None:
    """A file of tests in TypeScript."""
    _tests(JavaScriptToolchain(), "src/a.test.ts", data)


def fuzz_go_tests(data: bytes) -> None:
    """A file of tests in Go."""
    _tests(GoToolchain(), "a/a_test.go", data)


def fuzz_rust_tests(data: bytes) -> None:
    """A file of tests in Rust."""
    _tests(RustToolchain(), "src/a.rs", data)
    graft(data, data[::-1])
    graft(data[: len(data) // 2], data)


def fuzz_javascript_project(data: bytes) -> None:
    """A manifest, a list of a workspace's packages and a source, each of a stranger."""
    base = _Base({"package.json": data, "pnpm-workspace.yaml": data, "a/package.json": data, "test/a.js": data})
    _projects(JavaScriptToolchain(), base, "a.js", data)


def fuzz_go_project(data: bytes) -> None:
    """A module and a workspace of a stranger."""
    _projects(GoToolchain(), _Base({"go.mod": data, "go.work": data, "a/a_test.go": data}), "a/a.go", data)


def fuzz_rust_project(data: bytes) -> None:
    """A package and a toolchain file of a stranger."""
    base = _Base({"Cargo.toml": data, "a/Cargo.toml": data, "rust-toolchain.toml": data, "a/src/lib.rs": data})
    _projects(RustToolchain(), base, "a/src/lib.rs", data)


def _projects(toolchain: Toolchain, base: _Base, path: str, data: bytes) -> None:
    """Recognise, and choose tests for a change of one file."""
    for project in toolchain.recognise(base, None):
        json.dumps(
            [project.root, project.runner, project.origin, {key: str(value) for key, value in project.facts.items()}]
        )
        toolchain.select(project, base, {path: data})
    toolchain.harness_changed("package.json", data, data[:-1])
    toolchain.harness_changed("Cargo.toml", data, data[:-1])


_EVENTS = b"""{"kind": "start", "cwd": "/t"}
{"kind": "test", "file": "/t/a.js", "path": ["g", "x"], "status": "failed", "message": "no", "ms": 1.5}
{"kind": "unbuilt", "file": "b.js", "message": "no"}
{"kind": "process", "file": "", "exit": 1, "signal": ""}
{"kind": "end", "tests": 1, "failed": 1}
{"kind": "finish", "exit": 1}
"""
_GO_EVENTS = b"""{"Action":"start","Package":"x"}
{"Action":"run","Package":"x","Test":"TestA"}
{"Action":"output","Package":"x","Test":"TestA","Output":"no\\n"}
{"Action":"fail","Package":"x","Test":"TestA","Elapsed":0.1}
{"Action":"fail","Package":"x","Elapsed":0.2,"FailedBuild":"x"}
{"Action":"miyabi-again","Package":"x","Skipped":["TestA"]}
{"Action":"pass","Package":"x"}
{"Action":"miyabi-ran","Exit":1}
{"Action":"miyabi-end","Exit":1}
"""
_RUST_EVENTS = b"""{"kind": "test", "name": "src/lib.rs::a", "status": "failed", "message": "no"}
{"kind": "test", "name": "src/lib.rs::doc x", "status": "passed"}
{"kind": "unbuilt", "name": "tests/a.rs", "message": "no"}
{"kind": "binary", "name": "src/lib.rs", "tests": 2, "verdicts": 2, "status": 101, "failed": 1}
{"kind": "end", "status": 1}
"""
_JAVASCRIPT = b"""import x from './a';
describe('g', () => { it('x', () => { expect(/[/`]/.test(`a${ `b` }`)).toBe(1); }); test.each([1])('n %d', () => {}); });
test('t', (t) => { t.test('inner', (st) => st.end()); }); /* end */ // line
"""
_GO = b'package a\n\nimport (\n\t"x/b"\n)\n\nvar cases = []string{`}`, "}", "\\""}\n\nfunc TestA(t *testing.T) { _ = \'}\'; _ = cases }\n'
_RUST = b'fn x() {}\n#[cfg(test)]\nmod tests {\n #[test]\n fn a() { let _ = (r#"}"#, \'}\', b"}"); }\n}\nrgtest!(b, |d| {});\n'

#: What is called with bytes, by name.
TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("fuzz_"): value for name, value in dict(globals()).items() if name.startswith("fuzz_")
}
#: Bytes that each takes, from which a search begins.
SEEDS: dict[str, list[bytes]] = {
    "javascript_report": [_EVENTS],
    "go_report": [_GO_EVENTS],
    "rust_report": [_RUST_EVENTS],
    "javascript_tests": [_JAVASCRIPT],
    "go_tests": [_GO],
    "rust_tests": [_RUST],
    "javascript_project": [
        b'{"name": "a", "packageManager": "pnpm@9.1.0", "scripts": {"test": "npm run b && nyc mocha -r x"}, "workspaces": ["p/*"]}',
        b"packages:\n  - 'p/*'\n  - '!x/**'\n",
    ],
    "go_project": [b"module x\n\ngo 1.20\n", b"go 1.20\nuse (\n\t.\n\t./a\n)\n"],
    "rust_project": [
        b'[package]\nname = "a"\nrust-version = "1.70"\n[dependencies]\nb = { path = "../b" }\n[toolchain]\nchannel = "1.70"\n'
    ],
}
