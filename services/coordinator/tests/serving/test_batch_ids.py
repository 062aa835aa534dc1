"""Batch ids: unique, in the order in which they were made, and each names its shard."""

from __future__ import annotations

from miyabi_coordinator.shards import MAX_SHARDS, new_batch_id, shard_of
from miyabi_core.ids import is_ulid


def test_ids_made_at_once() -> None:
    """Thousands of ids within a few milliseconds are all different, and sort as they were made."""
    ids = [new_batch_id(0) for _ in range(20_000)]
    assert len(ids) == len(set(ids))
    assert sorted(ids) == ids


def test_id_names_its_shard() -> None:
    """Every shard is read from the ids that it makes, and they stay ULIDs."""
    ids = {shard: new_batch_id(shard) for shard in range(MAX_SHARDS)}
    assert list(range(MAX_SHARDS)) == [shard_of(batch) for batch in ids.values()]
    assert all(is_ulid(batch) for batch in ids.values())
