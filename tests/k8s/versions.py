"""Another version of the system: the same checkout with a change in what every service runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.k8s import cluster
from scripts.k8s.shell import ROOT, run
from tests.k8s.rig import expect, is_ready, pods

#: Where the other version's sources are put together; inside the checkout, so that nothing is left elsewhere.
OTHER = ROOT / "build/k8s/other-version"
#: A module of every Python service, and what is added to it.
_CHANGED = "libs/miyabi-core/src/miyabi_core/__init__.py"
_ADDED = '\n#: Which build this is.\nBUILD = "other"\n'
#: Container of each Deployment that runs it.
_CONTAINERS = {
    "coordinator": "coordinator",
    "github-gateway": "github-gateway",
    "dashboard": "dashboard",
    "agents": "agents",
}


def prepare() -> Path:
    """Copy the checkout's files and change one of them; returns the copy's root."""
    shutil.rmtree(OTHER, ignore_errors=True)
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in names:
        source = ROOT / name
        if source.is_file():
            (OTHER / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, OTHER / name)
    with (OTHER / _CHANGED).open("a", encoding="utf-8") as file:
        file.write(_ADDED)
    return OTHER


def make(word: str, folder: Path) -> None:
    """Run `images` or `up` of a checkout: its own scripts, its own sources, so its own tag."""
    _python(folder, "-m", "scripts.k8s", word)


def bring(folder: Path) -> None:
    """Build a checkout's images and bring them to the cluster, so that an upgrade finds them there."""
    make("images", folder)
    code = "from scripts.k8s import cluster, images; images.load(images.names(), cluster.require_cluster())"
    _python(folder, "-c", code)


def _python(folder: Path, *arguments: str) -> None:
    """Run our interpreter in a checkout; its modules come from there."""
    environment = {key: value for key, value in os.environ.items() if key != "MIYABI_K8S_TAG" or folder == ROOT}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, check=False, env=environment)
    expect(done.returncode == 0, f"{' '.join(arguments[-1:])} of {folder.name} failed")


def running() -> dict[str, str]:
    """Return which build each ready pod's code is of: "" for the checkout's own, by asking the pods."""
    code = "import miyabi_core; print(getattr(miyabi_core, 'BUILD', ''))"
    found = {}
    for service, container in _CONTAINERS.items():
        for pod in pods(f"app.kubernetes.io/name={service}"):
            if is_ready(pod):
                name = pod["metadata"]["name"]
                found[name] = cluster.kubectl(
                    "exec", name, "--container", container, "--", "/app/bin/python", "-c", code
                ).strip()
    return found
