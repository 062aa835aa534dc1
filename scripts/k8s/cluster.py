"""Talks to the cluster that KUBECONFIG points to, through kubectl."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

from scripts.k8s.shell import K8sError, fail, run, say, works

#: The namespace of the overlays.
NAMESPACE = "miyabi"
#: Longest wait for pods to be ready.
ROLLOUT_SECONDS = 300
#: How often the pods are looked at.
POLL_SECONDS = 1.0
#: Reasons that do not pass by themselves.
_HOPELESS = {"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"}
#: What the kubelet says when it has not heard of a Secret or ConfigMap yet: the next try finds it.
_PASSING = "failed to sync"
#: Restarts after which a crashing container is given up.
_CRASHES = 3


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True, timeout: float = 300) -> str:
    """Run kubectl in our namespace.

    Raises:
        K8sError: it failed.
    """
    return run("kubectl", "--namespace", NAMESPACE, *arguments, stdin=stdin, check=check, timeout=timeout)


def read(*arguments: str) -> Any:
    """Return what `kubectl get … --output json` says."""
    return json.loads(kubectl("get", *arguments, "--output", "json"))


def exists(kind: str, name: str) -> bool:
    """Tell whether something is there."""
    return bool(kubectl("get", kind, name, "--ignore-not-found", "--output", "name").strip())


def serves(api: str) -> bool:
    """Tell whether the cluster knows an API group, for example `cert-manager.io`."""
    return any(line.partition("/")[0] == api for line in run("kubectl", "api-versions").splitlines())


def require_cluster() -> str:
    """Return the context's name.

    Raises:
        K8sError: there is no kubectl or no cluster; the message says how to get one.
    """
    if not works("kubectl", "version", "--client"):
        fail("kubectl is not installed: https://kubernetes.io/docs/tasks/tools/")
    if not works("kubectl", "get", "--raw", "/readyz", "--request-timeout=10s"):
        where = os.environ.get("KUBECONFIG", "~/.kube/config")
        fail(
            f"no cluster answers ({where}). Start one, for example `kind create cluster` or `minikube start`, or point "
            "KUBECONFIG to yours. Images get there by themselves for kind, minikube, k3d and k3s; otherwise set "
            "MIYABI_K8S_REGISTRY, or MIYABI_K8S_LOAD to a command that takes an image's name."
        )
    return run("kubectl", "config", "current-context", check=False).strip()


def apply(text: str) -> None:
    """Apply manifests, by the server so that the owner of each field is known.

    Raises:
        K8sError: the API server refused something.
    """
    kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=miyabi", "--filename", "-", stdin=text)


def wait_ready(workloads: Sequence[tuple[str, str]], *, seconds: float = ROLLOUT_SECONDS) -> None:
    """Wait until each (kind, name) has rolled out, saying what changes and why a pod does not start.

    Raises:
        K8sError: time is up, or a pod cannot start; the message has its reason and its last words.
    """
    deadline, told = time.monotonic() + seconds, ""
    while True:
        left = [f"{kind.lower()}/{name}" for kind, name in workloads if not _rolled_out(kind, name)]
        if not left:
            return
        problems = _problems()
        state = f"waiting for {', '.join(left)}" + "".join(f"\n  {pod}: {why}" for pod, why, _ in problems)
        if state != told:
            say(state)
            told = state
        hopeless = [entry for entry in problems if entry[2]]
        if hopeless or time.monotonic() > deadline:
            _give_up(hopeless or problems, left)
        time.sleep(POLL_SECONDS)


def _rolled_out(kind: str, name: str) -> bool:
    """Tell whether a workload's newest version is ready everywhere and the old one is gone."""
    found = read(kind, name)
    spec, status = found["spec"], found.get("status", {})
    wanted = spec.get("replicas", 1)
    return (
        status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("readyReplicas", 0) >= wanted
        and (kind != "Deployment" or status.get("replicas", 0) == status.get("updatedReplicas", 0))
    )


def _problems() -> list[tuple[str, str, bool]]:
    """Return pods of the newest versions that do not start: name, reason, whether waiting is hopeless."""
    found: list[tuple[str, str, bool]] = []
    events = read("events", "--field-selector", "type=Warning")["items"]
    warnings = {event["involvedObject"]["name"]: f"{event['reason']} {event.get('message', '')}" for event in events}
    for pod in _newest(read("pods")["items"]):
        name, status = pod["metadata"]["name"], pod.get("status", {})
        found += [
            (name, f"cannot be scheduled: {condition.get('message', '')}", False)
            for condition in status.get("conditions", ())
            if condition["type"] == "PodScheduled" and condition["status"] == "False"
        ]
        if not status.get("podIP") and name in warnings:
            found.append((name, warnings[name], False))
        for container in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
            waiting = container.get("state", {}).get("waiting", {})
            reason = waiting.get("reason", "")
            if reason and reason not in {"ContainerCreating", "PodInitializing"}:
                words = f"{container['name']}: {reason} {waiting.get('message', '')}".strip()
                crashed = reason == "CrashLoopBackOff" and container.get("restartCount", 0) >= _CRASHES
                found.append((name, words, (reason in _HOPELESS and _PASSING not in words) or crashed))
    return found


def _newest(pods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the pods of each workload's newest version: those of an older one are on their way out."""

    def version(pod: dict[str, Any]) -> tuple[str, str]:
        labels = pod["metadata"].get("labels", {})
        revision = labels.get("pod-template-hash") or labels.get("controller-revision-hash", "")
        return labels.get("app.kubernetes.io/name", ""), revision

    newest = {
        version(pod)[0]: version(pod) for pod in sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])
    }
    return [pod for pod in pods if version(pod) == newest[version(pod)[0]]]


def _give_up(problems: Sequence[tuple[str, str, bool]], left: Sequence[str]) -> None:
    """Say why it did not work, with the last lines of each pod's log.

    Raises:
        K8sError: always.
    """
    lines = [f"not ready: {', '.join(left)}"]
    for pod, why, _ in problems[:5]:
        lines.append(f"{pod}: {why}")
        log = kubectl("logs", pod, "--all-containers", "--prefix", "--tail=8", check=False).strip()
        lines += [f"    {line}" for line in log.splitlines()]
    if not problems:
        lines.append(kubectl("get", "pods", "--output", "wide", check=False))
        lines.append(kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)[-1500:])
    raise K8sError("\n".join(lines))
