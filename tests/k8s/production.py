"""Step: the overlay `prod` from nothing, with simulators for GitHub and the model, used by the line that `make up` prints."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from scripts.k8s import cluster, down, images
from scripts.k8s.render import Choice, parse, render
from scripts.k8s.shell import ROOT, say
from tests.k8s import versions
from tests.k8s.rig import (
    COORDINATOR,
    Figures,
    expect,
    forward,
    github_items,
    grpcurl,
    pods,
    pull_requests,
)

#: The batch of the printed line.
_REPOSITORY, _ISSUES = "django/django", 2
#: Longest wait for figures of CPU: metrics-server looks every 15 to 60 s.
_METRICS_SECONDS = 240
#: An hour is enough for two issues of Django on any machine.
_BATCH_SECONDS = 3600


def prod(figures: Figures) -> None:
    """OVERLAY=prod with the simulators: three coordinators, two stores, TLS, KEDA, CPU scaling; the printed line works."""
    expect(cluster.serves("keda.sh"), "KEDA is not installed: https://keda.sh/docs/latest/deploy/")
    os.environ["OVERLAY"], os.environ["MIYABI_K8S_COMPONENTS"] = "prod", "simulators"
    figures.add("prod", **_requests())
    versions.bring(ROOT)
    down.down(purge=True)
    began = time.monotonic()
    done = subprocess.run(["make", "up"], cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True, env=os.environ)
    say(done.stdout)
    expect(done.returncode == 0, "`make up OVERLAY=prod` failed")
    figures.add("prod", up_seconds=round(time.monotonic() - began, 1))
    _scaled(figures)
    _refused(figures)
    _printed_line(figures, next(line for line in done.stdout.splitlines() if line.startswith("batch: ")))


def _requests() -> dict[str, Any]:
    """Add up what the scheduler has to find before agents scale out: each workload's least number of pods."""
    manifests = parse(render(Choice("prod", ("simulators",), images.repository(), images.content_tag())))
    least = {entry["metadata"]["name"]: entry["spec"]["minReplicas"] for entry in manifests
             if entry["kind"] == "HorizontalPodAutoscaler"}  # fmt: skip
    cpu, memory, count = 0, 0, 0
    for entry in manifests:
        if entry["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        replicas = least.get(entry["metadata"]["name"], entry["spec"].get("replicas", 1))
        pod = entry["spec"]["template"]["spec"]
        count += replicas
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            wanted = container["resources"]["requests"]
            cpu += replicas * int(wanted["cpu"].removesuffix("m"))
            memory += replicas * int(wanted["memory"].removesuffix("Mi"))
    return {"pods": count, "cpu_requests_millicores": cpu, "memory_requests_mib": memory}


def _scaled(figures: Figures) -> None:
    """KEDA reads the queue over TLS, and the CPU scalers have figures; three coordinators and two gateways are there."""
    cluster.kubectl("wait", "scaledobject/agents", "--for=condition=Ready", "--timeout=180s")
    deadline = time.monotonic() + _METRICS_SECONDS
    scalers: dict[str, Any] = {}
    while time.monotonic() < deadline:
        scalers = {entry["metadata"]["name"]: entry for entry in cluster.read("horizontalpodautoscalers")["items"]}
        if all(_current(scaler) is not None for scaler in scalers.values()) and _ready("coordinator") >= 3:
            break
        time.sleep(3)
    known = {name: _current(scaler) for name, scaler in scalers.items()}
    expect(all(value is not None for value in known.values()), f"targets are unknown: {known}")
    counted = {name: _ready(name) for name in ("coordinator", "github-gateway", "agents", "dashboard")}
    expect(counted["coordinator"] >= 3, f"coordinators: {counted}")
    expect(counted["github-gateway"] >= 2, f"gateways: {counted}")
    figures.add("prod", targets=known, ready=counted)
    _grows_by_cpu(figures)


def _grows_by_cpu(figures: Figures) -> None:
    """With a target below what idle gateways use, the scaler starts another: figures and scaling are connected."""
    body = '[{"op":"replace","path":"/spec/metrics/0/resource/target/averageValue","value":"%s"}]'
    before = cluster.read("horizontalpodautoscaler", "github-gateway")["spec"]["metrics"][0]["resource"]["target"]
    command = ("patch", "horizontalpodautoscaler", "github-gateway", "--type", "json", "--patch")
    began = time.monotonic()
    cluster.kubectl(*command, body % "1m")
    try:
        while _ready("github-gateway") < 3:
            expect(time.monotonic() < began + _METRICS_SECONDS, "no third gateway came")
            time.sleep(1)
        figures.add("prod", third_gateway_ready_after_seconds=round(time.monotonic() - began, 1))
    finally:
        cluster.kubectl(*command, body % before["averageValue"])


def _current(scaler: dict[str, Any]) -> str | None:
    """Return what a scaler measures now; None where it knows nothing."""
    for metric in scaler.get("status", {}).get("currentMetrics") or ():
        for kind in ("resource", "external"):
            if kind in metric:
                found = metric[kind]["current"]
                return str(found.get("averageValue", found.get("value")))
    return None


def _ready(name: str) -> int:
    """Return how many pods of a Deployment are ready."""
    return int(cluster.read("deployment", name).get("status", {}).get("readyReplicas", 0))


def _refused(figures: Figures) -> None:
    """Plain text, and TLS without a certificate of ours, get nowhere."""
    with forward("coordinator", 50051) as port:
        for how in ("-plaintext", "-insecure"):
            command = [grpcurl(), how, "-max-time", "10", "-d", "{}", f"localhost:{port}", f"{COORDINATOR}/ListBatches"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            expect(done.returncode != 0, f"a call with {how} was answered: {done.stdout}")
    figures.add("prod", refused=["plain text", "no client certificate"])


def _printed_line(figures: Figures, line: str) -> None:
    """Paste the line, and look at the pull requests."""
    environment = {**os.environ, "PATH": f"{Path(grpcurl()).parent}:{os.environ['PATH']}"}
    began = time.monotonic()
    shell = subprocess.Popen(["bash", "-c", line.removeprefix("batch: ")], cwd=ROOT, env=environment, text=True,
                             stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    clock = threading.Timer(_BATCH_SECONDS, os.killpg, (shell.pid, signal.SIGTERM))
    clock.start()
    try:
        assert shell.stdout is not None
        lines = []
        for text in shell.stdout:
            lines.append(text)
            if "batchFinished" in text or "batch_finished" in text:
                break
    finally:
        clock.cancel()
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait()
    seconds = time.monotonic() - began
    expect("inished" in lines[-1] if lines else False, f"the printed line ended early: {''.join(lines)[-800:]}")
    with forward("simulators", 8080) as github:
        opened = [pull for pull in pull_requests(github_items(github, _REPOSITORY)) if pull["draft"]]
    expect(len(opened) == _ISSUES, f"{len(opened)} draft pull requests for {_ISSUES} issues")
    figures.add("prod", printed_line="works", draft_pull_requests=len(opened), seconds=round(seconds, 1),
                events=sum('"sequence"' in text for text in lines), pods=len(pods()))  # fmt: skip
