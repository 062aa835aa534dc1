"""`make down`, `make status`, `make logs`."""

from __future__ import annotations

import os

from scripts.k8s import cluster
from scripts.k8s.shell import fail, run, say, stream, timed

#: Everything of ours but volumes; kinds of operators only where the cluster knows them.
_KINDS = (
    "deployments,statefulsets,jobs,pods,services,serviceaccounts,configmaps,secrets,poddisruptionbudgets,"
    "networkpolicies,horizontalpodautoscalers"
)
_OPERATED = {
    "keda.sh": "scaledobjects.keda.sh,triggerauthentications.keda.sh",
    "cert-manager.io": "certificates.cert-manager.io,issuers.cert-manager.io",
    "gateway.networking.k8s.io": "gateways,httproutes,grpcroutes",
    "monitoring.coreos.com": "podmonitors,prometheusrules",
}


def down(*, purge: bool) -> None:
    """Remove everything but the volumes; with *purge* those and the namespace too.

    Raises:
        K8sError: there is no cluster, or something does not go away.
    """
    cluster.require_cluster()
    if not run("kubectl", "get", "namespace", cluster.NAMESPACE, "--ignore-not-found", "--output", "name").strip():
        say("nothing is there")
        return
    with timed("removing"):
        for group, kinds in _OPERATED.items():
            if cluster.serves(group):
                cluster.kubectl("delete", kinds, "--all", "--wait=true", "--timeout=120s")
        cluster.kubectl("delete", _KINDS, "--all", "--grace-period=20", "--wait=true", "--timeout=240s")
    if purge:
        with timed("removing volumes and the namespace"):
            cluster.kubectl("delete", "persistentvolumeclaims", "--all", "--wait=true", "--timeout=120s")
            run("kubectl", "delete", "namespace", cluster.NAMESPACE, "--timeout=120s")
        return
    kept = cluster.kubectl("get", "persistentvolumeclaims", "--output", "name").split()
    say(f"kept: namespace {cluster.NAMESPACE}, {', '.join(kept) or 'no volumes'}; PURGE=1 removes them too")


def status() -> None:
    """Print what runs, with which images, what scales it, what it keeps.

    Raises:
        K8sError: there is no cluster, or the system is not up.
    """
    cluster.require_cluster()
    if not run("kubectl", "get", "namespace", cluster.NAMESPACE, "--ignore-not-found", "--output", "name").strip():
        fail("the system is not up: `make up`")
    columns = (
        "custom-columns=NAME:.metadata.name,READY:.status.readyReplicas,WANTED:.spec.replicas,"
        "IMAGE:.spec.template.spec.containers[0].image"
    )
    say(cluster.kubectl("get", "deployments,statefulsets", "--output", columns))
    say(cluster.kubectl("get", "pods", "--output", "wide"))
    say(cluster.kubectl("get", "persistentvolumeclaims,horizontalpodautoscalers", check=False))
    if cluster.serves("keda.sh"):
        say(cluster.kubectl("get", "scaledobjects", check=False))


def logs() -> int:
    """Follow the logs of every pod, or of the service that SERVICE names; returns kubectl's exit code."""
    cluster.require_cluster()
    service = os.environ.get("SERVICE", "")
    selector = f"app.kubernetes.io/name={service}" if service else "app.kubernetes.io/name"
    return stream(
        "kubectl", "--namespace", cluster.NAMESPACE, "logs", "--selector", selector, "--all-containers", "--prefix",
        "--follow", "--tail=20", "--max-log-requests=100",
    )  # fmt: skip
