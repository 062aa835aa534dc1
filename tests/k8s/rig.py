"""What the steps share: forwarded ports, the simulated GitHub, batches, and figures."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.k8s import cluster
from scripts.k8s.render import TOOLS
from scripts.k8s.shell import K8sError, run, say

#: grpcurl as a Go module, for machines without it.
GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"
COORDINATOR = "miyabi.coordinator.v1.CoordinatorService"


class StepError(AssertionError):
    """A step did not show what it should; the message says what was seen."""


def expect(condition: object, message: str) -> None:
    """Fail the step unless *condition* holds."""
    if not condition:
        raise StepError(message)


@dataclass
class Figures:
    """What was measured; printed at once and again at the end, one JSON object a line."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, step: str, **values: Any) -> None:
        """Note a row."""
        self.rows.append({"step": step, **values})
        say("  " + json.dumps(self.rows[-1]))


def grpcurl() -> str:
    """Return grpcurl, built by Go where it is missing."""
    for place in (None, str(Path.home() / "go/bin"), str(TOOLS)):
        found = shutil.which("grpcurl", path=place)
        if found:
            return found
    if shutil.which("go") is None:
        raise K8sError(f"grpcurl is not installed, and no Go to build it: `go install {GRPCURL}`")
    TOOLS.mkdir(parents=True, exist_ok=True)
    run("go", "install", "-trimpath", GRPCURL, env={"GOBIN": str(TOOLS), "CGO_ENABLED": "0"}, timeout=1800)
    return str(TOOLS / "grpcurl")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def forward(service: str, port: int) -> Iterator[int]:
    """Forward a local port to a service for the length of the block, again and again while its pods come and go."""
    local, stop = free_port(), threading.Event()
    current: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        while not stop.is_set():
            command = ["kubectl", "-n", cluster.NAMESPACE, "port-forward", f"service/{service}", f"{local}:{port}"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            current[:] = [process]
            process.wait()
            stop.wait(0.3)

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        _wait_open(local)
        yield local
    finally:
        stop.set()
        for process in current:
            process.terminate()
        keeper.join(timeout=10)


def _wait_open(port: int, *, seconds: float = 60) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise StepError(f"nothing listens at {port}")


def http_json(port: int, path: str) -> Any:
    """Return what a forwarded service answers; a pod that was replaced meanwhile costs a few tries.

    Raises:
        StepError: it does not answer.
    """
    problem: Exception | None = None
    for _ in range(20):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                return json.load(answer)
        except (OSError, http.client.HTTPException) as error:
            problem = error
            time.sleep(1)
    raise StepError(f"{path} is not answered: {problem}")


def github_items(port: int, repository: str) -> list[dict[str, Any]]:
    """Return issues and pull requests of the simulated GitHub."""
    state = http_json(port, "/_sim/state")
    found = [entry for entry in state["repositories"] if entry["full_name"] == repository]
    expect(found, f"the simulated GitHub has no {repository}")
    items: list[dict[str, Any]] = found[0]["items"]
    return items


def pull_requests(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pull requests among items."""
    return [item for item in items if "head_ref" in item]


def call(port: int, method: str, body: Mapping[str, Any], *, timeout: float = 60) -> dict[str, Any]:
    """Make a unary call with grpcurl."""
    command = [grpcurl(), "-plaintext", "-d", json.dumps(body), f"127.0.0.1:{port}", f"{COORDINATOR}/{method}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    if done.returncode:
        raise StepError(f"{method}: {done.stderr[-1000:]}")
    answer: dict[str, Any] = json.loads(done.stdout or "{}")
    return answer


def wait_for_end(port: int, name: str, *, seconds: float, progress: bool = True) -> dict[str, Any]:
    """Ask for a batch until it has ended; calls that fail while a pod is away are made again."""
    deadline, told = time.monotonic() + seconds, ""
    batch: dict[str, Any] = {}
    while time.monotonic() < deadline:
        try:
            answer = call(port, "GetBatch", {"name": name}, timeout=20)
            batch = answer.get("batch", answer)
        except (StepError, subprocess.TimeoutExpired):
            time.sleep(1)
            continue
        text = json.dumps({key: batch.get(key) for key in ("state", "counters", "progress")})
        if progress and text != told:
            say(f"  {text}")
            told = text
        if batch.get("state") in {"BATCH_STATE_SUCCEEDED", "BATCH_STATE_FAILED", "BATCH_STATE_CANCELLED"}:
            return batch
        time.sleep(2)
    raise StepError(f"{name} did not end within {seconds:.0f} s: {json.dumps(batch)[:500]}")


def events_of(port: int, name: str) -> list[dict[str, Any]]:
    """Return the batch's whole log, as a watcher that starts at its beginning sees it."""
    body = json.dumps({"name": name})
    command = [
        grpcurl(),
        "-plaintext",
        "-max-msg-sz",
        str(32 << 20),
        "-d",
        body,
        f"127.0.0.1:{port}",
        f"{COORDINATOR}/WatchBatch",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    expect(done.returncode == 0, f"WatchBatch: {done.stderr[-500:]}")
    decoder, text, found = json.JSONDecoder(), done.stdout, []
    position = 0
    while position < len(text.rstrip()):
        message, position = decoder.raw_decode(text, position)
        found += message.get("events", [])
        while position < len(text) and text[position].isspace():
            position += 1
    return [event for event in found if event.get("sequence")]


def pods(selector: str = "app.kubernetes.io/part-of=miyabi") -> list[dict[str, Any]]:
    """Return our pods."""
    items: list[dict[str, Any]] = cluster.read("pods", "--selector", selector)["items"]
    return items


def in_agent(code: str, *, check: bool = True, timeout: float = 120) -> str:
    """Run Python in an agent's container, as the agent."""
    name = next(pod["metadata"]["name"] for pod in pods("app.kubernetes.io/name=agents") if is_ready(pod))
    command = ("exec", "--stdin", name, "--container", "agents", "--", "/app/bin/python", "-")
    return cluster.kubectl(*command, stdin=code, check=check, timeout=timeout)


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether a pod is ready and stays."""
    conditions = pod.get("status", {}).get("conditions", ())
    ready = any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def environment(name: str, default: str) -> str:
    """Return a setting of the test."""
    return os.environ.get(name, default)
