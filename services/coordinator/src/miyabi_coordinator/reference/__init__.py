"""The store's scripts in Python: what property tests and simulations run on; a test proves that both agree."""

from __future__ import annotations

from miyabi_coordinator.reference.rules import Shard
from miyabi_coordinator.reference.store import ReferenceStore

__all__ = ["ReferenceStore", "Shard"]
