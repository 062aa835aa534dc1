"""Steps: pods that die, an upgrade under load, and agents that come and go with the queue."""

from __future__ import annotations

import collections
import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.k8s import cluster
from scripts.k8s.shell import ROOT, run, say
from tests.k8s import versions
from tests.k8s.batches import BATCH_SECONDS, check_effects, fresh_issues, submit
from tests.k8s.rig import (
    Figures,
    environment,
    events_of,
    expect,
    forward,
    pods,
    wait_for_end,
)
from tests.k8s.security import prober


def chaos(figures: Figures) -> None:
    """A random pod, Valkey's too, is deleted every 3 s for two minutes; nothing is lost and nothing is done twice."""
    count, seconds = int(environment("MIYABI_K8S_ISSUES", "100")), float(environment("MIYABI_K8S_CHAOS_SECONDS", "120"))
    chosen = random.Random(int(environment("MIYABI_K8S_SEED", "1")))
    with forward("coordinator", 50051) as port, forward("simulators", 8080) as github:
        issues = fresh_issues(github, count)
        began = time.monotonic()
        name = submit(port, issues, concurrency=20)
        deleted: collections.Counter[str] = collections.Counter()
        while time.monotonic() < began + seconds:
            due = time.monotonic() + 3
            candidates = [
                pod for pod in pods()
                if "deletionTimestamp" not in pod["metadata"] and _service(pod) not in {"simulators", "prober"}
            ]  # fmt: skip
            if candidates:
                victim = chosen.choice(candidates)
                cluster.kubectl(
                    "delete", "pod", victim["metadata"]["name"], "--grace-period=1", "--wait=false", check=False
                )
                deleted[_service(victim)] += 1
            time.sleep(max(0.0, due - time.monotonic()))
        say(f"  deleted: {dict(deleted)}")
        batch = wait_for_end(port, name, seconds=BATCH_SECONDS)
        expect(batch["state"] == "BATCH_STATE_SUCCEEDED", f"the batch is {batch['state']}: {batch}")
        effects = check_effects(github, port, name, issues)
    figures.add("chaos", issues=count, pods_deleted=sum(deleted.values()), deleted=dict(deleted),
                seconds=round(time.monotonic() - began, 1), **effects)  # fmt: skip


def _service(pod: dict[str, Any]) -> str:
    """Return the service that a pod is one of."""
    return str(pod["metadata"]["labels"].get("app.kubernetes.io/name", ""))


_LOAD = """
import asyncio, collections, json, sys, time
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from miyabi_core.channel import open_channel
import grpc
NAME, SECONDS = %r, %f
async def main():
    seen = collections.Counter()
    slowest = 0.0
    async with open_channel('dns:///coordinator:50051', service='miyabi.coordinator.v1.CoordinatorService') as channel:
        stub = CoordinatorServiceStub(channel)
        end = time.monotonic() + SECONDS
        async def worker():
            nonlocal slowest
            while time.monotonic() < end:
                began = time.monotonic()
                try:
                    await stub.GetBatch(pb.GetBatchRequest(name=NAME), timeout=15)
                    seen['OK'] += 1
                except grpc.aio.AioRpcError as error:
                    seen[error.code().name] += 1
                    print(json.dumps({'failed': error.code().name, 'details': error.details()[:200]}), flush=True)
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.2)
        await asyncio.gather(*(worker() for _ in range(5)))
    print(json.dumps({'calls': dict(seen), 'slowest_ms': round(slowest * 1000)}), flush=True)
asyncio.run(main())
"""

_PROBER_POLICY = [
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"test-prober-{direction.lower()}"},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": pod}},
            "policyTypes": [direction],
            direction.lower(): [
                {side: [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": peer}}}], "ports": [{"port": 50051}]}
            ],
        },
    }
    for direction, pod, side, peer in (
        ("Egress", "prober", "to", "coordinator"),
        ("Ingress", "coordinator", "from", "prober"),
    )
]


@contextmanager
def name_service_keeps(seconds: int) -> Iterator[bool]:
    """Let CoreDNS answer with that TTL and keep answers as long; True where it could be set."""
    text = run("kubectl", "-n", "kube-system", "get", "configmap", "coredns", "--output", "json", check=False)
    before = json.loads(text) if text else {}
    file = before.get("data", {}).get("Corefile", "")
    lines = [
        f"{line[: len(line) - len(line.lstrip())]}{line.split()[0]} {seconds}"
        if line.split()[:1] in (["ttl"], ["cache"]) and not line.rstrip().endswith("{") else line
        for line in file.splitlines()
    ]  # fmt: skip
    if not file:
        yield False
        return
    _set_corefile("\n".join(lines) + "\n")
    try:
        yield True
    finally:
        _set_corefile(file)


def _set_corefile(text: str) -> None:
    """Replace CoreDNS's configuration and start it anew."""
    patch = json.dumps({"data": {"Corefile": text}})
    run("kubectl", "-n", "kube-system", "patch", "configmap", "coredns", "--type", "merge", "--patch", patch)
    run("kubectl", "-n", "kube-system", "rollout", "restart", "deployment", "coredns")
    run("kubectl", "-n", "kube-system", "rollout", "status", "deployment", "coredns", "--timeout=120s")


def rolling(figures: Figures) -> None:
    """An upgrade of every Deployment during a batch loses nothing and fails no unary call."""
    _rolling(figures, "as it is")


def rolling_slow_dns(figures: Figures) -> None:
    """The same where names are kept for 30 s."""
    with name_service_keeps(30) as could:
        expect(could, "CoreDNS has no configuration to change here")
        _rolling(figures, "ttl 30, cache 30")


