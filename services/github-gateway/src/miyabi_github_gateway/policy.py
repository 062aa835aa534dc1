"""Which call to the gateway asks for which role."""

from __future__ import annotations

from collections.abc import Mapping

from miyabi_core.access.identity import Role
from miyabi_core.grants import Write
from miyabi_core.interceptors import Policy

#: The coordinator reads as a viewer, agents read for their tasks.
_READ = (Role.VIEWER, Role.AGENT)
#: Only agents write, what the grant of their lease says: see WRITES.
_WRITE = (Role.AGENT,)

#: Every RPC with the roles of which it asks for one; what is not in it is closed to everyone.
POLICY: Policy = {
    "miyabi.github_gateway.v1.GitHubGatewayService": {
        "BatchGetIssues": _READ,
        "SearchIssues": _READ,
        "GetRepository": _READ,
        "CheckTarget": _READ,
        "GetPullRequest": _READ,
        "SetLabels": _WRITE,
        "UpsertComment": _WRITE,
        "PostReview": _WRITE,
        "CreatePullRequest": _WRITE,
        "CreateIssue": _WRITE,
        "GetRateLimits": _READ,
        "WatchRateLimits": _READ,
        "GetCacheCounters": _READ,
    },
}

#: Every RPC that writes, with the kind of write that the grant of a lease must have: the role alone writes nothing.
WRITES: Mapping[str, Write] = {
    "SetLabels": Write.LABELS,
    "UpsertComment": Write.COMMENT,
    "PostReview": Write.COMMENT,
    "CreatePullRequest": Write.PULL_REQUEST,
    "CreateIssue": Write.ISSUE,
}

#: Git through the proxy: fetches and pushes are the work of agents.
GIT = (Role.AGENT,)
