"""Makes the key of grants: coordinators sign with it what a lease lets an agent write, gateways check it."""

from __future__ import annotations

import secrets

from scripts.k8s import cluster, credentials
from scripts.k8s.shell import say

#: Secret that coordinators and gateways mount, and nobody else.
SECRET = "miyabi-grants"
#: Its one entry: the key that signs first, then those that are still taken, each on a line.
KEYS = "keys"


def ensure() -> None:
    """Make the key where there is none; one that is there stays."""
    if cluster.exists("secret", SECRET):
        say(f"secret {SECRET}: there already")
        return
    credentials.write(SECRET, {KEYS: secrets.token_urlsafe(32)})
    say(f"secret {SECRET}: made")
