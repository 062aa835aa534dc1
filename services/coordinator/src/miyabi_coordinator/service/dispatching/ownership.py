"""The one rule on whose batches a caller may change."""

from __future__ import annotations

from miyabi_coordinator.errors import not_owner
from miyabi_coordinator.models import Batch
from miyabi_core.access.identity import Identity, Role


def check_may_change(batch: Batch, caller: Identity) -> None:
    """Let operators change every batch, and everyone else their own.

    Raises:
        PermissionDeniedError: the batch was submitted by someone else.
    """
    if not caller.has(Role.OPERATOR) and batch.spec.requester != caller.name:
        raise not_owner(batch.id, caller.name)
