"""Steps: a clean start, the demo batch, the page, what the pods use, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time

from scripts.k8s import cluster, down, images
from scripts.k8s.render import chosen, images_of, parse, render
from scripts.k8s.shell import ROOT, run, say
from tests.k8s.browser import find_browser, look
from tests.k8s.rig import (
    COORDINATOR,
    Figures,
    environment,
    events_of,
    expect,
    forward,
    github_items,
    grpcurl,
    pods,
    pull_requests,
    wait_for_end,
)

#: metrics-server looks every minute, and twice before it tells of a pod.
IDLE_SECONDS = 180.0
#: The demo: real issues of Django, told in our own words.
DEMO = ("django/django", (13933, 14155, 14534, 14752, 15347))

#: A cluster is tried more than once: an issue may have a pull request, or be in a batch, of the time before.
AGAIN = ["PROBLEM_KIND_PULL_REQUEST_OPEN", "PROBLEM_KIND_ISSUE_IN_BATCH"]


def start(figures: Figures) -> None:
    """From a cluster without us to everything ready, with images present; then the first event of a batch."""
    choice = chosen(repository=images.repository(), tag=images.content_tag())
    ours = [image for image in images_of(parse(render(choice))) if image.startswith(choice.repository)]
    images.build(targets=[image.rpartition("/")[2].partition(":")[0] for image in ours])
    down.down(purge=True)
    began = time.monotonic()
    done = subprocess.run(["make", "up"], cwd=ROOT, check=False, env=os.environ)
    expect(done.returncode == 0, "`make up` failed")
    ready = time.monotonic() - began
    with forward("coordinator", 50051) as port:
        first = _first_event(port)
    figures.add("start", up_seconds=round(ready, 1), first_event_seconds=round(first - began, 1))
    again = time.monotonic()
    expect(subprocess.run(["make", "up"], cwd=ROOT, check=False).returncode == 0, "`make up` again failed")
    figures.add("start", up_again_seconds=round(time.monotonic() - again, 1))


def _first_event(port: int) -> float:
    """Submit a dry run of triage and return when its first event came."""
    body = {"repository": DEMO[0], "issue_numbers": [DEMO[1][0]], "pipeline": "PIPELINE_TRIAGE", "dry_run": True}
    body["overrule"] = AGAIN
    command = [grpcurl(), "-plaintext", "-d", json.dumps(body), f"127.0.0.1:{port}", f"{COORDINATOR}/SubmitBatch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "batch_accepted" in line or "batchAccepted" in line:
                moment = time.monotonic()
                process.terminate()
                return moment
    raise AssertionError("no first event")


def sizes(figures: Figures) -> None:
    """Bytes of each image over its base."""
    base = images.sizes([environment("MIYABI_BASE_IMAGE", "docker.io/library/python:3.11-slim-bookworm")])
    floor = next(iter(base.values()))
    found = images.sizes(images.names())
    figures.add("sizes", base_mb=round(floor / 1e6))
    for name, size in found.items():
        title = name.rpartition("/")[2].partition(":")[0]
        figures.add("sizes", image=title, over_base_mb=round((size - floor) / 1e6))
        if title in {"coordinator", "github-gateway", "dashboard"}:
            expect(size - floor <= 250e6, f"{title} is more than 250 MB over its base")


def demo(figures: Figures) -> None:
    """The demo batch by grpcurl through the service to its end, with draft pull requests in the simulated GitHub."""
    repository, issues = DEMO
    body = {"repository": repository, "issue_numbers": list(issues), "pipeline": "PIPELINE_FIX", "concurrency": 3}
    body["overrule"] = AGAIN
    with forward("coordinator", 50051) as port, forward("simulators", 8080) as github:
        began = time.monotonic()
        command = [grpcurl(), "-plaintext", "-d", json.dumps(body), f"127.0.0.1:{port}", f"{COORDINATOR}/SubmitBatch"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3000)
        seconds = time.monotonic() - began
        names = done.stdout.replace("batchFinished", "batch_finished")
        expect(done.returncode == 0 and '"batch_finished"' in names, f"the stream ended early: {done.stderr[-800:]}")
        name = next(part for part in done.stdout.split('"') if part.startswith("batches/"))
        batch = wait_for_end(port, name, seconds=60)
        expect(batch["state"] == "BATCH_STATE_SUCCEEDED", f"the batch is {batch['state']}")
        sequences = [int(event["sequence"]) for event in events_of(port, name)]
        expect(sequences == list(range(1, len(sequences) + 1)), "the log has gaps or repeats")
        opened = [pull for pull in pull_requests(github_items(github, repository)) if pull["draft"]]
    expect(len(opened) == len(issues), f"{len(opened)} draft pull requests for {len(issues)} issues")
    for pull in opened:
        say(f"  #{pull['number']} {pull['title']} ({pull['head_ref']})")
    figures.add(
        "demo", issues=len(issues), draft_pull_requests=len(opened), seconds=round(seconds, 1), events=len(sequences)
    )


def page(figures: Figures) -> None:
    """The page in a browser without a screen, through a forwarded port: it shows the batches."""
    find_browser()
    shot = ROOT / "build/k8s/page.png"
    shot.parent.mkdir(parents=True, exist_ok=True)
    with forward("dashboard", 3001) as port:
        text = asyncio.run(look(f"http://127.0.0.1:{port}/", words="django/django", picture=shot))
    picture = {"screenshot": str(shot.relative_to(ROOT)), "screenshot_bytes": shot.stat().st_size}
    figures.add("page", characters=len(text), **picture)


def _containers() -> set[str]:
    """Return the running containers, as pod/container."""
    return {
        f"{pod['metadata']['name']}/{status['name']}"
        for pod in cluster.read("pods")["items"]
        for status in [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
        if "running" in status["state"]
    }


def idle(figures: Figures) -> None:
    """Memory of each pod while nothing is to be done."""
    usage: dict[str, int] = {}
    deadline = time.monotonic() + IDLE_SECONDS
    while missing := sorted(_containers() - usage.keys()):
        expect(time.monotonic() < deadline, f"no metrics of {', '.join(missing)}: is metrics-server installed?")
        time.sleep(5)
        text = cluster.kubectl("top", "pods", "--containers", "--no-headers", check=False)
        rows = [line.split() for line in text.splitlines()]
        usage = {f"{pod}/{container}": int(memory.removesuffix("Mi")) for pod, container, _, memory in rows}
    for name, mib in sorted(usage.items()):
        figures.add("idle", container=name, mib=mib)
    total = sum(mib for name, mib in usage.items() if not name.startswith("simulators"))
    figures.add("idle", total_without_simulators_mib=total)


def server_dry_run(figures: Figures) -> None:
    """The API server takes every manifest whose kind it knows, of both overlays."""
    known = {line.partition("/")[0] for line in run("kubectl", "api-versions").splitlines()}
    for overlay in ("dev", "prod"):
        os.environ["OVERLAY"], before = overlay, os.environ.get("OVERLAY")
        try:
            choice = chosen(repository=images.repository(), tag=images.content_tag())
        finally:
            os.environ.pop("OVERLAY") if before is None else os.environ.update(OVERLAY=before)
        manifests = [
            entry for entry in parse(render(choice))
            if "." not in entry["apiVersion"] or entry["apiVersion"].partition("/")[0] in known
        ]  # fmt: skip
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        command = (
            "kubectl",
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=miyabi",
            "--dry-run=server",
        )
        run(*command, "--filename", "-", stdin=text)
        kinds = sorted({entry["kind"] for entry in manifests})
        figures.add("server_dry_run", overlay=overlay, manifests=len(manifests), kinds=len(kinds))


def end(figures: Figures) -> None:
    """`make down` keeps the volume; with PURGE=1 nothing of ours is left."""
    began = time.monotonic()
    expect(subprocess.run(["make", "down"], cwd=ROOT, check=False).returncode == 0, "`make down` failed")
    expect(not pods(), "pods are left")
    kept = cluster.kubectl("get", "persistentvolumeclaims", "--output", "name").split()
    wanted = {"persistentvolumeclaim/data-redis-state-0", "persistentvolumeclaim/simulators"}
    expect(set(kept) == wanted, f"kept: {kept}")
    seconds = time.monotonic() - began
    purged = subprocess.run(["make", "down", "PURGE=1"], cwd=ROOT, check=False)
    expect(purged.returncode == 0, "`make down PURGE=1` failed")
    left = run("kubectl", "get", "namespace", cluster.NAMESPACE, "--ignore-not-found", "--output", "name").strip()
    expect(not left, "the namespace is left")
    everywhere = run("kubectl", "get", "all,configmaps,secrets,persistentvolumeclaims", "--all-namespaces", "--selector",
                     "app.kubernetes.io/part-of=miyabi", "--output", "name").split()  # fmt: skip
    expect(not everywhere, f"left: {everywhere}")
    figures.add("end", down_seconds=round(seconds, 1))
