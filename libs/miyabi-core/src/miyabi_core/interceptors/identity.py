"""Lets a call in where its caller is known and has the role that the policy asks for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from miyabi_core.access.identities import Identities, Recognised, identity_required
from miyabi_core.access.identity import LOCAL, Identity, Role, bind_identity
from miyabi_core.errors import MiyabiError, PermissionDeniedError
from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_core.interceptors.errors import abort

#: Roles of which a call asks for one, by the service's full name and the method; the first is the least.
Policy = Mapping[str, Mapping[str, tuple[Role, ...]]]

#: How gRPC's authentication context names what it read from a certificate.
_URI_NAMES, _COMMON_NAME = "peer_uri", "x509_common_name"
#: The state of the identities that the running call was let in by, and when what it showed expires.
_ADMITTED: ContextVar[tuple[int, float]] = ContextVar("miyabi_admitted", default=(0, 0.0))


class IdentityInterceptor(CallInterceptor):
    """Asks who is calling: once a call, and again with the next message where identities changed or a token expired.

    Health and reflection stay open: probes have no token, and the interfaces are no secret.

    Args:
        domain: Of the errors.
        policy: An RPC that is not in it is refused to everyone.
        identities: None: identity is off, everyone is LOCAL.
    """

    def __init__(self, *, domain: str, policy: Policy, identities: Identities | None) -> None:
        self._domain = domain
        self._policy = policy
        self._identities = identities

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Let the call in, or abort with UNAUTHENTICATED or PERMISSION_DENIED."""
        if self._identities is None:
            bind_identity(LOCAL)
        else:
            await self._admit(call, self._identities)
        yield

    async def on_request(self, call: Call, request: Any) -> None:
        """Look again at the caller of a stream that goes on."""
        del request
        await self._look_again(call)

    async def on_response(self, call: Call, response: Any) -> None:
        """Look again at the caller of a stream that goes on."""
        del response
        await self._look_again(call)

    async def _look_again(self, call: Call) -> None:
        """Abort where the caller would not be let in any more."""
        if self._identities is None:
            return
        self._identities.refresh()
        generation, expires = _ADMITTED.get()
        if generation != self._identities.generation or expires <= time.time():
            await self._admit(call, self._identities)

    async def _admit(self, call: Call, identities: Identities) -> None:
        """Recognise the caller and check its role."""
        try:
            recognised = recognise(call, identities)
            bind_identity(recognised.identity)
            check_role(recognised.identity, self._policy.get(call.service, {}).get(call.method, ()))
        except MiyabiError as error:
            await abort(call, error, domain=self._domain)
        _ADMITTED.set((identities.generation, recognised.expires))


def recognise(call: Call, identities: Identities) -> Recognised:
    """Return who makes a call: by its bearer token (RFC 6750), else by its client certificate.

    Of a certificate its URI names count (SPIFFE, X.509-SVID), its common name only where it has none.

    Raises:
        UnauthenticatedError: it shows neither, or what it shows is not known.
    """
    header = call.metadata.get("authorization", "")
    if header:
        return identities.by_token(token_of(header))
    peer = call.context.auth_context()
    names = [name.decode("utf-8", "replace") for name in peer.get(_URI_NAMES, ())]
    names = names or [f"CN={name.decode('utf-8', 'replace')}" for name in peer.get(_COMMON_NAME, ())]
    if not names:
        raise identity_required("Send `authorization: Bearer TOKEN`, or show a client certificate.")
    return identities.by_certificate(names)


def token_of(header: str) -> str:
    """Return the token of an `authorization` header.

    Raises:
        UnauthenticatedError: it is no bearer token.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise identity_required("The authorization is no bearer token.")
    return token.strip()


def check_role(identity: Identity, roles: tuple[Role, ...]) -> None:
    """Check that *identity* has one of *roles*.

    Raises:
        PermissionDeniedError: it has none of them; the metadata names the least one.
    """
    if identity.has(*roles):
        return
    role = roles[0].value if roles else "none"
    message = f"{identity.name} lacks the role {role}."
    raise PermissionDeniedError(message, reason="ROLE_REQUIRED", metadata={"role": role})
