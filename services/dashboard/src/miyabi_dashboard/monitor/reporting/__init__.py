"""Puts together what is told: of a batch from its log, of a period from what is kept."""

from __future__ import annotations

from miyabi_dashboard.monitor.reporting.reports import Reports

__all__ = ["Reports"]
