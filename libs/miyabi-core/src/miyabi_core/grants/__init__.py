"""Grants: what the holder of a lease may write to GitHub, signed by the coordinator and checked by the gateway."""

from __future__ import annotations

from miyabi_core.access.carried_grant import GRANT_HEADER, bind_grant, current_grant
from miyabi_core.grants.checking import SKEW, GrantChecker
from miyabi_core.grants.grant import Grant, Wanted, Write, branch_of
from miyabi_core.grants.keys import GrantKeys, GrantKeySettings
from miyabi_core.grants.tokens import read, sign

__all__ = [
    "GRANT_HEADER",
    "SKEW",
    "Grant",
    "GrantChecker",
    "GrantKeySettings",
    "GrantKeys",
    "Wanted",
    "Write",
    "bind_grant",
    "branch_of",
    "current_grant",
    "read",
    "sign",
]
