"""Builds the images with docker, podman or buildah, whichever is there, and brings them to the cluster."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.k8s.shell import ROOT, fail, run, say, timed, works

#: Targets of the Dockerfile that are images of ours.
IMAGES = ("coordinator", "github-gateway", "agents", "dashboard", "simulators")
#: The image of the manifests that is not ours.
VALKEY = "docker.io/valkey/valkey:9.0"
#: Where images are built under without a registry: no registry has that name, so nothing is ever pulled by mistake.
LOCAL = "localhost/miyabi"
#: What images are made of.
INPUTS = ("pyproject.toml", "uv.lock", ".dockerignore", "deploy/images", "libs", "services", "cli")
#: Runtimes that the agents' image can hold beside Python (deploy/images/Dockerfile).
TOOLCHAINS = ("node", "go", "rust", "cc", "java")
#: Folders in there that are not (.dockerignore).
_LEFT_OUT = frozenset({"tests", "node_modules", "__pycache__", "static", "dist", "coverage"})


@dataclass(frozen=True)
class Builder:
    """A program that builds images."""

    name: str
    build: tuple[str, ...]

    def has(self, image: str) -> bool:
        """Tell whether an image is there."""
        if self.name == "buildah":
            return works("buildah", "inspect", "--type", "image", image)
        return works(self.name, "image", "inspect", image)


def choose_builder() -> Builder:
    """Return docker, podman or buildah, the first that works here; MIYABI_BUILDER names one.

    Raises:
        K8sError: there is none.
    """
    flags = tuple(shlex.split(os.environ.get("MIYABI_BUILD_FLAGS", "")))
    wanted = os.environ.get("MIYABI_BUILDER", "")
    for name in [wanted] if wanted else ["docker", "podman", "buildah"]:
        if name in {"docker", "podman"} and works(name, "info"):
            return Builder(name, (name, "build", *flags))
        if name == "buildah" and works("buildah", "--version"):
            # As root without user namespaces `chroot` is the isolation that works everywhere.
            chosen = flags or ("--isolation", "chroot", "--network", "host")
            return Builder(name, ("buildah", "bud", "--layers", *chosen))
    return fail(
        "no builder of images works here. Install docker, podman or buildah (Debian: `apt-get install buildah`), "
        "or name one in MIYABI_BUILDER."
    )


def source_files() -> Iterator[Path]:
    """Yield the files that images are made of, in order."""
    for name in INPUTS:
        path = ROOT / name
        found = [path] if path.is_file() else path.rglob("*")
        for file in sorted(found):
            parts = set(file.relative_to(ROOT).parts)
            if file.is_file() and not parts & _LEFT_OUT and file.suffix not in {".md", ".pyc"}:
                yield file


def toolchains() -> tuple[str, ...]:
    """Return the runtimes that TOOLCHAINS names for the agents' image, sorted: `make images TOOLCHAINS=node,go`.

    Raises:
        K8sError: one of them is not known.
    """
    wanted = sorted({name for name in os.environ.get("TOOLCHAINS", "").replace(",", " ").split() if name})
    unknown = [name for name in wanted if name not in TOOLCHAINS]
    if unknown:
        return fail(f"TOOLCHAINS: {', '.join(unknown)} is none of {', '.join(TOOLCHAINS)}")
    return tuple(wanted)


def content_tag() -> str:
    """Return a tag that changes with the content of the images; MIYABI_K8S_TAG overrides it."""
    if os.environ.get("MIYABI_K8S_TAG"):
        return os.environ["MIYABI_K8S_TAG"]
    total = hashlib.sha256(",".join(toolchains()).encode())
    for file in source_files():
        total.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:12]


def repository() -> str:
    """Return what image names begin with: the registry of MIYABI_K8S_REGISTRY, or a local name."""
    return os.environ.get("MIYABI_K8S_REGISTRY", "").rstrip("/") or LOCAL


def names(targets: Sequence[str] = IMAGES) -> list[str]:
    """Return the images' full names."""
    tag = content_tag()
    return [f"{repository()}/{target}:{tag}" for target in targets]


def build(*, targets: Sequence[str] = IMAGES, valkey: bool = False, force: bool = False) -> list[str]:
    """Build what is not there yet; returns the names.

    Args:
        targets: Which images.
        valkey: Build a stand-in for the official Valkey too, for places that reach no registry.
        force: Build them even where they are there.
    """
    builder = choose_builder()
    wanted = list(zip(targets, names(targets), strict=True)) + ([("valkey", VALKEY)] if valkey else [])
    for target, name in wanted:
        if builder.has(name) and not force:
            say(f"{name}: there already")
            continue
        with timed(f"building {name} with {builder.name}"):
            _build(builder, target, name)
    return [name for _, name in wanted]


