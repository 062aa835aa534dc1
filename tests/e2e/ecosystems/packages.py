"""Sources of real projects, tests included, from each ecosystem's registry, at a version that has the fault."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from miyabi_sim.demo.package_source import SourceDistribution, ensure_source
from scripts.bootstrap.page import npm

#: SymPy (BSD-3-Clause).
SYMPY = SourceDistribution(
    "sympy", "sympy-1.11.1.tar.gz", "e32380dce63cb7c0108ed525570092fd45168bdae2faa17e528221ef72e88658"
)
#: qs (BSD-3-Clause) on npm's registry.
QS = "qs@6.14.1"
#: Cobra (Apache-2.0) on Go's module proxy.
COBRA = "github.com/spf13/cobra@v1.8.1"
#: Seconds for Go's download.
TIMEOUT_SECONDS = 300


def source_of(package: str, folder: Path) -> Path:
    """Fetch a package into *folder* and return the root of its source.

    Raises:
        OSError: the Python index could not be asked, or gave something else.
        subprocess.CalledProcessError: another registry could not be asked.
    """
    folder.mkdir(parents=True)
    return _FETCHERS[package](folder)


def _sympy(folder: Path) -> Path:
    return ensure_source(folder, SYMPY)


def _qs(folder: Path) -> Path:
    npm("pack", "--silent", QS, cwd=folder)
    (path,) = folder.glob("qs-*.tgz")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def _cobra(folder: Path) -> Path:
    own = {**os.environ, "GOMODCACHE": str(folder / "modules"), "GOFLAGS": "-modcacherw"}
    done = subprocess.run(
        ["go", "mod", "download", "-json", COBRA], cwd=folder, env=own, capture_output=True, text=True, check=True,
        timeout=TIMEOUT_SECONDS,
    )  # fmt: skip
    with zipfile.ZipFile(json.loads(done.stdout)["Zip"]) as archive:
        archive.extractall(folder / "source")
    return folder / "source" / COBRA


_FETCHERS: Mapping[str, Callable[[Path], Path]] = {"sympy": _sympy, "qs": _qs, "cobra": _cobra}
