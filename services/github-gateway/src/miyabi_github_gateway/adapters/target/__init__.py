"""Reads what tells whether work can begin in a repository."""

from __future__ import annotations

from miyabi_github_gateway.adapters.target.credential_rights import CredentialRights
from miyabi_github_gateway.adapters.target.source import GitHubTargetSource
from miyabi_github_gateway.adapters.target.standings import StandingSource

__all__ = ["CredentialRights", "GitHubTargetSource", "StandingSource"]
