"""Which call to the dashboard asks for which role."""

from __future__ import annotations

from miyabi_core.access.identity import Role
from miyabi_core.interceptors import Policy

#: Every RPC with the least role; what is not in it is closed to everyone.
POLICY: Policy = {
    "miyabi.dashboard.v1.TelemetryService": {
        "WatchEvents": (Role.VIEWER,),
        "GetPerformanceReport": (Role.VIEWER,),
    },
}

#: HTTP: what reports events from outside, and what reads.
INTAKE = (Role.SUBMITTER, Role.AGENT)
READ = (Role.VIEWER,)
#: HTTP: actions, as the calls of the coordinator behind them.
SUBMIT = (Role.SUBMITTER,)
OPERATE = (Role.OPERATOR,)
#: Paths that everyone may read: probes, the way in, and the page's own files, which hold no data.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", "/login.css", "/icon.svg"})
OPEN_PREFIXES = ("/assets/",)
