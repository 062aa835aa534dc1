"""Makes the list of who may call: services by their certificates, agents and operators by tokens too."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import yaml

from scripts.k8s import cluster, credentials
from scripts.k8s.shell import say

#: Secret with the list and with the tokens; a pod is given the one key that it needs.
SECRET = "miyabi-identities"
#: Name and roles of each identity; those of the second kind have a token as well, for git and for HTTP.
_BY_CERTIFICATE = {"coordinator": ["viewer"], "dashboard": ["viewer"], "keda": ["viewer"]}
_BY_TOKEN = {"agents": ["agent"], "operator": ["operator"]}


def ensure() -> None:
    """Make the list and the tokens where there are none; those that are there stay."""
    if cluster.exists("secret", SECRET):
        say(f"secret {SECRET}: there already")
        return
    tokens = {name: secrets.token_urlsafe(32) for name in _BY_TOKEN}
    entries: list[dict[str, Any]] = [
        {"name": name, "roles": roles, "certificates": [f"spiffe://miyabi/{name}"]}
        for name, roles in (_BY_CERTIFICATE | _BY_TOKEN).items()
    ]
    for entry in entries:
        token = tokens.get(str(entry["name"]))
        if token is not None:
            entry["tokens"] = [{"sha256": hashlib.sha256(token.encode()).hexdigest()}]
    values = {"identities.yaml": yaml.safe_dump({"identities": entries}, sort_keys=False)}
    credentials.write(SECRET, values | {f"{name}-token": token for name, token in tokens.items()})
    say(f"secret {SECRET}: made")
