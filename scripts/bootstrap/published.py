"""Fetches what is published of interfaces, for tests: GitHub's schemas and examples, the schema of SARIF."""

from __future__ import annotations

import base64
import hashlib
import json
import tarfile
from pathlib import Path

from scripts.bootstrap.page import npm
from scripts.bootstrap.step import ROOT, fail, once

SCHEMA = ROOT / "build/github/schema.graphql"
OPENAPI = ROOT / "build/github/openapi.json"
FIXTURES = ROOT / "build/github/exchanges.json"
WEBHOOKS = ROOT / "build/github/webhooks.json"
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
#: The schema of SARIF 2.1.0, as OASIS publishes it, in a package of its editors.
SARIF = ROOT / "build/sarif/sarif-2.1.0.json"
SARIF_PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
SARIF_SHA512 = "A1fOhPd6Ic5iDk4F9YPw1qNB4XF+7+IviR7xl8r2F6QzQkx5cpY9LsGk2rExiFIEcBbjpVnSmwWGBukASkiQ9A=="


def fetch_schema() -> None:
    """Fetch GitHub's published GraphQL schema."""
    fetch_published(SCHEMA_PACKAGE, SCHEMA_SHA512, member="schema.graphql", target=SCHEMA)


def fetch_webhooks() -> None:
    """Fetch GitHub's published examples of webhooks."""
    fetch_published(WEBHOOKS_PACKAGE, WEBHOOKS_SHA512, member="api.github.com/index.json", target=WEBHOOKS)


def fetch_openapi() -> None:
    """Fetch the description of GitHub's REST API."""
    fetch_published(OPENAPI_PACKAGE, OPENAPI_SHA512, member="generated/api.github.com.json", target=OPENAPI)


def fetch_sarif() -> None:
    """Fetch the schema of SARIF."""
    fetch_published(SARIF_PACKAGE, SARIF_SHA512, member="lib/schemas/sarif-2.1.0-rtm.5.json", target=SARIF)


def fetch_fixtures() -> None:
    """Fetch the recorded exchanges of the scenarios with calls that we make, as one file."""
    scenarios = {}
    for name in FIXTURE_SCENARIOS:
        member = f"scenarios/api.github.com/{name}/normalized-fixture.json"
        fetch_published(FIXTURES_PACKAGE, FIXTURES_SHA512, member=member, target=FIXTURES)
        scenarios[name] = json.loads(FIXTURES.read_text())
    FIXTURES.write_text(json.dumps(scenarios))


def fetch_published(name: str, sha512: str, *, member: str, target: Path) -> None:
    """Fetch a package from npm's registry, check its digest, and keep one file of it."""
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


def schemas() -> None:
    """Fetch what is not there yet."""
    once("GitHub schema", SCHEMA_PACKAGE, fetch_schema, proof=SCHEMA)
    once("GitHub webhooks", WEBHOOKS_PACKAGE, fetch_webhooks, proof=WEBHOOKS)
    once("GitHub REST description", OPENAPI_PACKAGE, fetch_openapi, proof=OPENAPI)
    once("SARIF schema", SARIF_PACKAGE, fetch_sarif, proof=SARIF)
    once("GitHub exchanges", f"{FIXTURES_PACKAGE} {FIXTURE_SCENARIOS}", fetch_fixtures, proof=FIXTURES)
