"""Grants as text: JSON Web Tokens (RFC 7519) with one algorithm, one header, and one spelling each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import jwt

from miyabi_core.grants.errors import GrantInvalidError
from miyabi_core.grants.grant import Grant, Write

#: The only algorithm: signer and verifier are two services of one system, which share a key.
ALGORITHM = "HS256"
#: Who signs and who is meant, so that no other token under the same key passes for a grant (RFC 8725, 3.8 and 3.9).
ISSUER, AUDIENCE = "miyabi-coordinator", "miyabi-github-gateway"
#: Its kind, for the same reason (RFC 8725, 3.11).
TYPE = "miyabi-grant+jwt"
#: Longest grant that is looked at; ours have some 600 characters, and longer ones would not fit into a header either.
MAX_CHARACTERS = 4096
#: What a grant must say.
_REQUIRED = ("iss", "aud", "sub", "fence", "agent", "repo", "issue", "writes", "branch", "base", "nbf", "exp")
#: Times are compared with the caller's clock, not with the library's.
_OPTIONS: Any = {"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
#: The one header that there is: no other is parsed, so that none chooses an algorithm.
_HEADER = jwt.encode({}, "0" * 32, algorithm=ALGORITHM, headers={"typ": TYPE}).split(".")[0]
#: Header, claims, and 32 bytes in base64url, whose last character has two bits that must be 0: the signature has one
#: spelling, and no part has a character that decoders skip.
_SHAPE = re.compile(rf"{re.escape(_HEADER)}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{{42}}[AEIMQUYcgkosw048]")


def sign(grant: Grant, key: bytes) -> str:
    """Return a grant as text: letters, digits, `-`, `_` and two points.

    Args:
        grant: What is granted; its times are cut to seconds.
        key: At least 32 bytes.
    """
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": grant.task,
        "fence": grant.fencing_token,
        "agent": grant.agent,
        "repo": grant.repository,
        "issue": grant.issue,
        "writes": sorted(grant.writes),
        "branch": grant.branch,
        "base": grant.base_branch,
        "nbf": int(grant.not_before.timestamp()),
        "exp": int(grant.expires.timestamp()),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": TYPE})


def read(text: str, keys: Sequence[bytes]) -> Grant:
    """Return what a grant says, whenever it holds.

    Args:
        text: From a stranger.
        keys: It was signed with one of them; signatures are compared in constant time.

    Raises:
        GrantInvalidError: it is none, or was not signed with one of the keys.
    """
    if len(text) > MAX_CHARACTERS or _SHAPE.fullmatch(text) is None:
        raise GrantInvalidError
    for key in keys:
        try:
            claims = jwt.decode(text, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=_OPTIONS)
            return _grant(claims)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError) as error:
            raise GrantInvalidError from error
    raise GrantInvalidError


def _grant(claims: Mapping[str, Any]) -> Grant:
    """Return the claims as a value.

    Raises:
        ValueError, TypeError: they are not ours, though the key is.
    """
    return Grant(
        task=str(claims["sub"]),
        fencing_token=int(claims["fence"]),
        agent=str(claims["agent"]),
        repository=str(claims["repo"]),
        issue=int(claims["issue"]),
        writes=frozenset(Write(name) for name in claims["writes"]),
        branch=str(claims["branch"]),
        base_branch=str(claims["base"]),
        not_before=datetime.fromtimestamp(claims["nbf"], UTC),
        expires=datetime.fromtimestamp(claims["exp"], UTC),
    )
