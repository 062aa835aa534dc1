"""How long a conversation with a model and one of its answers may be, by the table beside the prices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from miyabi_agents.model.prices import raw_table
from miyabi_core.logging import get_logger

_LOG = get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """What a model takes, in tokens."""

    window: int  #: the prompt and the answer together
    max_output: int  #: one answer


@cache
def limits_of(model: str) -> Limits:
    """Return the limits of a model; one that is not listed has the smallest of each, and the log says so once."""
    models = raw_table()["models"]
    fitting = [name for name in models if model.startswith(name)]
    if fitting:
        entry = models[max(fitting, key=len)]
        return Limits(entry["window"], entry["max_output"])
    smallest = Limits(*(min(entry[name] for entry in models.values()) for name in ("window", "max_output")))
    _LOG.warning("model.window_unknown", model=model, window=smallest.window, max_output=smallest.max_output)
    return smallest
