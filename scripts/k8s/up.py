"""`make up`: checks, builds, loads, applies, waits, and says where everything is."""

from __future__ import annotations

import time
from collections.abc import Sequence

from scripts.k8s import cluster, credentials, images
from scripts.k8s.render import Choice, Manifest, chosen, images_of, keys, parse, render
from scripts.k8s.shell import run, say, timed

#: Kinds whose left-overs are removed: what an older version of the manifests had and this one has not.
PRUNED = (
    "Deployment", "StatefulSet", "Service", "ServiceAccount", "ConfigMap", "PodDisruptionBudget", "NetworkPolicy",
    "HorizontalPodAutoscaler", "Job",
)  # fmt: skip
#: Kinds that are waited for.
_WORKLOADS = ("StatefulSet", "Deployment")


def up() -> None:
    """Bring the system up, or upgrade it; running twice changes nothing.

    Raises:
        K8sError: something is missing, or a pod does not start.
    """
    began = time.monotonic()
    context = cluster.require_cluster()
    choice = chosen(repository=images.repository(), tag=images.content_tag())
    say(f"context {context or '(none)'}, overlay {choice.overlay}{_also(choice)}, images {choice.tag}")
    manifests = parse(render(choice))
    _check_apis(manifests)
    simulated = ("Deployment", "simulators") in keys(manifests)
    ours = [image for image in images_of(manifests) if image.startswith(f"{choice.repository}/")]
    targets = [image.rpartition("/")[2].partition(":")[0] for image in ours]
    built = images.build(targets=targets)
    images.load([*built, *_local_valkey(manifests)], context)
    apply(choice, manifests, simulated=simulated)
    say(f"up after {time.monotonic() - began:.1f} s")
    say(addresses(simulated=simulated))


def apply(choice: Choice, manifests: Sequence[Manifest], *, simulated: bool) -> None:
    """Apply manifests, wait for them, remove what is left of older ones."""
    namespaces = [entry for entry in manifests if entry["kind"] == "Namespace"]
    for namespace in namespaces:
        run("kubectl", "apply", "--server-side", "--filename", "-", stdin=_dump([namespace]))
    credentials.ensure(simulated=simulated)
    with timed("applying"):
        cluster.apply(_dump([entry for entry in manifests if entry["kind"] != "Namespace"]))
    wanted = [(entry["kind"], entry["metadata"]["name"]) for entry in manifests if entry["kind"] in _WORKLOADS]
    cluster.wait_ready(wanted)
    prune(manifests)
    del choice


def prune(manifests: Sequence[Manifest]) -> None:
    """Remove what carries our label and is in no manifest any more."""
    kept = keys(manifests)
    selector = "app.kubernetes.io/part-of=miyabi"
    for kind in PRUNED:
        for entry in cluster.read(kind, "--selector", selector)["items"]:
            owned = entry["metadata"].get("ownerReferences")
            name = entry["metadata"]["name"]
            if not owned and (kind, name) not in kept:
                cluster.kubectl("delete", kind, name, "--wait=false")
                say(f"removed {kind.lower()} {name}, which is in no manifest any more")


def _dump(manifests: Sequence[Manifest]) -> str:
    """Return manifests as a List, which kubectl reads at once."""
    import json  # noqa: PLC0415 - only here

    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def _also(choice: Choice) -> str:
    """Name the additional components."""
    return f" + {', '.join(choice.components)}" if choice.components else ""


def _local_valkey(manifests: Sequence[Manifest]) -> list[str]:
    """Return the Valkey image where a stand-in was built here; else the cluster pulls the official one."""
    used = [image for image in images_of(manifests) if image == images.VALKEY]
    return [image for image in used if images.choose_builder().has(image)]


def _check_apis(manifests: Sequence[Manifest]) -> None:
    """Refuse early what the cluster does not know.

    Raises:
        K8sError: an operator is missing; the message names it.
    """
    needed = {entry["apiVersion"].partition("/")[0] for entry in manifests if "." in entry["apiVersion"]}
    known = {line.partition("/")[0] for line in run("kubectl", "api-versions").splitlines()}
    hints = {
        "keda.sh": "KEDA (https://keda.sh/docs/latest/deploy/), or leave the component `keda` out",
        "cert-manager.io": "cert-manager (https://cert-manager.io/docs/installation/)",
        "gateway.networking.k8s.io": "an implementation of the Gateway API, or leave the component `gateway-api` out",
        "monitoring.coreos.com": "the Prometheus operator, or leave the component `monitoring` out",
    }
    for group in sorted(needed - known):
        from scripts.k8s.shell import fail  # noqa: PLC0415 - beside its one use

        fail(f"the cluster does not know {group}: install {hints.get(group, 'what serves it')}")


def addresses(*, simulated: bool) -> str:
    """Return how the system is reached, as lines that work when pasted."""
    issues = (
        '"repository":"django/django","issue_numbers":[13933,14155]'
        if simulated
        else '"repository":"OWNER/REPO","issue_numbers":[1]'
    )
    forward = f"kubectl --namespace {cluster.NAMESPACE} port-forward"
    return (
        f"page:  {forward} service/dashboard 3001:3001    then http://localhost:3001\n"
        f"batch: {forward} service/coordinator 50051:50051 >/dev/null & "
        "until grpcurl -plaintext localhost:50051 list >/dev/null 2>&1; do sleep 0.2; done; "
        f'grpcurl -plaintext -d \'{{{issues},"pipeline":"PIPELINE_FIX","concurrency":2}}\' '
        "localhost:50051 miyabi.coordinator.v1.CoordinatorService/SubmitBatch"
    )
