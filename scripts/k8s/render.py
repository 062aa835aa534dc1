"""Renders overlays and components with kustomize, wherever it is found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.k8s.shell import ROOT, fail, run, works

#: Where the manifests are.
MANIFESTS = ROOT / "deploy/k8s"
#: Where rendered overlays are put together.
BUILD = ROOT / "build/k8s"
#: Tools that are installed into the checkout.
TOOLS = ROOT / ".tools/bin"
#: kustomize as a Go module, for machines without kubectl.
KUSTOMIZE_MODULE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """What is rendered.

    Args:
        overlay: A folder of deploy/k8s/overlays.
        components: More folders of deploy/k8s/components.
        repository: What image names begin with; "" leaves them as they are in the base.
        tag: Of our images.
    """

    overlay: str
    components: tuple[str, ...] = ()
    repository: str = ""
    tag: str = ""


def chosen(*, repository: str = "", tag: str = "") -> Choice:
    """Return what OVERLAY (default: dev) and MIYABI_K8S_COMPONENTS (comma separated) ask for.

    Raises:
        K8sError: there is no such overlay or component.
    """
    overlay = os.environ.get("OVERLAY", "dev")
    wanted = os.environ.get("MIYABI_K8S_COMPONENTS", "").split(",")
    components = tuple(part for entry in wanted if (part := entry.strip()))
    for kind, name in [("overlays", overlay), *(("components", name) for name in components)]:
        if not (MANIFESTS / kind / name / "kustomization.yaml").exists():
            there = ", ".join(sorted(path.name for path in (MANIFESTS / kind).iterdir()))
            fail(f"there is no {name!r} in deploy/k8s/{kind}; there are: {there}")
    return Choice(overlay, components, repository, tag)


def kustomize_command() -> tuple[str, ...]:
    """Return kustomize: kubectl's own, kustomize itself, or the one that Go builds into the checkout.

    Raises:
        K8sError: there is none, and no Go to build it.
    """
    if works("kubectl", "kustomize", "--help"):
        return ("kubectl", "kustomize")
    for candidate in ("kustomize", str(TOOLS / "kustomize")):
        if shutil.which(candidate):
            return (candidate, "build")
    if shutil.which("go") is None:
        fail("neither kubectl nor kustomize is installed, and no Go to build one: install kubectl")
    TOOLS.mkdir(parents=True, exist_ok=True)
    run("go", "install", "-trimpath", KUSTOMIZE_MODULE, env={"GOBIN": str(TOOLS), "CGO_ENABLED": "0"})
    return (str(TOOLS / "kustomize"), "build")


def compose(choice: Choice, *, name: str = "") -> Path:
    """Write the kustomization that puts *choice* together; returns its folder."""
    folder = BUILD / (name or choice.overlay)
    folder.mkdir(parents=True, exist_ok=True)
    up = os.path.relpath(MANIFESTS, folder)
    body: Manifest = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "miyabi",
        "resources": [f"{up}/overlays/{choice.overlay}"],
        "components": [f"{up}/components/{component}" for component in choice.components],
        "labels": [{"pairs": {"app.kubernetes.io/part-of": "miyabi"}}],
    }
    if choice.repository:
        images = ("coordinator", "github-gateway", "agents", "dashboard", "simulators")
        body["images"] = [
            {"name": f"miyabi/{image}", "newName": f"{choice.repository}/{image}", "newTag": choice.tag}
            for image in images
        ]
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    return folder


def render(choice: Choice, *, name: str = "") -> str:
    """Return the manifests of *choice* as YAML.

    Raises:
        K8sError: kustomize refused something; the message is its own.
    """
    return run(*kustomize_command(), str(compose(choice, name=name)))


def parse(text: str) -> list[Manifest]:
    """Return the manifests of a YAML stream."""
    return [entry for entry in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if entry]


def images_of(manifests: Iterable[Manifest]) -> list[str]:
    """Return every image that the manifests name, sorted."""
    found = set()
    for manifest in manifests:
        pod = (
            manifest.get("spec", {}).get("template", {}).get("spec", {})
            if isinstance(manifest.get("spec"), dict)
            else {}
        )
        for container in [*pod.get("containers", ()), *pod.get("initContainers", ())]:
            found.add(container["image"])
    return sorted(found)


def keys(manifests: Sequence[Manifest]) -> set[tuple[str, str]]:
    """Return kind and name of each manifest."""
    return {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
