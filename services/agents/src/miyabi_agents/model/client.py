"""One client of the model API, with one connection pool, for the whole process."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import anthropic
import httpx2

from miyabi.common.v1.usage_pb2 import Budget
from miyabi_agents.model.pace import Bounds, Pace, Patience
from miyabi_agents.model.session import ModelSession, ModelTerms
from miyabi_agents.model.tiers import Tier
from miyabi_agents.settings import AgentsSettings
from miyabi_core.access.secret_file import SecretFile

if TYPE_CHECKING:
    from miyabi_agents.ports import ProgressSink

#: Calls at once until the coordinator says more: every agent of a stack begins so, and they begin together.
FIRST = 1
#: Seconds for a whole answer; long answers stream for minutes.
TIMEOUT_SECONDS = 300.0
#: Connections are kept for longer than tests run between two calls of a conversation; the library drops them after 5 s.
#: One that the API closed meanwhile is noticed before it is used. Source: httpx, “Resource limits”.
CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=256, keepalive_expiry=300.0)


class ModelClient:
    """Makes sessions for tasks.

    Args:
        settings: Key, address and models.
        patience: How long calls are repeated.
    """

    def __init__(self, settings: AgentsSettings, *, patience: Patience | None = None) -> None:
        self._settings = settings
        self._patience = patience or Patience()
        self.pace = Pace(
            Bounds(settings.model_calls_min, settings.model_calls_max, begin=FIRST, fixed=not settings.feedback)
        )
        self._file = SecretFile(settings.model_key_file) if settings.model_key_file else None
        self._client = anthropic.AsyncAnthropic(
            api_key=self._key() or "none",
            base_url=settings.anthropic_base_url,
            # Repeats are ours: they have to be seen, counted, and kept from adding to a busy API's load.
            max_retries=0,
            timeout=TIMEOUT_SECONDS,
            http_client=anthropic.DefaultAsyncHttpxClient(limits=CONNECTIONS),
        )

    def _key(self) -> str:
        """Return the key as it is now; "" where there is none."""
        if self._file is not None:
            return self._file.read()
        return self._settings.anthropic_api_key.get_secret_value() if self._settings.anthropic_api_key else ""

    def session(
        self, *, progress: ProgressSink, budget: Budget, deadline: datetime | None = None, attempt: int = 1
    ) -> ModelSession | None:
        """Return a session for one task; None where there is no key. A key that was rotated is used from here on.

        Args:
            progress: Learns of every call.
            budget: Most that the task may spend.
            deadline: When it must be done; aware. None: no time is set.
            attempt: Of the task, from 1.
        """
        key = self._key()
        if not key:
            return None
        self._client.api_key = key
        settings = self._settings
        models = dict(zip(Tier, settings.models, strict=True))
        terms = ModelTerms(models, budget, self.pace, self._patience, settings.model_window_tokens, deadline, attempt)
        return ModelSession(self._client, progress=progress, terms=terms)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
