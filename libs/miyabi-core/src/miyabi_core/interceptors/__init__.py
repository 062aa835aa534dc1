"""What happens around every RPC that a server answers."""

from __future__ import annotations

from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_core.interceptors.context import ContextInterceptor
from miyabi_core.interceptors.errors import ErrorInterceptor
from miyabi_core.interceptors.identity import IdentityInterceptor, Policy
from miyabi_core.interceptors.telemetry import TelemetryInterceptor
from miyabi_core.interceptors.validation import ValidationInterceptor

__all__ = [
    "Call",
    "CallInterceptor",
    "ContextInterceptor",
    "ErrorInterceptor",
    "IdentityInterceptor",
    "Policy",
    "TelemetryInterceptor",
    "ValidationInterceptor",
]
