"""Makes the Secrets that the pods mount; nothing of them is ever printed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping

from scripts.k8s import cluster
from scripts.k8s.shell import fail, say

#: Secret, its keys, and the variable of the caller's environment that fills the first key.
_SECRETS = (
    ("miyabi-github", ("token", "webhook-secret"), "GITHUB_TOKEN"),
    ("miyabi-model", ("api-key",), "ANTHROPIC_API_KEY"),
)


def ensure(*, simulated: bool) -> None:
    """Make or update the Secrets from the environment; those that are there stay where it says nothing.

    Args:
        simulated: GitHub and the model are simulated: values are made up where there are none.

    Raises:
        K8sError: a credential is needed and nowhere.
    """
    for name, keys, variable in _SECRETS:
        given = os.environ.get(variable, "") if not simulated else ""
        if cluster.exists("secret", name) and not given:
            say(f"secret {name}: there already")
            continue
        if not given and not simulated:
            fail(f"{variable} is not set and there is no Secret {name} in namespace {cluster.NAMESPACE}")
        values = {key: secrets.token_hex(24) for key in keys}
        values[keys[0]] = given or f"simulated-{secrets.token_hex(16)}"
        write(name, values)
        say(f"secret {name}: {'from ' + variable if given else 'made up for the simulators'}")


def write(name: str, values: Mapping[str, str], *, kind: str = "Opaque") -> None:
    """Write a Secret through standard input, so that it is in no argument list and no log."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {
            "name": name,
            "namespace": cluster.NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "miyabi-up"},
        },
        "stringData": dict(values),
    }
    cluster.apply(json.dumps(body))
