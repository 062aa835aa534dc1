"""Every RPC of the interfaces stands in the policy of the service that answers it, and nothing else does."""

from __future__ import annotations

import importlib
from pathlib import Path

import miyabi
from miyabi_coordinator.policy import POLICY as COORDINATOR
from miyabi_core.access.identity import Role
from miyabi_dashboard.policy import POLICY as DASHBOARD
from miyabi_github_gateway.policy import POLICY as GATEWAY

#: The policy of each package of protos.
POLICIES = {
    "miyabi.coordinator.v1": COORDINATOR,
    "miyabi.dashboard.v1": DASHBOARD,
    "miyabi.github_gateway.v1": GATEWAY,
}
#: Contracts of others that a service of ours answers.
FOREIGN = {"miyabi.coordinator.v1": {"externalscaler"}}


def entries() -> list[tuple[str, str]]:
    """Return service and method of every entry of every policy."""
    return [
        (service, method) for policy in POLICIES.values() for service, methods in policy.items() for method in methods
    ]


def rpcs() -> list[tuple[str, str]]:
    """Return service and method of every RPC in the generated stubs."""
    root = Path(next(iter(miyabi.__path__)))
    modules = [".".join(path.relative_to(root.parent).with_suffix("").parts) for path in root.rglob("*_pb2.py")]
    return [
        (service.full_name, method.name)
        for module in modules
        for service in importlib.import_module(module).DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]


def test_policies_hold_every_rpc_and_no_other() -> None:
    """An RPC without an entry would be closed to everyone, an entry without an RPC is a mistake."""
    assert len(rpcs()) >= 27
    assert sorted(entries()) == sorted(rpcs())


def test_policy_is_of_the_package_that_answers() -> None:
    """No service is in the table of another one, where nobody would look at it."""
    for package, policy in POLICIES.items():
        expected = {package} | FOREIGN.get(package, set())
        assert {service.rpartition(".")[0] for service in policy} == expected


def test_every_entry_asks_for_a_role() -> None:
    """Nothing is open to a caller without a role."""
    for policy in POLICIES.values():
        for methods in policy.values():
            assert all(roles and all(isinstance(role, Role) for role in roles) for roles in methods.values())
