"""Speaks to the dashboard's HTTP intake: one event up, its id or the problems of its fields down.

The standard library's client is enough for one small request, and costs nothing that is not imported already.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

from miyabi_cli.caller import Caller
from miyabi_cli.errors import EXIT_REFUSED, EXIT_UNAVAILABLE, CliError
from miyabi_core.errors import MiyabiError

#: Longest wait for an answer; the intake stores an event in milliseconds.
ANSWER = timedelta(seconds=20)
#: Bytes of an answer that are read: problems of one event are some hundred.
MAX_ANSWER_BYTES = 256 << 10


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is answered as an error: a token is sent to nobody but whom the person named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow none."""


def send(settings: Caller, event: dict[str, Any]) -> dict[str, Any]:
    """Send one event; returns the answer with its id.

    Args:
        settings: Where to, and what is shown of us.
        event: As JSON has it.

    Raises:
        CliError: the event was refused, each field named; the dashboard is out of reach; the token may not go there.
    """
    url = f"{settings.dashboard_url.rstrip('/')}/api/agent-event"
    headers = {"content-type": "application/json"}
    try:
        token = settings.security().token_for(url)
    except MiyabiError as error:
        raise CliError(error.message) from error
    if token is not None:
        headers["authorization"] = f"Bearer {token()}"
    request = urllib.request.Request(url, json.dumps(event).encode(), headers)  # noqa: S310 - the setting is http(s) only
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=_context(settings)))
    try:
        with opener.open(request, timeout=ANSWER.total_seconds()) as answer:
            return _read(answer.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise CliError(
            f"the dashboard at {settings.dashboard_url} does not answer: {reason}",
            exit_code=EXIT_UNAVAILABLE,
            hint="is the system up? `miyabi up` starts it; MIYABI_DASHBOARD_URL says where the page is",
        ) from error


def _context(settings: Caller) -> ssl.SSLContext:
    """Return whose certificates are taken: those of the settings' authority, else those that the platform trusts.

    Raises:
        CliError: the file cannot be used.
    """
    file = settings.tls_ca_path
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one
        raise CliError(f"{file}: {error.strerror or error}") from error


def _read(body: bytes) -> dict[str, Any]:
    """Return an answer.

    Raises:
        CliError: it is none of the intake.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise CliError(
            "what answered is no dashboard of ours",
            exit_code=EXIT_UNAVAILABLE,
            hint="MIYABI_DASHBOARD_URL says where the page is",
        )
    return answer


def _refused(error: urllib.error.HTTPError) -> CliError:
    """Return a refusal: the message, then each field by name, and what to do."""
    try:
        answer = json.loads(error.read(MAX_ANSWER_BYTES))
    except (ValueError, RecursionError, OSError, http.client.HTTPException):
        answer = {}
    said = answer if isinstance(answer, dict) else {}
    lines = [f"{said.get('error') or error.reason or 'refused'} [HTTP {error.code}]"]
    lines += [
        f"  {problem.get('field')}: {problem.get('message')}, not {problem.get('received')!r}"
        for problem in said.get("validationErrors") or ()
        if isinstance(problem, dict)
    ]
    if error.headers.get("retry-after"):
        lines.append(f"  try again in {error.headers['retry-after']} s")
    busy = error.code == 429 or error.code >= 500
    return CliError("\n".join(lines), exit_code=EXIT_UNAVAILABLE if busy else EXIT_REFUSED, hint=_hint(error.code))


def _hint(code: int) -> str:
    """Return what helps against a refusal."""
    if code == 401:
        return "who are you? set MIYABI_TOKEN_FILE, or give --token-file before the command"
    if code == 403:
        return "it takes a submitter or an agent; an operator makes such a token with `miyabi token`"
    return "`miyabi emit --help` has examples" if code == 400 else ""
