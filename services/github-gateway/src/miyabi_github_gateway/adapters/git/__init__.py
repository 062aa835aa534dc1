"""Git for agents: a proxy that holds the credential, and mirrors that spare GitHub."""

from __future__ import annotations

from miyabi_github_gateway.adapters.git.proxy import GitProxy

__all__ = ["GitProxy"]
