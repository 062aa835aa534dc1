"""What the rendered manifests promise, read from the YAML: no cluster is needed."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import miyabi_sim.demo
from miyabi_agents.settings import AgentsSettings
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_core.store.address import Address
from miyabi_dashboard.settings import DashboardSettings
from miyabi_github_gateway.settings import GatewaySettings
from scripts.k8s.grants import KEYS, SECRET
from scripts.k8s.render import MANIFESTS, Choice, Manifest, parse, render

OVERLAYS = ["dev", "prod"]


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Manifest]]:
    """Render both overlays."""
    return {name: parse(render(Choice(name, (), "localhost/miyabi", "1"), name=f"test/{name}")) for name in OVERLAYS}


def pods(manifests: list[Manifest]) -> list[tuple[str, dict[str, Any]]]:
    """Return the name and pod of each workload."""
    return [
        (entry["metadata"]["name"], entry["spec"]["template"]["spec"])
        for entry in manifests
        if entry["kind"] in {"Deployment", "StatefulSet", "Job"}
    ]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every container of a pod."""
    return [*pod["containers"], *pod.get("initContainers", ())]


def settings(manifests: list[Manifest], name: str) -> dict[str, str]:
    """Return a ConfigMap by the name before its hash."""
    return next(
        entry["data"]
        for entry in manifests
        if entry["kind"] == "ConfigMap" and re.fullmatch(rf"{name}-[a-z0-9]{{10}}", entry["metadata"]["name"])
    )


