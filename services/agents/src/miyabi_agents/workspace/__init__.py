"""Worktrees from a shared mirror; nothing that a repository wrote is trusted."""

from __future__ import annotations

from miyabi_agents.workspace.workspaces import GitWorkspaces

__all__ = ["GitWorkspaces"]
