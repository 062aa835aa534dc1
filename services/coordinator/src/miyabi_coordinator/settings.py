"""What the coordinator reads from its environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from miyabi_coordinator.models import TaskKind
from miyabi_core.configuration.settings import RedisSettings, ServiceSettings, ServingSettings
from miyabi_core.grants import GrantKeySettings


class CoordinatorSettings(ServiceSettings, RedisSettings, ServingSettings, GrantKeySettings):
    """Environment variables `MIYABI_COORDINATOR_*`, and `MIYABI_REDIS_URL`."""

    model_config = SettingsConfigDict(
        env_prefix="MIYABI_COORDINATOR_", frozen=True, extra="ignore", populate_by_name=True
    )

    #: host:port to serve at; without identity it is loopback.
    address: str = "127.0.0.1:50051"
    #: gRPC name of the GitHub gateway.
    gateway: str = "127.0.0.1:50052"
    #: True where the model behind the agents is simulated.
    simulated: bool = False
    #: How long a lease lasts without a heartbeat.
    lease_duration: timedelta = Field(default=timedelta(seconds=15), gt=timedelta(0))
    #: How often agents are asked to send one.
    heartbeat_interval: timedelta = Field(default=timedelta(seconds=5), gt=timedelta(0))
    #: How long a task may take, whatever the heartbeats.
    task_deadline: timedelta = Field(default=timedelta(minutes=15), gt=timedelta(0))
    #: Most leased tasks of a kind over all batches, as JSON, for example {"IMPLEMENT": 20}; no entry sets no limit.
    kind_limits: dict[str, int] = Field(default_factory=dict)
    #: Most leased tasks of a repository over all batches, as JSON, for example {"acme/forms": 10}.
    repository_limits: dict[str, int] = Field(default_factory=dict)
    #: Most leased tasks of each repository without an entry there; 0 sets no limit.
    repository_limit: int = Field(default=0, ge=0)
    #: Whether limits follow what their targets bear: calls of the model API, slots of agents. `off` switches that off
    #: for the whole stack: each agent's own highest limits hold.
    feedback: bool = True
    #: Calls of the model API at once by all agents together, at least; between this and the most the limit is found.
    model_calls_min: int = Field(default=1, ge=1, le=10_000)
    #: Calls of the model API at once by all agents together, at most.
    model_calls_max: int = Field(default=256, ge=1, le=10_000)
    #: How long a batch is kept after its end, then it is removed with its log.
    retention: timedelta = Field(default=timedelta(days=30), gt=timedelta(0))
    #: Bytes of messages and answers of one run's calls of models in the store, compressed; 0 keeps none of them.
    transcript_bytes: int = Field(default=1 << 20, ge=0, le=64 << 20)
    #: Shards; may only grow. In a cluster one or a few for each primary.
    shards: int = Field(default=1, ge=1, le=64)
    #: Replicas that have to have a write before it is acknowledged; 0 trusts the primary's disk alone.
    min_replicas: int = Field(default=0, ge=0, le=5)
    #: How long a call waits for a store that is away, if its own deadline is not sooner.
    store_patience: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        """Refuse bounds that nothing lies between."""
        if self.model_calls_min > self.model_calls_max:
            raise ValueError(
                f"model_calls_min: {self.model_calls_min} is above model_calls_max, {self.model_calls_max}"
            )
        return self

    @field_validator("kind_limits")
    @classmethod
    def _known_kinds(cls, limits: dict[str, int]) -> dict[str, int]:
        """Refuse what is no kind of task."""
        unknown = [name for name in limits if name not in TaskKind.__members__]
        if unknown:
            raise ValueError(f"{unknown[0]} is no kind of task; those are {', '.join(TaskKind.__members__)}")
        return limits

    @field_validator("kind_limits", "repository_limits")
    @classmethod
    def _at_least_one(cls, limits: dict[str, int]) -> dict[str, int]:
        """Refuse a limit under which nothing would ever run."""
        for name, limit in limits.items():
            if limit < 1:
                raise ValueError(f"{name}: a limit is at least 1")
        return limits
