"""One client of the model API, with one connection pool, for the whole process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic

from miyabi.common.v1.usage_pb2 import Budget
from miyabi_agents.model.session import ModelSession
from miyabi_agents.settings import AgentsSettings

if TYPE_CHECKING:
    from miyabi_agents.ports import ProgressSink

#: Repeats of a call that was refused for load or broke before its first byte; `retry-after` is obeyed.
MAX_RETRIES = 4
#: Seconds for a whole answer; long answers stream for minutes.
TIMEOUT_SECONDS = 300.0


class ModelClient:
    """Makes sessions for tasks.

    Args:
        settings: Key, address and models.
    """

    def __init__(self, settings: AgentsSettings) -> None:
        key = settings.anthropic_api_key.get_secret_value() if settings.anthropic_api_key else ""
        self._settings = settings
        self._configured = bool(key)
        self._client = anthropic.AsyncAnthropic(
            api_key=key or "none",
            base_url=settings.anthropic_base_url,
            max_retries=MAX_RETRIES,
            timeout=TIMEOUT_SECONDS,
        )

    def session(self, *, progress: ProgressSink, budget: Budget) -> ModelSession | None:
        """Return a session for one task; None where there is no key."""
        if not self._configured:
            return None
        return ModelSession(
            self._client,
            progress=progress,
            budget=budget,
            cheap_model=self._settings.cheap_model,
            strong_model=self._settings.strong_model,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()
