"""The gRPC face of the coordinator."""

from __future__ import annotations

from miyabi_coordinator.servicer.audit import AuditInterceptor
from miyabi_coordinator.servicer.coordinator import CoordinatorServicer
from miyabi_coordinator.servicer.dispatch import DispatchServicer
from miyabi_coordinator.servicer.scaler import ExternalScalerServicer

__all__ = ["AuditInterceptor", "CoordinatorServicer", "DispatchServicer", "ExternalScalerServicer"]