def _build(builder: Builder, target: str, name: str) -> None:
    """Build one image."""
    revision = run("git", "rev-parse", "--short=12", "HEAD", check=False).strip() or "unknown"
    labels = {
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.version": name.rpartition(":")[2],
    }
    options = [option for key, value in labels.items() for option in ("--label", f"{key}={value}")]
    arguments = {"BASE": os.environ.get("MIYABI_BASE_IMAGE", "")}
    arguments |= {key: os.environ.get(key, "") for key in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")}
    if target == "agents":
        arguments["TOOLCHAINS"] = ",".join(toolchains())
    options += [option for key, value in arguments.items() if value for option in ("--build-arg", f"{key}={value}")]
    run(
        *builder.build, *options, "--target", target, "--tag", name, "--file", "deploy/images/Dockerfile", ".",
        timeout=3600,
    )  # fmt: skip


def load(images: Iterable[str], context: str) -> None:
    """Bring images to where the cluster finds them.

    In this order: the command in MIYABI_K8S_LOAD (the image's name is added), the registry in MIYABI_K8S_REGISTRY, and
    what the context's name tells: kind, minikube, k3d, k3s, or a Docker that the cluster shares.

    Raises:
        K8sError: it is not known how.
    """
    for image in images:
        command = _load_command(image, context)
        if command is None:
            say(f"{image}: the cluster shares the builder's images")
        elif isinstance(command, tuple):
            with timed(f"loading {image}"):
                run(*command, timeout=1800)
        else:
            with timed(f"loading {image}"):
                _load_archive(image, command)


#: How images get into a cluster, by how its context is called: the command for Docker's images, the one for an archive.
#: `{image}`, `{cluster}` and `{context}` are filled in; an archive's path is added.
_LOADERS = (
    ("kind-", "kind load docker-image --name {cluster} {image}", "kind load image-archive --name {cluster}"),
    ("minikube", "minikube --profile {context} image load {image}", "minikube --profile {context} image load"),
    ("k3d-", "k3d image import --cluster {cluster} {image}", "k3d image import --cluster {cluster}"),
)
#: Contexts of clusters that share the images of the Docker beside them.
_SHARED = ("docker-desktop", "rancher-desktop", "orbstack")


def _load_command(image: str, context: str) -> tuple[str, ...] | list[str] | None:
    """Return the command that loads an image; a list takes the image's archive as one more argument.

    Raises:
        K8sError: it is not known how.
    """
    if os.environ.get("MIYABI_K8S_LOAD"):
        return (*shlex.split(os.environ["MIYABI_K8S_LOAD"]), image)
    if context in _SHARED:
        return None
    builder = choose_builder()
    if os.environ.get("MIYABI_K8S_REGISTRY"):
        return (builder.name, "push", image)
    words = {"image": image, "cluster": context.partition("-")[2], "context": context}
    for prefix, from_docker, archive in _LOADERS:
        if context.startswith(prefix):
            filled = [part.format(**words) for part in (from_docker if builder.name == "docker" else archive).split()]
            return tuple(filled) if builder.name == "docker" else filled
    if works("k3s", "--version"):
        return ["k3s", "ctr", "images", "import"]
    return fail(
        f"it is not known how images get into the cluster of context {context!r}. Set MIYABI_K8S_REGISTRY to a "
        "registry that it pulls from, or MIYABI_K8S_LOAD to a command that takes an image's name, "
        'for example MIYABI_K8S_LOAD="ssh node load-image".'
    )


def _load_archive(image: str, command: list[str]) -> None:
    """Hand an image over as an archive."""
    builder = choose_builder()
    with tempfile.TemporaryDirectory() as folder:
        archive = f"{folder}/image.tar"
        if builder.name == "buildah":
            run("buildah", "push", image, f"docker-archive:{archive}:{image}")
        else:
            run(builder.name, "save", "--output", archive, image)
        run(*command, archive, timeout=1800)


def sizes(images: Iterable[str]) -> dict[str, int]:
    """Return the bytes of each image as its builder counts them, unpacked."""
    builder = choose_builder()
    found = {}
    for image in images:
        if builder.name == "buildah":
            container = run("buildah", "from", "--pull-never", image).strip()
            try:
                mounted = run("buildah", "mount", container).strip()
                counted = subprocess.run(["du", "-sxb", mounted], capture_output=True, text=True, check=True).stdout
                found[image] = int(counted.split()[0])
            finally:
                run("buildah", "rm", container)
        else:
            found[image] = int(run(builder.name, "image", "inspect", "--format", "{{.Size}}", image))
    return found
