"""A commit with edits, over git's objects: nothing of it lies on the disk."""

from __future__ import annotations

from miyabi_agents.workspace.objects.entries import Entry, EntryKind
from miyabi_agents.workspace.objects.tree import ObjectTree

__all__ = ["Entry", "EntryKind", "ObjectTree"]
