"""In the sandbox itself a run reports as outside, keeps its key, and names what was refused."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.ports import SandboxJob, SandboxLimits
from miyabi_agents.sandbox.process import ProcessSandbox
from miyabi_agents.toolchains.python.runners import read
from miyabi_agents.toolchains.python.runners import test_run as made

PASSED, BLOCKED = TestVerdict.TEST_VERDICT_PASSED, TestVerdict.TEST_VERDICT_BLOCKED

TESTS = """
import socket, urllib.request
def test_passes(): pass
def test_path(tmp_path): socket.socket(socket.AF_UNIX).bind(str(tmp_path / "x"))
def test_network(): urllib.request.urlopen("http://192.0.2.1/", timeout=3)
def test_key(): assert b"REPORT_KEY=xxxx" in open("/proc/self/environ", "rb").read()
"""


async def test_a_run(bench):
    """Sockets by path and the network are blocked with what was refused; the key is not in what the system shows."""
    bench.write({"tests/test_a.py": TESTS})
    run = made(bench.project, bench.environment, ["tests"])
    scratch = bench.folder / "scratch"
    scratch.mkdir()

    def filled(text: str) -> str:
        for name, place in {"{tree}": bench.tree, "{env}": bench.folder / "env", "{scratch}": scratch}.items():
            text = text.replace(name, str(place))
        return text

    job = SandboxJob(
        [filled(part) for part in run.command], cwd=bench.tree, writable=[bench.tree, scratch],
        readable=[bench.folder / "env", Path(sys.prefix), Path(sys.base_prefix), *run.readable],
        environment={name: filled(value) for name, value in {**run.environment, **bench.variables}.items()},
        limits=SandboxLimits(wall=timedelta(seconds=50)),
    )  # fmt: skip
    result = await ProcessSandbox(unsafe=True).run(job)
    found = read(bench.project, run, result, tree=bench.tree)
    assert (found.problem, found.complete) == ("", True), result.output
    assert [found.verdicts[f"tests/test_a.py::test_{name}"] for name in ("passes", "key")] == [PASSED, PASSED]
    if {"seccomp", "net-namespace"} <= set(result.layers):
        for name in ("path", "network"):
            assert found.verdicts[f"tests/test_a.py::test_{name}"] == BLOCKED
            assert found.reasons[f"tests/test_a.py::test_{name}"].startswith("blocked by the sandbox: ")
