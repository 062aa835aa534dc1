"""The same identities and roles for HTTP: bearer tokens, git's basic authentication, and the page's cookie."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from miyabi_core.access.identities import Identities, identity_required
from miyabi_core.access.identity import LOCAL, Identity, Role, bind_identity
from miyabi_core.interceptors.identity import check_role, token_of

#: Holds the token of a person at the page; HttpOnly, so that no script reads it.
COOKIE = "miyabi_token"


def authorise_http(headers: Mapping[str, str], *roles: Role, identities: Identities | None) -> Identity:
    """Return who makes an HTTP request, and make it the caller of the task that runs.

    Args:
        headers: Of the request; looked up by lower-case names, so pass a case-insensitive mapping.
        roles: One of them is needed.
        identities: None: identity is off, everyone is LOCAL.

    Raises:
        UnauthenticatedError: no token, or one that is not known: HTTP 401.
        PermissionDeniedError: the identity has none of the roles: HTTP 403.
    """
    if identities is None:
        bind_identity(LOCAL)
        return LOCAL
    identity = identities.by_token(token_shown(headers)).identity
    bind_identity(identity)
    check_role(identity, roles)
    return identity


def authorise_by_secret(headers: Mapping[str, str], secret: str) -> Identity:
    """Let in who shows the secret that one machine's processes share, as LOCAL; for where identity is off.

    Args:
        headers: Of the request, as for `authorise_http`: a bearer token, or a password of any user.
        secret: Compared in constant time.

    Raises:
        UnauthenticatedError: it is not shown, or another one is: HTTP 401.
    """
    if not hmac.compare_digest(token_shown(headers).encode(), secret.encode()):
        raise identity_required("The secret of this machine's system is another one.")
    bind_identity(LOCAL)
    return LOCAL


def token_shown(headers: Mapping[str, str]) -> str:
    """Return the token that a request shows: in `authorization`, else in the cookie.

    Raises:
        UnauthenticatedError: it shows none, or one that has other characters than ours have.
    """
    token = _shown(headers)
    if not token.isascii():
        # Bytes that are no UTF-8 come as surrogates, which nothing can encode again.
        raise identity_required("The token is none of ours.")
    return token


def _shown(headers: Mapping[str, str]) -> str:
    """Return what a request shows in the place of a token.

    Raises:
        UnauthenticatedError: it shows nothing.
    """
    header = headers.get("authorization", "")
    if header[:6].lower() == "basic ":
        return _password(header[6:])
    if header:
        return token_of(header)
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        cookie = None
    if cookie is None or not cookie.value:
        raise identity_required("Send `authorization: Bearer TOKEN`.")
    return cookie.value


def _password(encoded: str) -> str:
    """Return the password of basic authentication (RFC 7617); the user's name says nothing.

    Raises:
        UnauthenticatedError: it is none.
    """
    try:
        _, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise identity_required("The authorization cannot be understood.") from error
    if not password:
        raise identity_required("The authorization has no password.")
    return password
