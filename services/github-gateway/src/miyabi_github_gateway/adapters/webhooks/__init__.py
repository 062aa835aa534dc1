"""GitHub's webhooks: bodies of strangers, payloads of GitHub, and what is done with them."""

from __future__ import annotations

from miyabi_github_gateway.adapters.webhooks.bodies import MAX_BYTES, Bodies, BodyRefusedError
from miyabi_github_gateway.adapters.webhooks.endpoint import Webhooks
from miyabi_github_gateway.adapters.webhooks.payloads import InvalidPayloadError, payload_of

__all__ = ["MAX_BYTES", "Bodies", "BodyRefusedError", "InvalidPayloadError", "Webhooks", "payload_of"]
