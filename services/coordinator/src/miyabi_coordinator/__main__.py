"""Runs the coordinator: `python -m miyabi_coordinator`."""

from __future__ import annotations

from miyabi_coordinator.app import serve
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_core.configuration.environment import read_settings
from miyabi_core.edge import names_of, serve_metrics
from miyabi_core.lifecycle import run_service
from miyabi_core.logging import configure_logging
from miyabi_core.tracing import configure_tracing


def main() -> None:
    """Read the environment and serve."""
    settings = read_settings(CoordinatorSettings, service="coordinator")
    configure_logging(service="coordinator", json=settings.log_json, level=settings.log_level)
    configure_tracing(service="coordinator")
    if settings.metrics_address:
        serve_metrics(settings.metrics_address, names=names_of(settings.http_hosts))
    run_service(lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
