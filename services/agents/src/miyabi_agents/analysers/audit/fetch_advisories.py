"""Asks package indexes for advisories, in the sandbox and by the fetch proxy alone: only what Python itself has.

Usage: python fetch_advisories.py PACKAGES ANSWER, with PACKAGES `{"PyPI": [["name", "1.0"]], "npm": [...]}` as JSON.
Sources: docs.pypi.org, "JSON API", `vulnerabilities`; docs.npmjs.com, `npm audit`, "Bulk Advisory Endpoint".
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

#: Seconds for one request.
SECONDS = 30
#: Longest answer.
MAX_BYTES = 8 << 20
#: Requests to PyPI at once: it has one address for each version.
AT_ONCE = 8
#: Where the public indexes are.
PYPI, NPM = "https://pypi.org", "https://registry.npmjs.org"


def asked(url: str, body: Any = None) -> Any:
    """Return what an index answers as JSON; None where it does not know the package."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - https, or as the operator says
    try:
        with urllib.request.urlopen(request, timeout=SECONDS, context=_context()) as answer:  # noqa: S310
            return json.loads(answer.read(MAX_BYTES))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def _context() -> ssl.SSLContext:
    """Return what servers' certificates are checked with: the operator's certificates, else those of certifi."""
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context()
    try:
        import certifi  # noqa: PLC0415 - it may not be there
    except ImportError:
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def of_pypi(name: str, version: str) -> list[dict[str, str]] | None:
    """Return the advisories of one version; None where the index does not know it."""
    root = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or PYPI
    root = root.split()[0].rstrip("/").removesuffix("/simple")
    found = asked(f"{root}/pypi/{quote(name)}/{quote(version)}/json")
    if found is None:
        return None
    entries = [entry for entry in found["vulnerabilities"] if not entry.get("withdrawn")]
    return [{"id": one["id"], "summary": one.get("summary") or one.get("details", "")[:300]} for one in entries]


def of_npm(packages: list[list[str]]) -> dict[str, list[dict[str, Any]]]:
    """Return the advisories of packages, each named once: the index looks at the versions itself.

    Raises:
        ValueError: the index has no such interface, as mirrors have none; that is not the same as no advisory.
    """
    root = os.environ.get("npm_config_registry") or NPM  # noqa: SIM112 - npm's own spelling
    versions = {name: [version] for name, version in packages}
    found = asked(f"{root.split()[0].rstrip('/')}/-/npm/v1/security/advisories/bulk", versions)
    if found is None:
        raise ValueError("the index of npm gives no advisories")
    return dict(found)


def rounds(packages: list[list[str]]) -> list[list[list[str]]]:
    """Return packages in parts in which a name comes once: an answer does not say which version it is about."""
    parts: list[dict[str, list[str]]] = []
    for name, version in packages:
        free = next((part for part in parts if name not in part), None)
        if free is None:
            free = {}
            parts.append(free)
        free[name] = [name, version]
    return [list(part.values()) for part in parts]


def main() -> None:
    """Ask, and write what was answered."""
    packages, target = json.loads(sys.argv[1]), Path(sys.argv[2])
    answer: dict[str, Any] = {"PyPI": [], "npm": [], "unknown": []}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        python = packages.get("PyPI", [])
        for (name, version), found in zip(python, pool.map(lambda one: of_pypi(*one), python), strict=True):
            if found is None:
                answer["unknown"].append(f"{name} {version}")
            answer["PyPI"] += [[name, version, one["id"], one["summary"], ""] for one in found or []]
    for part in rounds(packages.get("npm", [])):
        found_by_name = of_npm(part)
        for name, version in part:
            for one in found_by_name.get(name, []):
                identity = str(one.get("url") or one.get("id")).rpartition("/")[2]
                answer["npm"].append([name, version, identity, one.get("title") or "", one.get("severity") or ""])
    target.write_text(json.dumps(answer))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
