"""What targets bear, on Redis or Valkey: a hash a target and one capped stream of steps, in the first shard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from miyabi_coordinator.adapters.redis_store.codec import FORMAT, decoded, encode
from miyabi_coordinator.adapters.redis_store.shard_base import ShardBase
from miyabi_coordinator.models.pacing import LimitReason, LimitStep, PaceTable

#: Seconds after which a target that nobody uses is forgotten: what it bore an hour ago says little of now.
FORGOTTEN_SECONDS = 3600
#: Steps that are kept, roughly: a week at one a minute, some 1.5 MB.
STEPS_KEPT = 10_000
#: Entries of one read.
PAGE = 500
_TABLES = msgspec.msgpack.Decoder(PaceTable)


class RedisPaces(ShardBase):
    """Implements `ports.paces.Paces`; made with the connection of shard 0."""

    async def load(self, target: str) -> PaceTable:
        """Return what is kept of a target; what another version wrote in another format is begun anew."""
        version, value = await self._connection.run(lambda redis: redis.hmget(self._key(f"pace:{target}"), "v", "t"))
        if version is None:
            return PaceTable()
        if not value.startswith(FORMAT):
            return PaceTable(version=int(version))
        return decoded(_TABLES, value[len(FORMAT) :])

    async def save(self, target: str, table: PaceTable, *, after: int) -> bool:
        """Keep a table where its predecessor is still there."""
        value = encode(table)
        return bool(await self._scripts.call("pace", target, after, table.version, value, FORGOTTEN_SECONDS))

    async def note(self, steps: Sequence[LimitStep]) -> None:
        """Keep steps."""

        async def write(redis: Any) -> None:
            async with redis.pipeline(transaction=False) as pipe:
                for step in steps:
                    pipe.xadd(self._key("limit-steps"), _encode(step), maxlen=STEPS_KEPT, approximate=True)
                await pipe.execute()

        if steps:
            await self._connection.run(write)

    async def page(self, *, before: str, limit: int, target: str, since: float) -> tuple[list[LimitStep], str]:
        """Return steps, newest first."""
        found: list[LimitStep] = []
        position = before
        for _ in range(STEPS_KEPT // PAGE):
            rows = await self._read(position)
            for identifier, fields in rows:
                step = _decode(fields)
                if step is None:
                    position = identifier.decode()
                    continue
                if step.time < since:
                    return found, ""
                if target in {"", step.target}:
                    if len(found) == limit:
                        return found, position
                    found.append(step)
                position = identifier.decode()
            if len(rows) < PAGE:
                return found, ""
        return found, position

    async def _read(self, before: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Return the entries before a position, newest first."""
        newest = f"({before}" if before else "+"
        rows: list[tuple[bytes, dict[bytes, bytes]]] = await self._connection.run(
            lambda redis: redis.xrevrange(self._key("limit-steps"), max=newest, min="-", count=PAGE)
        )
        return rows


def _encode(step: LimitStep) -> dict[str, str]:
    """Return a step as fields; empty ones are left out."""
    texts = {name: getattr(step, name) for name in ("target", "agent", "detail") if getattr(step, name)}
    numbers = {"limit": str(step.limit), "previous": str(step.previous), "reason": str(int(step.reason))}
    return {"time": repr(step.time), **numbers, **texts}


def _decode(fields: dict[bytes, bytes]) -> LimitStep | None:
    """Return a step of its fields; None for one that only a newer version understands."""
    texts = {name.decode(): value.decode() for name, value in fields.items()}
    try:
        return LimitStep(
            float(texts["time"]),
            texts["target"],
            int(texts["limit"]),
            int(texts["previous"]),
            LimitReason(int(texts["reason"])),
            texts.get("agent", ""),
            texts.get("detail", ""),
        )
    except (KeyError, ValueError):
        return None