def read_settings(manifests: list[Manifest], folder: Path) -> dict[str, Any]:
    """Read the settings as the processes do; what a process would not understand fails here."""
    file = folder / "settings.env"
    file.write_text("".join(f"{key}={value}\n" for key, value in settings(manifests, "miyabi-settings").items()))
    classes = {
        "coordinator": CoordinatorSettings,
        "github-gateway": GatewaySettings,
        "dashboard": DashboardSettings,
        "agents": AgentsSettings,
    }
    return {name: kind(_env_file=file) for name, kind in classes.items()}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_grace_period_is_longer_than_the_drain(
    rendered: dict[str, list[Manifest]], overlay: str, tmp_path: Path
) -> None:
    """Kubernetes kills no pod that still drains, and every setting is one that its process understands."""
    manifests = rendered[overlay]
    values = read_settings(manifests, tmp_path)
    grace = {name: timedelta(seconds=pod["terminationGracePeriodSeconds"]) for name, pod in pods(manifests)}
    for service in ("coordinator", "github-gateway", "dashboard"):
        assert values[service].drain_delay == timedelta(seconds=35)
        assert grace[service] > values[service].drain_delay + timedelta(seconds=10)
    assert grace["agents"] > values["agents"].drain + timedelta(seconds=5)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_agents_know_no_store_and_no_github(rendered: dict[str, list[Manifest]], overlay: str) -> None:
    """Neither an address of the store nor a credential of GitHub is in an agent's pod; the sandbox has no setting."""
    pod = dict(pods(rendered[overlay]))["agents"]
    sources = [entry["configMapRef"]["name"] for container in containers(pod) for entry in container.get("envFrom", ())]
    assert not any("store" in name for name in sources)
    assert "redis" not in str(settings(rendered[overlay], "miyabi-settings"))
    secrets = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert "miyabi-github" not in secrets
    (sandbox,) = pod["initContainers"]
    assert "envFrom" not in sandbox
    assert {mount["name"] for mount in sandbox["volumeMounts"]} == {"workspace", "sandbox-tmp"}
    uids = {container["name"]: container["securityContext"]["runAsUser"] for container in containers(pod)}
    assert uids["sandbox"] != uids["agents"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_coordinators_and_gateways_have_the_key_of_grants(
    rendered: dict[str, list[Manifest]], overlay: str, tmp_path: Path
) -> None:
    """The two that sign and check grants mount the key where their settings look for it; agents and the page do not."""
    holding = {}
    for name, pod in pods(rendered[overlay]):
        secret = [volume for volume in pod.get("volumes", ()) if "secret" in volume]
        volumes = [volume["name"] for volume in secret if volume["secret"]["secretName"] == SECRET]
        mounts = [
            mount for entry in containers(pod) for mount in entry.get("volumeMounts", ()) if mount["name"] in volumes
        ]
        if volumes:
            holding[name] = [f"{mount['mountPath']}/{KEYS}" for mount in mounts]
    values = read_settings(rendered[overlay], tmp_path)
    assert holding == {name: [str(values[name].grant_key_file)] for name in ("coordinator", "github-gateway")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_probed_and_restricted(rendered: dict[str, list[Manifest]], overlay: str) -> None:
    """Liveness is apart from readiness, the root is read-only, and memory is bounded."""
    for name, pod in pods(rendered[overlay]):
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        for container in containers(pod):
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert container["resources"]["limits"]["memory"]
            assert container["livenessProbe"]
            if "grpc" in container["livenessProbe"]:
                assert container["livenessProbe"]["grpc"]["service"] == "liveness"
                assert container["readinessProbe"]["grpc"]["service"] == "readiness"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_pod_is_without_a_policy(rendered: dict[str, list[Manifest]], overlay: str) -> None:
    """Everything is denied first, and no allowance is for everyone, but for names."""
    policies = [entry for entry in rendered[overlay] if entry["kind"] == "NetworkPolicy"]
    unselective = [entry["metadata"]["name"] for entry in policies if not entry["spec"]["podSelector"]]
    assert sorted(unselective) == ["default-deny", "dns"]
    (deny,) = [entry for entry in policies if entry["metadata"]["name"] == "default-deny"]
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for entry in policies:
        for rule in [*entry["spec"].get("ingress", ()), *entry["spec"].get("egress", ())]:
            assert rule.get("from") or rule.get("to"), entry["metadata"]["name"]
            assert rule["ports"], entry["metadata"]["name"]


def test_production_keeps_its_word(rendered: dict[str, list[Manifest]]) -> None:
    """Three coordinators, a store that loses and evicts nothing, a cache that may, and anonymous callers nowhere."""
    manifests = rendered["prod"]
    scalers = {
        entry["metadata"]["name"]: entry["spec"] for entry in manifests if entry["kind"] == "HorizontalPodAutoscaler"
    }
    assert scalers["coordinator"]["minReplicas"] == 3
    stores = dict(pods(manifests))
    state, cache = (" ".join(stores[name]["containers"][0]["args"]) for name in ("redis-state", "redis-cache"))
    assert "--appendonly yes --appendfsync always" in state
    assert "--maxmemory-policy noeviction" in state
    assert "--maxmemory-policy allkeys-lru" in cache
    values = settings(manifests, "miyabi-settings")
    assert {value for name, value in values.items() if name.endswith("ALLOW_ANONYMOUS")} == {"false"}
    budgets = {entry["metadata"]["name"] for entry in manifests if entry["kind"] == "PodDisruptionBudget"}
    assert {"coordinator", "github-gateway", "agents", "dashboard"} <= budgets


def test_what_was_done_on_the_simulated_github_outlives_its_pod(rendered: dict[str, list[Manifest]]) -> None:
    """An upgrade replaces the simulators too: their data are on a claim, as the real GitHub's are elsewhere."""
    pod = dict(pods(rendered["dev"]))["simulators"]
    (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
    assert data["persistentVolumeClaim"] == {"claimName": "simulators"}


def test_the_cluster_of_stores_loses_nothing() -> None:
    """Six servers that evict nothing and write at once; coordinators count a write when a replica has it, and know no other store."""
    manifests = parse(render(Choice("prod", ("ha-redis",), "localhost/miyabi", "1"), name="test/ha"))
    stores = next(
        entry for entry in manifests if entry["kind"] == "StatefulSet" and entry["metadata"]["name"] == "redis-cluster"
    )
    arguments = " ".join(stores["spec"]["template"]["spec"]["containers"][0]["args"])
    assert stores["spec"]["replicas"] == 6
    for wanted in ("--appendonly yes --appendfsync always", "--maxmemory-policy noeviction", "--cluster-enabled yes"):
        assert wanted in arguments
    (coordinator,) = dict(pods(manifests))["coordinator"]["containers"]
    given = {entry["name"]: entry["value"] for entry in coordinator["env"]}
    assert given["MIYABI_COORDINATOR_MIN_REPLICAS"] == "1"
    servers = Address.parse(given["MIYABI_REDIS_URL"])
    assert servers.cluster
    assert servers.nodes == tuple((f"redis-cluster-{number}.redis-cluster", 6379) for number in range(6))
    edges = {entry["metadata"]["name"] for entry in manifests if entry["kind"] == "NetworkPolicy"}
    assert {"coordinator-to-redis-cluster", "redis-cluster-from-coordinator"} <= edges
    assert not {"coordinator-to-redis-state", "redis-state-from-coordinator"} & edges


def test_overlays_are_short_and_the_base_is_neutral() -> None:
    """An overlay is under 30 lines; the base has no namespace, tag or number of replicas."""
    for overlay in OVERLAYS:
        assert len((MANIFESTS / "overlays" / overlay / "kustomization.yaml").read_text().splitlines()) < 30
    for file in (MANIFESTS / "base").glob("*.yaml"):
        for document in parse(file.read_text()):
            assert "namespace" not in document.get("metadata", {})
            assert "replicas" not in (document.get("spec") or {})
        assert not re.search(r"image: miyabi/\S+:", file.read_text())


def test_the_demo_is_the_demo() -> None:
    """The operator's test configuration in the simulators' component is the one of the local demo."""
    demo = Path(miyabi_sim.demo.__file__).parent / "data/repositories/django/django.yaml"
    assert (MANIFESTS / "components/simulators/django.yaml").read_text() == demo.read_text()
