"""Which shard a batch lives in, and how shards spread over the slots of a cluster."""

from __future__ import annotations

import hashlib

from miyabi_core.ids import new_ulid

#: Crockford's base 32, as ULIDs use it.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Characters of a ULID that hold its time; the rest is random.
_TIME = 10
#: Slots of a Redis cluster; primaries hold ranges of them.
SLOTS = 16384
#: Most shards that the table knows.
MAX_SHARDS = 64


def slot_of(tag: str) -> int:
    """Return the cluster slot of a hash tag (CRC-16/XMODEM, as the cluster specification says)."""
    crc = 0
    for byte in tag.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc % SLOTS


def _spread_tags() -> tuple[str, ...]:
    """Choose tags so that any first n of them spread over equal ranges of slots: positions of a van der Corput row."""
    targets = [int(f"{index:06b}"[::-1], 2) * SLOTS // MAX_SHARDS for index in range(MAX_SHARDS)]
    width = SLOTS // MAX_SHARDS
    tags: dict[int, str] = {}
    candidate = 0
    while len(tags) < MAX_SHARDS:
        tag = f"s{candidate}"
        tags.setdefault(slot_of(tag) // width, tag)
        candidate += 1
    return tuple(tags[target // width] for target in targets)


#: Hash tag of each shard, in the order in which shards are added; never reordered.
TAGS = _spread_tags()


def prefix(shard: int) -> str:
    """Return what the keys of a shard begin with."""
    return f"{{{TAGS[shard]}}}:"


def shard_for(request_id: str, *, shards: int) -> int:
    """Return the shard that a request's batch lives in, so that a repeat asks the same one."""
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:4], "big") % shards


def new_batch_id(shard: int) -> str:
    """Return a new ULID whose last two characters name the shard.

    Room for them is made at the front of the random part,
    since ULIDs of one millisecond differ in their last characters only.
    """
    ulid = new_ulid()
    return f"{ulid[:_TIME]}{ulid[_TIME + 2 :]}{_ALPHABET[shard // 32]}{_ALPHABET[shard % 32]}"


def shard_of(batch: str) -> int:
    """Return the shard that the last two characters of a batch id name."""
    return _ALPHABET.index(batch[-2]) * 32 + _ALPHABET.index(batch[-1])
