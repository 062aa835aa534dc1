"""Writes the strict schemas of the operators' kinds that our manifests use: `python -m scripts.k8s.schemas`.

The sources are the CRDs in the operators' own Go modules (all Apache-2.0); descriptions are left out, and unknown
fields are forbidden wherever the CRD does not ask for them to be kept. The two of the Prometheus operator, whose module
does not ship its CRDs, are written by hand and allow what our manifests use, no more.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from scripts.k8s.shell import ROOT

#: Where the schemas are kept.
SCHEMAS = ROOT / "deploy/k8s/schemas"
#: Module, file in it, and the kinds' versions.
SOURCES = (
    ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml", "v1alpha1"),
    ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_triggerauthentications.yaml", "v1alpha1"),
    ("github.com/cert-manager/cert-manager@v1.19.1", "deploy/crds/cert-manager.io_certificates.yaml", "v1"),
    ("github.com/cert-manager/cert-manager@v1.19.1", "deploy/crds/cert-manager.io_issuers.yaml", "v1"),
    ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/gateway.networking.k8s.io_gateways.yaml", "v1"),
    ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml", "v1"),
    ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml", "v1"),
)
#: Parts of a CRD that are no JSON schema, or only words.
_LEFT_OUT = {"description", "default", "example", "externalDocs"}


def strict(schema: Any) -> Any:
    """Return a CRD's schema as JSON schema that forbids what it does not name."""
    if isinstance(schema, list):
        return [strict(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: strict(value) for name, value in part.items()} if key == "properties" else strict(part)
        for key, part in schema.items()
        if key == "properties" or (key not in _LEFT_OUT and not key.startswith("x-"))
    }
    if schema.get("x-kubernetes-int-or-string"):
        kept.pop("type", None)
    keeps_unknown = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not keeps_unknown:
        kept["additionalProperties"] = False
    return kept


def extract(crd: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the schema of one version of a kind, with metadata as any object."""
    found = next(entry for entry in crd["spec"]["versions"] if entry["name"] == version)
    schema: dict[str, Any] = strict(found["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    schema["properties"].pop("status", None)
    return schema


def main() -> None:
    """Fetch the modules and write the schemas."""
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for module, path, version in SOURCES:
            command = ["go", "mod", "download", "-json", module]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
            text = (Path(json.loads(done.stdout)["Dir"]) / path).read_text(encoding="utf-8")
            crd = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "", text))
            name = f"{crd['spec']['group']}_{crd['spec']['names']['kind']}_{version}.json"
            body = json.dumps(extract(crd, version), separators=(",", ":"), sort_keys=True)
            (SCHEMAS / name).write_text(body + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
