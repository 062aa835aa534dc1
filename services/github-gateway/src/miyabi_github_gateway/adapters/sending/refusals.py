"""Puts GitHub's refusals into words: what it says, of which field, and which right is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

#: Characters of a refusal that are passed on; GitHub's own are some hundred.
MOST_CHARACTERS = 2000
#: Codes that say nothing beside the message that comes with them.
_PLAIN_CODES = frozenset({"", "custom"})


def message_of(answer: httpx.Response) -> str:
    """Return what GitHub says of a refusal, with each field at fault; what is too long is cut, and says so.

    `errors` comes as objects, as texts, as one of either, or not at all (docs.github.com, "Troubleshooting the REST
    API", validation failed; the published description's `validation-error` and `validation-error-simple`).
    """
    nothing = f"HTTP {answer.status_code}"
    try:
        body = answer.json()
    except ValueError:
        return nothing
    if not isinstance(body, dict):
        return nothing
    message = body.get("message")
    said = [message if isinstance(message, str) and message else nothing, *_details(body.get("errors"))]
    text = "; ".join(dict.fromkeys(said))
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}… (cut)"


def _details(errors: Any) -> Iterator[str]:
    """Yield what each entry says."""
    entries = errors if isinstance(errors, list) else [errors]
    for entry in entries:
        if isinstance(entry, Mapping):
            yield _of_entry(entry)
        elif isinstance(entry, str):
            if entry.strip():
                yield entry.strip()
        elif entry is not None:
            yield json.dumps(entry)


def _of_entry(entry: Mapping[str, Any]) -> str:
    """Return an entry as `Resource.field: code: message`, without the parts that it does not have."""
    place = ".".join(str(entry[name]) for name in ("resource", "field") if entry.get(name))
    code, message = str(entry.get("code") or ""), str(entry.get("message") or "")
    what = [text for text in (code if code not in _PLAIN_CODES or not message else "", message) if text]
    known = [place, *what] if what else [place, json.dumps(dict(entry))]
    return ": ".join(text for text in known if text)


def scopes_of(answer: httpx.Response) -> frozenset[str] | None:
    """Return the scopes of the classic token that was asked with; None: GitHub says none, as of any other kind."""
    told = answer.headers.get("x-oauth-scopes")
    return None if told is None else frozenset(scope.strip() for scope in told.split(",")) - {""}


def missing_permission(answer: httpx.Response) -> str:
    """Return which permission the credential lacks, as far as GitHub tells; empty where it does not.

    Source: docs.github.com, `x-accepted-github-permissions` of fine-grained tokens and Apps, `x-accepted-oauth-scopes`
    and `x-oauth-scopes` of classic tokens.
    """
    permissions = answer.headers.get("x-accepted-github-permissions", "")
    if permissions:
        return f"the permission {permissions.replace('=', ':').replace('; ', ' or ')}"
    accepted = {scope.strip() for scope in answer.headers.get("x-accepted-oauth-scopes", "").split(",")} - {""}
    granted = scopes_of(answer) or frozenset()
    if accepted and not accepted & granted:
        return f"the scope {' or '.join(sorted(accepted))}"
    return ""
