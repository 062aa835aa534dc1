"""Installs uv and, with it, the locked Python packages."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import sys
import urllib.parse
import zipfile

from scripts.bootstrap.step import ROOT, TOOLS, digest, download, fail, once, run

#: uv's release, with the SHA-256 of its wheel for each platform that is supported.
UV_VERSION = "0.13.9"
UV_WHEELS = {
    ("Linux", "x86_64"): (
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    ("Linux", "aarch64"): (
        "manylinux_2_28_aarch64",
        "ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375",
    ),
    ("Darwin", "x86_64"): (
        "macosx_10_12_x86_64",
        "c16ed11e013557536b3e60065f1b912f6407bd6518e041b961e23ef9e6b4fbf5",
    ),
    ("Darwin", "arm64"): (
        "macosx_11_0_arm64",
        "66c512266d633bef48384a1f53003f41f2a8e7b36fe6e7fbfd3e0fd52d96fa63",
    ),
}


def index_url() -> str:
    """Return the package index: the user's, else PyPI."""
    chosen = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
    return (chosen or "https://pypi.org/simple").rstrip("/")


def fetch_uv() -> None:
    """Fetch uv's wheel for this platform, check its hash, unpack the program."""
    entry = UV_WHEELS.get((platform.system(), platform.machine()))
    if entry is None:
        fail(f"uv has no build here for {platform.system()} {platform.machine()}")
        return
    tag, expected = entry
    page = json.loads(download(f"{index_url()}/uv/", Accept="application/vnd.pypi.simple.v1+json"))
    prefix = f"uv-{UV_VERSION}-py3-none-{tag}"
    urls = [file["url"] for file in page["files"] if file["filename"].startswith(prefix)]
    if not urls:
        fail(f"the package index has no {prefix}")
    wheel = download(urllib.parse.urljoin(f"{index_url()}/uv/", urls[0]))
    actual = hashlib.sha256(wheel).hexdigest()
    if actual != expected:
        fail(f"uv's wheel has SHA-256 {actual}, expected {expected}")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        program = TOOLS / "uv"
        program.write_bytes(archive.read(f"uv-{UV_VERSION}.data/scripts/uv"))
        program.chmod(0o755)


def sync() -> None:
    """Install the locked packages, compiled once for every process, and our own, editable."""
    options = ("--frozen", "--all-packages", "--compile-bytecode", "--quiet")
    run(TOOLS / "uv", "sync", *options, "--python", sys.executable)


def tools() -> None:
    """Install uv and the Python packages."""
    once("uv", UV_VERSION, fetch_uv, proof=TOOLS / "uv")
    manifests = [ROOT / "uv.lock", *ROOT.glob("**/pyproject.toml")]
    manifests = [path for path in manifests if not {".venv", ".tools", "node_modules", "build"} & set(path.parts)]
    once("python packages", digest(manifests, sys.version, "compiled"), sync, proof=ROOT / ".venv/bin/miyabi")
