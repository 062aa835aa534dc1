"""Runs the dashboard until SIGTERM: `python -m miyabi_dashboard`."""

from __future__ import annotations

from miyabi_core.configuration.environment import read_settings
from miyabi_core.edge import names_of, serve_metrics
from miyabi_core.lifecycle import run_service
from miyabi_core.logging import configure_logging
from miyabi_core.tracing import configure_tracing
from miyabi_dashboard.app import serve
from miyabi_dashboard.settings import DashboardSettings


def main() -> None:
    """Read the settings once and serve."""
    settings = read_settings(DashboardSettings, service="dashboard")
    configure_logging(service="dashboard", json=settings.log_json, level=settings.log_level)
    configure_tracing(service="dashboard")
    if settings.metrics_address:
        serve_metrics(settings.metrics_address, names=names_of(settings.http_hosts))
    run_service(lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
