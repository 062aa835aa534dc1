"""One client of the model API, with one connection pool, for the whole process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic

from miyabi.common.v1.usage_pb2 import Budget
from miyabi_agents.model.session import ModelSession
from miyabi_agents.settings import AgentsSettings
from miyabi_core.secret_file import SecretFile

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
        self._settings = settings
        self._file = SecretFile(settings.model_key_file) if settings.model_key_file else None
        self._client = anthropic.AsyncAnthropic(
            api_key=self._key() or "none",
            base_url=settings.anthropic_base_url,
            max_retries=MAX_RETRIES,
            timeout=TIMEOUT_SECONDS,
        )

    def _key(self) -> str:
        """Return the key as it is now; "" where there is none."""
        if self._file is not None:
            return self._file.read()
        return self._settings.anthropic_api_key.get_secret_value() if self._settings.anthropic_api_key else ""

    def session(self, *, progress: ProgressSink, budget: Budget) -> ModelSession | None:
        """Return a session for one task; None where there is no key. A key that was rotated is used from here on."""
        key = self._key()
        if not key:
            return None
        self._client.api_key = key
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
