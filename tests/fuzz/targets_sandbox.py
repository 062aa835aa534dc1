"""Fuzz targets of the sandbox: what comes over its socket, both ways, and what a policy is made from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob, SandboxResult
from miyabi_agents.sandbox.policy import resolve
from miyabi_agents.sandbox.protocol import decode_answer, decode_request, encode_request, encode_result


def request(data: bytes) -> None:
    """A request: it is one, which is written the same again and names paths that are checked, or the one error."""
    try:
        job = decode_request(data)
    except SandboxError as error:
        assert error.code == "BAD_REQUEST"
        return
    assert decode_request(encode_request(job)) == job
    try:
        found = resolve(job)
    except SandboxError:
        return
    assert not {"/", "/etc", "/root", "/home", "/proc", "/sys", "/dev"} & {*found.writable, *found.readable}


def answer(data: bytes) -> None:
    """An answer."""
    try:
        found = decode_answer(data)
    except SandboxError:
        return
    assert isinstance(found, SandboxResult)


_RESULT = SandboxResult(1, "é\n", timedelta(seconds=2), report={"r": b"\xff"}, layers=("seccomp",), limit_hit="memory")
_JOB = SandboxJob(["/bin/true", "x"], Path("/usr"), readable=[Path("/usr")], environment={"A": "b"})
#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {"sandbox_answer": answer, "sandbox_request": request}
#: What each begins from.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "sandbox_answer": (encode_result(_RESULT), b'{"error": {"code": "REFUSED", "message": "no"}}'),
    "sandbox_request": (encode_request(_JOB),),
}
