"""Keys and grants for tests."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from miyabi_core.grants import Grant, Write, branch_of, sign

#: A task of a batch.
TASK = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV/runs/7/tasks/pull-request"


def new_key() -> str:
    """Return a key that nobody has."""
    return secrets.token_urlsafe(32)


def grant_of(**changes: Any) -> Grant:
    """Return a grant for everything at issue 7 of acme/toy, for an hour from now; *changes* are its fields."""
    now = datetime.now(UTC).replace(microsecond=0)
    fields: dict[str, Any] = {
        "task": TASK, "fencing_token": 3, "agent": "agent-1", "repository": "acme/toy", "issue": 7,
        "writes": frozenset(Write), "branch": branch_of(TASK), "base_branch": "main",
        "not_before": now, "expires": now + timedelta(hours=1),
    }  # fmt: skip
    return Grant(**{**fields, **changes})


def signed(key: str, **changes: Any) -> str:
    """Return such a grant as text."""
    return sign(grant_of(**changes), key.encode())
