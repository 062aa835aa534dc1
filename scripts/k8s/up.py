"""`make up`: checks, builds, loads, applies, waits, and says where everything is."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import replace

from scripts.k8s import certificates, cluster, credentials, grants, identities, images
from scripts.k8s.render import BUILD, Choice, Manifest, chosen, images_of, keys, parse, render
from scripts.k8s.shell import ROOT, fail, run, say, timed

#: Kinds whose left-overs are removed: what an older version of the manifests had and this one has not.
PRUNED = (
    "Deployment", "StatefulSet", "Service", "ServiceAccount", "ConfigMap", "PodDisruptionBudget", "NetworkPolicy",
    "HorizontalPodAutoscaler", "Job",
)  # fmt: skip
#: Local ports of the printed lines: others than those of a system that runs on this machine itself, which
#: `kubectl port-forward` would not notice.
LOCAL_GRPC, LOCAL_PAGE = 15051, 13001
#: Kinds that are waited for.
_WORKLOADS = ("StatefulSet", "Deployment")


def up() -> None:
    """Bring the system up, or upgrade it; running twice changes nothing.

    Raises:
        K8sError: something is missing, or a pod does not start.
    """
    began = time.monotonic()
    context = cluster.require_cluster()
    choice = _with_certificates(chosen(repository=images.repository(), tag=images.content_tag()))
    say(f"context {context or '(none)'}, overlay {choice.overlay}{_also(choice)}, images {choice.tag}")
    manifests = parse(render(choice))
    _check_apis(manifests)
    simulated = ("Deployment", "simulators") in keys(manifests)
    ours = [image for image in images_of(manifests) if image.startswith(f"{choice.repository}/")]
    targets = [image.rpartition("/")[2].partition(":")[0] for image in ours]
    built = images.build(targets=targets)
    images.load([*built, *_local_valkey(manifests)], context)
    apply(manifests, simulated=simulated)
    say(f"up after {time.monotonic() - began:.1f} s")
    say(addresses(simulated=simulated, secured=f'"{identities.SECRET}"' in _dump(manifests)))


def _with_certificates(choice: Choice) -> Choice:
    """Return *choice* with cert-manager's certificates where TLS is asked for and cert-manager is there."""
    secured = any(f"secretName: tls-{name}" in render(choice) for name in certificates.SERVERS)
    if secured and cluster.serves("cert-manager.io") and "cert-manager" not in choice.components:
        return replace(choice, components=(*choice.components, "cert-manager"))
    return choice


def apply(manifests: Sequence[Manifest], *, simulated: bool) -> None:
    """Apply manifests, wait for them, remove what is left of older ones.

    Raises:
        K8sError: something was refused, or a pod does not start.
    """
    for namespace in [entry for entry in manifests if entry["kind"] == "Namespace"]:
        run("kubectl", "apply", "--server-side", "--field-manager=miyabi", "--filename", "-", stdin=_dump([namespace]))
    credentials.ensure(simulated=simulated)
    grants.ensure()
    text = _dump(manifests)
    if f'"{identities.SECRET}"' in text:
        identities.ensure()
        if "Certificate" not in {entry["kind"] for entry in manifests}:
            certificates.ensure()
    with timed("applying"):
        cluster.apply(_dump([entry for entry in manifests if entry["kind"] != "Namespace"]))
    wanted = [(entry["kind"], entry["metadata"]["name"]) for entry in manifests if entry["kind"] in _WORKLOADS]
    cluster.wait_ready(wanted)
    prune(manifests)


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
        fail(f"the cluster does not know {group}: install {hints.get(group, 'what serves it')}")


def addresses(*, simulated: bool, secured: bool) -> str:
    """Return how the system is reached, as lines that work when pasted."""
    issues = (
        '"repository":"django/django","issue_numbers":[13933,14155]'
        if simulated
        else '"repository":"OWNER/REPO","issue_numbers":[1]'
    )
    forward = f"kubectl --namespace {cluster.NAMESPACE} port-forward"
    keys = f"{BUILD.relative_to(ROOT)}/operator"
    plain = "-plaintext" if not secured else f"-cacert {keys}/ca.crt -cert {keys}/tls.crt -key {keys}/tls.key"
    ready = f"until grpcurl {plain} localhost:{LOCAL_GRPC} list >/dev/null 2>&1; do sleep 0.2; done"
    body = f'{{{issues},"pipeline":"PIPELINE_FIX","concurrency":2}}'
    call = f"grpcurl {plain} -d '{body}' localhost:{LOCAL_GRPC} miyabi.coordinator.v1.CoordinatorService/SubmitBatch"
    lines = [
        f"page:  {forward} service/dashboard {LOCAL_PAGE}:3001    then http{'s' if secured else ''}://localhost:{LOCAL_PAGE}",
        f"batch: {forward} service/coordinator {LOCAL_GRPC}:50051 >/dev/null & {ready}; {call}",
    ]
    if secured:
        _write_operator_keys()
        lines.append(f"the operator's certificate and key are in {keys}, readable by you alone")
    return "\n".join(lines)


def _write_operator_keys() -> None:
    """Fetch the operator's certificate for grpcurl."""
    folder = BUILD / "operator"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, value in cluster.read("secret", "tls-operator")["data"].items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(base64.b64decode(value))
