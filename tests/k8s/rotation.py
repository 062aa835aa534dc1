"""Step: a key that is replaced in its Secret is the one that the next call shows; nothing is restarted."""

from __future__ import annotations

import secrets
import time
from typing import Any

from miyabi_sim.credentials import DIGITS, digest_of
from scripts.k8s import cluster, credentials
from tests.k8s.batches import BATCH_SECONDS, check_effects, fresh_issues, submit
from tests.k8s.rig import Figures, expect, forward, http_json, is_ready, pods, wait_for_end

#: Secret, key in it, which Deployment and container read it, where it is mounted, and the simulator's port that sees it.
_KEYS = (
    ("miyabi-model", "api-key", "agents", "/etc/miyabi/model/api-key", 8081),
    ("miyabi-github", "token", "github-gateway", "/etc/miyabi/github/token", 8080),
)
#: The kubelet brings a changed Secret into a pod within a minute or so.
_ARRIVAL_SECONDS = 180


def rotation(figures: Figures) -> None:
    """The model's key and GitHub's token are replaced while pods run: the next calls show the new ones, no pod restarts."""
    before = _lives()
    new = {secret: secrets.token_hex(24) for secret, *_ in _KEYS}
    arrived = {}
    for secret, key, service, path, _ in _KEYS:
        began = time.monotonic()
        values = {key: new[secret]} | ({"webhook-secret": secrets.token_hex(24)} if secret == "miyabi-github" else {})
        credentials.write(secret, values)
        _wait_for(service, path, digest_of(new[secret]))
        arrived[secret] = round(time.monotonic() - began, 1)
    with forward("coordinator", 50051) as port, forward("simulators", 8080) as github:
        seen = _seen()
        issues = fresh_issues(github, 2)
        name = submit(port, issues, concurrency=2)
        batch = wait_for_end(port, name, seconds=BATCH_SECONDS)
        expect(batch["state"] == "BATCH_STATE_SUCCEEDED", f"the batch is {batch['state']}")
        check_effects(github, port, name, issues)
    for secret, *_, where in _KEYS:
        used = {digest: count - seen[where].get(digest, 0) for digest, count in _seen()[where].items()}
        used = {digest: count for digest, count in used.items() if count}
        expect(set(used) == {digest_of(new[secret])}, f"{secret}: the calls after the change showed {used}")
        figures.add("rotation", secret=secret, in_the_pod_after_seconds=arrived[secret],
                    calls_with_the_new_key=used[digest_of(new[secret])], calls_with_another=0)  # fmt: skip
    expect(_lives() == before, f"a pod was restarted: {before}, now {_lives()}")


def _seen() -> dict[int, dict[str, int]]:
    """Return which credentials each simulator saw, and how often."""
    found = {}
    for *_, where in _KEYS:
        with forward("simulators", where) as port:
            found[where] = http_json(port, "/_sim/credentials")
    return found


def _wait_for(service: str, path: str, digest: str) -> None:
    """Wait until the file in every pod of a service has the new content."""
    code = f"import hashlib; print(hashlib.sha256(open({path!r}).read().strip().encode()).hexdigest()[:{DIGITS}])"
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    names = [pod["metadata"]["name"] for pod in pods(f"app.kubernetes.io/name={service}")]
    while time.monotonic() < deadline:
        command = ("--container", service, "--", "/app/bin/python", "-c", code)
        if all(cluster.kubectl("exec", name, *command).strip() == digest for name in names):
            return
        time.sleep(2)
    expect(False, f"the new content is not in {path} of {service} after {_ARRIVAL_SECONDS} s")


def _lives() -> dict[str, Any]:
    """Return each pod's identity and how often its containers were restarted."""
    return {
        pod["metadata"]["uid"]: [entry["restartCount"] for entry in pod["status"].get("containerStatuses", ())]
        for pod in pods()
        if is_ready(pod)
    }
