"""Step: the coordinator's store fails over by itself while a batch runs, and finds itself again when all of it was away."""

from __future__ import annotations

import json
import os
import time

from scripts.k8s import cluster
from scripts.k8s.shell import ROOT, say
from tests.k8s import versions
from tests.k8s.batches import BATCH_SECONDS, check_effects, fresh_issues, submit
from tests.k8s.rig import Figures, environment, expect, forward, is_ready, pods, wait_for_end

#: Servers of the cluster, and how many of them hold slots.
SERVERS, PRIMARIES = 6, 3
#: Longest wait for a cluster that is whole; the pods of a busy machine start slowly.
WHOLE_SECONDS = 240
#: Asks every server who it is; run in a coordinator's pod, which may.
_ROLES = """
import json, redis
found = {}
for number in range(6):
    try:
        client = redis.Redis(host=f"redis-cluster-{number}.redis-cluster", socket_timeout=3, socket_connect_timeout=3)
        lines = client.execute_command("CLUSTER", "NODES").decode().splitlines()
        found[number] = len(next(line.split() for line in lines if "myself" in line)[8:])
    except (OSError, redis.RedisError) as error:
        found[number] = -1
print(json.dumps(found))
"""
#: Ends a server as a crash does: at once, handing nothing over.
_CRASH = """
import redis
try: redis.Redis(host="redis-cluster-%d.redis-cluster", socket_timeout=3).execute_command("SHUTDOWN", "NOSAVE", "NOW", "FORCE")
except (OSError, redis.RedisError): pass
"""
#: What keeps the cluster from being whole, now; readiness tells it some seconds later.
_PROBLEMS = """
import asyncio
from miyabi_core.store.cluster_keeper import ClusterKeeper, KeeperSettings
from miyabi_core.store.address import Address
print("; ".join(asyncio.run(ClusterKeeper(Address.parse(KeeperSettings().servers).nodes).tend())))
"""


def failover(figures: Figures) -> None:
    """With the component ha-redis a primary crashes, two are told to end, all six are killed, in a batch: nothing is lost."""
    before = os.environ.get("MIYABI_K8S_COMPONENTS", "")
    os.environ["MIYABI_K8S_COMPONENTS"] = ",".join(filter(None, [before, "ha-redis"]))
    try:
        versions.make("up", ROOT)
        _during_a_batch(figures)
    finally:
        os.environ["MIYABI_K8S_COMPONENTS"] = before
    versions.make("up", ROOT)
    claims = [f"data-redis-cluster-{number}" for number in range(SERVERS)]
    cluster.kubectl("delete", "persistentvolumeclaims", *claims, "--ignore-not-found", "--wait=true", "--timeout=240s")


def _during_a_batch(figures: Figures) -> None:
    """Kill and look."""
    count = int(environment("MIYABI_K8S_FAILOVER_ISSUES", "30"))
    with forward("coordinator", 50051) as port, forward("simulators", 8080) as github:
        issues = fresh_issues(github, count)
        began = time.monotonic()
        name = submit(port, issues, concurrency=4)
        first, *others = sorted(_holders())
        promoted, taken = _crash(first), dict[str, float]()
        for number in others:
            taken[f"ended redis-cluster-{number}"] = _kill(f"redis-cluster-{number}")
            expect(number not in _holders(), f"redis-cluster-{number} did not hand its slots over")
        everyone = [f"redis-cluster-{number}" for number in range(SERVERS)]
        taken["killed all six"] = _kill(*everyone, "--grace-period=0", "--force")
        batch = wait_for_end(port, name, seconds=BATCH_SECONDS)
        seconds = time.monotonic() - began
        expect(batch["state"] == "BATCH_STATE_SUCCEEDED", f"the batch is {batch['state']}")
        effects = check_effects(github, port, name, issues)
    figures.add("failover", issues=count, seconds=round(seconds, 1), promoted_after_crash_seconds=promoted,
                whole_again_seconds=taken, **effects)  # fmt: skip


def _holders() -> set[int]:
    """Return the numbers of the servers that say that they hold slots."""
    return {int(number) for number, parts in json.loads(_in_coordinator(_ROLES)).items() if parts > 0}


def _in_coordinator(code: str) -> str:
    """Run Python in a coordinator's pod, which may talk to the servers."""
    name = next(pod["metadata"]["name"] for pod in pods("app.kubernetes.io/name=coordinator") if is_ready(pod))
    command = ("exec", "--stdin", name, "--container", "coordinator", "--", "/app/bin/python", "-")
    return cluster.kubectl(*command, stdin=code)


def _crash(number: int) -> float:
    """Let a primary end without a word as often as it comes back; returns the seconds until another holds its slots.

    Its container is started again at once after the first time, and ten seconds after the second.
    """
    began = time.monotonic()
    while time.monotonic() < began + WHOLE_SECONDS:
        holders = _holders()
        if len(holders) == PRIMARIES and number not in holders:
            seconds = round(time.monotonic() - began, 1)
            say(f"  redis-cluster-{number}: replaced as a primary after {seconds} s, by one of {sorted(holders)}")
            _wait_whole(began, set(), f"redis-cluster-{number}")
            return seconds
        if number in holders:
            _in_coordinator(_CRASH % number)
        time.sleep(0.5)
    expect(False, f"nobody took the slots of redis-cluster-{number} within {WHOLE_SECONDS} s")
    return 0.0


def _problems() -> str:
    """Return what the keeper finds."""
    command = ("exec", "--stdin", "deployment/redis-cluster-keeper", "--", "/app/bin/python", "-")
    return cluster.kubectl(*command, stdin=_PROBLEMS).rstrip("\n").rpartition("\n")[2]


def _kill(*arguments: str) -> float:
    """Delete pods and return the seconds until the keeper calls the cluster whole with new ones."""
    names = [argument for argument in arguments if not argument.startswith("-")]
    old = {pod["metadata"]["uid"] for pod in pods("app.kubernetes.io/name=redis-cluster")
           if pod["metadata"]["name"] in names}  # fmt: skip
    began = time.monotonic()
    cluster.kubectl("delete", "pod", *arguments, "--wait=false")
    return _wait_whole(began, old, ", ".join(names))


def _wait_whole(began: float, old: set[str], what: str) -> float:
    """Wait until no server is one of the *old* pods and the cluster is whole; returns the seconds since *began*."""
    while time.monotonic() < began + WHOLE_SECONDS:
        servers = pods("app.kubernetes.io/name=redis-cluster")
        replaced = len(servers) == SERVERS and all(
            is_ready(pod) and pod["metadata"]["uid"] not in old for pod in servers
        )
        if replaced and not _problems():
            seconds = round(time.monotonic() - began, 1)
            say(f"  {what}: whole after {seconds} s")
            return seconds
        time.sleep(0.5)
    expect(False, f"the cluster is not whole {WHOLE_SECONDS} s after {what}")
    return 0.0
