"""Asks a project's build backend (PEP 517, 660) for what it needs and for an editable wheel; runs in the sandbox.

Its text is handed to the build environment's interpreter (`python -I -c TEXT VERB …`), so that it imports nothing but
the standard library, works from Python 3.8 on, and is never imported by the agent.

    requires BACKEND BACKEND_PATH OUT         writes what the backend needs beside `build-system.requires`
    build BACKEND BACKEND_PATH FOLDER OUT EXTRAS    builds into FOLDER and appends `name[extras] @ file://…` to OUT
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from typing import Any


def backend_of(spec: str, folders: str) -> Any:
    """Import a backend: `package.module:object`, from the project's own folders where it says so."""
    for folder in reversed([part for part in folders.split(os.pathsep) if part]):
        sys.path.insert(0, str(Path(folder).resolve()))
    module, _, attribute = spec.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split(".") if attribute else ():
        found = getattr(found, part)
    return found


def editable(backend: Any) -> bool:
    """Tell whether editable wheels can be used: those of backends that hook into imports would hide a checkout."""
    hooks = ("mesonpy", "scikit_build_core")
    return hasattr(backend, "build_editable") and not getattr(backend, "__name__", "").startswith(hooks)


def requires(backend: Any, out: str) -> None:
    """Write what the backend needs for this project."""
    kind = "editable" if editable(backend) else "wheel"
    ask = getattr(backend, "get_requires_for_build_" + kind, None)
    lines = list(ask({}) or ()) if ask else []
    with Path(out).open("a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def build(backend: Any, folder: str, out: str, extras: str) -> None:
    """Build the project and say where its wheel is, with those of *extras* that it has."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    project = Path.cwd()
    make = backend.build_editable if editable(backend) else backend.build_wheel
    name = make(folder, {}, None)
    os.chdir(str(project))
    wheel = Path(folder) / name
    with zipfile.ZipFile(str(wheel)) as archive:
        listed = [entry for entry in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", entry)]
        metadata = HeaderParser().parsestr(archive.read(listed[0]).decode("utf-8", "replace"))
        if not editable(backend):
            spread(archive, project)
    has = {normal(extra): extra for extra in metadata.get_all("Provides-Extra") or ()}
    chosen = [has[normal(extra)] for extra in extras.split(",") if normal(extra) in has]
    bracket = "[" + ",".join(chosen) + "]" if chosen else ""
    with Path(out).open("a", encoding="utf-8") as file:
        file.write(metadata["Name"] + bracket + " @ " + wheel.resolve().as_uri() + "\n")


def spread(archive: zipfile.ZipFile, project: Path) -> None:
    """Lay what was compiled or generated beside the sources of its package, as an editable build would."""
    for entry in archive.namelist():
        top = entry.split("/")[0]
        if "/" not in entry or ".dist-info/" in entry or ".." in entry.split("/") or entry.endswith("/"):
            continue
        for root in (project, project / "src", project / "lib", project / "python"):
            target = root / entry
            if (root / top).is_dir() and target.parent.is_dir():
                if not target.exists():
                    target.write_bytes(archive.read(entry))
                break


def normal(name: str) -> str:
    """Return a name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main(verb: str, spec: str, folders: str, *rest: str) -> None:
    """Do what was asked."""
    backend = backend_of(spec, folders)
    if verb == "requires":
        requires(backend, *rest)
    else:
        build(backend, *rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
