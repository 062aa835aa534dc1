"""Who is calling: an identity with roles, known for the length of a call."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

import structlog


class Role(StrEnum):
    """What an identity may do; each service's policy table says which call asks for which."""

    VIEWER = "viewer"  #: reads and watches
    SUBMITTER = "submitter"  #: a viewer that hands over batches and looks after its own
    OPERATOR = "operator"  #: a submitter that looks after everyone's batches, approves, drains, reads the audit
    AGENT = "agent"  #: runs tasks: attaches, and calls the gateway for them; no viewer


#: Roles that come with a role.
_IMPLIED: dict[Role, frozenset[Role]] = {
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.SUBMITTER: frozenset({Role.SUBMITTER, Role.VIEWER}),
    Role.OPERATOR: frozenset({Role.OPERATOR, Role.SUBMITTER, Role.VIEWER}),
    Role.AGENT: frozenset({Role.AGENT}),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller that is known.

    Args:
        name: Stands in logs, events and the audit.
        roles: With those that they imply; made by `expanded`.
        agent_ids: Ids that it may attach as: exact ones, or prefixes that end in `*`.
    """

    name: str
    roles: frozenset[Role] = frozenset()
    agent_ids: tuple[str, ...] = ()

    def has(self, *roles: Role) -> bool:
        """Tell whether it has at least one of the roles."""
        return not self.roles.isdisjoint(roles)

    def may_attach_as(self, agent_id: str) -> bool:
        """Tell whether an agent of this identity may carry that id."""
        return any(
            agent_id.startswith(pattern[:-1]) if pattern.endswith("*") else agent_id == pattern
            for pattern in self.agent_ids
        )


def expanded(roles: Iterable[Role]) -> frozenset[Role]:
    """Return roles with those that they imply."""
    return frozenset(implied for role in roles for implied in _IMPLIED[role])


#: Everyone, where identity is off.
LOCAL = Identity("local", frozenset(Role), ("*",))
#: Code that runs outside a call, and a caller that was not let in: nobody, who may do nothing.
NOBODY = Identity("")

_CURRENT: ContextVar[Identity] = ContextVar("miyabi_identity", default=NOBODY)


def current_identity() -> Identity:
    """Return who makes the call that runs now; NOBODY outside of a call."""
    return _CURRENT.get()


def bind_identity(identity: Identity) -> None:
    """Make *identity* the caller of the task that runs, and put its name as `actor` into every line of the log.

    gRPC and aiohttp run each call in a task of its own, so nothing has to be taken back at the end.
    """
    _CURRENT.set(identity)
    structlog.contextvars.bind_contextvars(actor=identity.name)
