"""Every RPC of the interfaces is documented, and served by a servicer of ours."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).parents[2]

#: Servicer of each service: where it lives.
SERVICERS = {
    "miyabi.coordinator.v1.CoordinatorService": ("miyabi_coordinator.servicer", "CoordinatorServicer"),
    "miyabi.coordinator.v1.DispatchService": ("miyabi_coordinator.servicer", "DispatchServicer"),
    "miyabi.github_gateway.v1.GitHubGatewayService": ("miyabi_github_gateway.servicer", "GitHubGatewayServicer"),
    "miyabi.dashboard.v1.TelemetryService": ("miyabi_dashboard.servicer", "TelemetryServicer"),
    "externalscaler.ExternalScaler": ("miyabi_coordinator.servicer", "ExternalScalerServicer"),
}


def interfaces() -> descriptor_pb2.FileDescriptorSet:
    """Return the descriptors with comments; `make proto-check` proves that they are those of the protos."""
    image = descriptor_pb2.FileDescriptorSet()
    image.ParseFromString((ROOT / "proto/released.binpb").read_bytes())
    return image


def rpcs() -> list[tuple[str, str, str]]:
    """Return service, method and comment of every RPC."""
    found = []
    for file in interfaces().file:
        comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for number, service in enumerate(file.service):
            for position, method in enumerate(service.method):
                comment = comments.get((6, number, 2, position), "")
                found.append((f"{file.package}.{service.name}", method.name, comment))
    return found


def test_every_service_has_a_servicer() -> None:
    """No service of the protos is forgotten."""
    assert {service for service, _, _ in rpcs()} == set(SERVICERS)


@pytest.mark.parametrize(("service", "method", "comment"), rpcs(), ids=lambda value: str(value)[:40])
def test_rpc_is_documented_and_served(service: str, method: str, comment: str) -> None:
    """The RPC says what it does, and the servicer has an own method for it."""
    assert len(comment.strip()) > 20
    module, name = SERVICERS[service]
    servicer = getattr(importlib.import_module(module), name)
    own = getattr(servicer, method)
    generated = next(base for base in servicer.__mro__ if base.__module__.endswith("_pb2_grpc"))
    assert own is not getattr(generated, method)
