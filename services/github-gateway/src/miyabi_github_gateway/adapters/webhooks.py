"""Takes GitHub's webhooks: signature first, each delivery once."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Awaitable
from typing import Protocol

from aiohttp import web
from pydantic import SecretStr

#: GitHub's own limit on a payload.
MAX_BYTES = 25 << 20
#: Deliveries that are remembered; GitHub repeats within minutes.
REMEMBERED = 10_000


class OnIssueChanged(Protocol):
    """Called with `owner/name` and the issue's number when an issue changed."""

    def __call__(self, repository: str, *, number: int) -> Awaitable[None]:
        """Forget it."""


class Webhooks:
    """The endpoint `/webhooks/github`.

    Args:
        secret: Shared with GitHub; None: webhooks are not served at all, there is no default.
        on_issue_changed: Told of issues that changed.

    Source: docs.github.com, validating webhook deliveries.
    """

    def __init__(self, *, secret: SecretStr | None, on_issue_changed: OnIssueChanged) -> None:
        self._secret = secret
        self._on_issue_changed = on_issue_changed
        self._seen: OrderedDict[str, None] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        """Return the route."""
        return [web.post("/webhooks/github", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        """Check, remember, act."""
        if self._secret is None:
            return web.Response(status=404, text="no webhook secret is configured\n")
        body = await request.read()
        if not self._is_signed(body, request.headers.get("x-hub-signature-256", "")):
            return web.Response(status=401, text="the signature is missing or wrong\n")
        delivery = request.headers.get("x-github-delivery", "")
        if delivery in self._seen:
            return web.Response(status=202, text="seen before\n")
        self._seen[delivery] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        await self._act(request)
        return web.Response(status=202, text="taken\n")

    def _is_signed(self, body: bytes, signature: str) -> bool:
        """Compare in constant time."""
        assert self._secret is not None
        expected = hmac.new(self._secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(f"sha256={expected}".encode(), signature.encode("utf-8", "replace"))

    async def _act(self, request: web.Request) -> None:
        """Tell of the issue that changed."""
        try:
            payload = await request.json()
            number, repository = payload["issue"]["number"], payload["repository"]["full_name"]
        except (ValueError, KeyError, TypeError):
            return
        await self._on_issue_changed(str(repository), number=int(number))