def _rolling(figures: Figures, names: str) -> None:
    """Upgrade under load to code that differs, and ask the new pods which code they run."""
    count = int(environment("MIYABI_K8S_ROLLING_ISSUES", "12"))
    before = set(versions.running().values())
    folder, wanted = (versions.prepare(), "other") if before == {""} else (ROOT, "")
    versions.bring(folder)
    with forward("coordinator", 50051) as port, forward("simulators", 8080) as github:
        issues = fresh_issues(github, count)
        name = submit(port, issues, concurrency=4)
        calls, seconds = _under_load(name, folder)
        batch = wait_for_end(port, name, seconds=BATCH_SECONDS)
        expect(batch["state"] == "BATCH_STATE_SUCCEEDED", f"the batch is {batch['state']}")
        effects = check_effects(github, port, name, issues)
    now = versions.running()
    expect(set(now.values()) == {wanted}, f"not every pod runs the new code: {now}")
    figures.add("rolling", name_service=names, upgrade_seconds=round(seconds, 1), calls=calls["calls"]["OK"], failed=0,
                slowest_ms=calls["slowest_ms"], issues=count, pods_with_new_code=len(now), **effects)  # fmt: skip


def _under_load(name: str, folder: Path) -> tuple[dict[str, Any], float]:
    """Upgrade to the version in *folder* while a pod calls; returns what the calls ended with, and the seconds it took."""
    stop_after = float(environment("MIYABI_K8S_ROLLING_SECONDS", "300"))
    image = pods("app.kubernetes.io/name=coordinator")[0]["spec"]["containers"][0]["image"]
    pod = prober("prober", image, namespace=cluster.NAMESPACE, labels={"app.kubernetes.io/name": "prober"},
                 code=_LOAD % (name, stop_after))  # fmt: skip
    cluster.kubectl("delete", "pod", "prober", "--ignore-not-found", "--grace-period=0", "--force", check=False)
    manifests = {"apiVersion": "v1", "kind": "List", "items": [*_PROBER_POLICY, pod]}
    cluster.kubectl("apply", "--filename", "-", stdin=json.dumps(manifests))
    try:
        cluster.kubectl("wait", "pod/prober", "--for=condition=Ready", "--timeout=60s")
        began = time.monotonic()
        versions.make("up", folder)
        seconds = time.monotonic() - began
        cluster.kubectl("wait", "pod/prober", "--for=jsonpath={.status.phase}=Succeeded",
                        f"--timeout={stop_after + 120:.0f}s", timeout=stop_after + 150)  # fmt: skip
        lines = [json.loads(line) for line in cluster.kubectl("logs", "prober").splitlines() if line.startswith("{")]
    finally:
        cluster.kubectl("delete", "pod,networkpolicy", "prober", "test-prober-egress", "test-prober-ingress",
                        "--ignore-not-found", "--grace-period=0", "--force", check=False)  # fmt: skip
    expect(
        seconds < stop_after, f"the upgrade took {seconds:.0f} s, longer than the load: set MIYABI_K8S_ROLLING_SECONDS"
    )
    expect(set(lines[-1]["calls"]) == {"OK"}, f"calls failed: {lines}")
    return lines[-1], seconds


def keda(figures: Figures) -> None:
    """Agents go from 1 to 4 and back to 1 with the queue, by the real KEDA; no task is cut."""
    _up_with_keda()
    seen: list[tuple[float, int, int]] = []
    stop = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not stop.wait(2):
            found = cluster.read("deployment", "agents")
            entry = (found["spec"]["replicas"], found.get("status", {}).get("readyReplicas", 0))
            if not seen or seen[-1][1:] != entry:
                seen.append((round(time.monotonic() - began, 1), *entry))
                say(f"  after {seen[-1][0]} s: {entry[0]} wanted, {entry[1]} ready")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with forward("coordinator", 50051) as port, forward("simulators", 8080) as github:
            count = int(environment("MIYABI_K8S_KEDA_ISSUES", "20"))
            issues = fresh_issues(github, count)
            name = submit(port, issues, concurrency=count)
            batch = wait_for_end(port, name, seconds=BATCH_SECONDS)
            expect(batch["state"] == "BATCH_STATE_SUCCEEDED", f"the batch is {batch['state']}")
            effects = check_effects(github, port, name, issues)
            lost = [event for event in events_of(port, name) if "LEASE_EXPIRED" in json.dumps(event)]
        expect(not lost, f"{len(lost)} tasks were cut")
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and not (seen and seen[-1][1:] == (1, 1) and _agents_left() == 1):
            time.sleep(2)
    finally:
        stop.set()
        watcher.join(timeout=10)
    most = max(entry[2] for entry in seen)
    expect(most == 4, f"there were at most {most} agents: {seen}")
    expect(seen[-1][1] == 1, f"agents did not go back to 1: {seen}")
    figures.add("keda", agents_over_time=seen, issues=count, **effects)


def _up_with_keda() -> None:
    """Let KEDA scale the agents, to four at most."""
    expect(cluster.serves("keda.sh"), "KEDA is not installed: https://keda.sh/docs/latest/deploy/")
    os.environ["MIYABI_K8S_COMPONENTS"] = ",".join(
        sorted({*filter(None, os.environ.get("MIYABI_K8S_COMPONENTS", "").split(",")), "keda"})
    )
    expect(subprocess.run(["make", "up"], cwd=ROOT, check=False).returncode == 0, "`make up` with keda failed")
    cluster.kubectl("wait", "scaledobject/agents", "--for=condition=Ready", "--timeout=120s")
    cluster.kubectl("patch", "scaledobject", "agents", "--type", "merge", "--patch", '{"spec":{"maxReplicaCount":4}}')


def _agents_left() -> int:
    """Return how many agents there are, those that end included."""
    return len(pods("app.kubernetes.io/name=agents"))
