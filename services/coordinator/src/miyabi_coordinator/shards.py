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
#: Multiplier and word of the paper's generator.
_JUMP_FACTOR, _WORD = 2862933555777941757, (1 << 64) - 1
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


#: Hash tag of each shard, in the order in which shards are added; never reordered. Found by a search: however many of
#: them are used, 2 to 6 primaries with equal ranges of slots have the same number of shards each or one more, up to 16
#: primaries differ by three at most (`s0 s1 s2` leave a primary without any).
TAGS = tuple(  # one a line would take a page
    """
    s18 s0 s3 s1 s11 s12 s22 s61 s34 s50 s28 s9 s45 s42 s10 s35 s23 s20 s2 s13 s7 s40 s29 s8 s123 s41
    s33 s159 s16 s32 s75 s51 s162 s30 s14 s173 s58 s44 s60 s161 s4 s21 s62 s166 s108 s142 s109 s78 s27
    s15 s17 s163 s48 s46 s43 s52 s238 s31 s152 s158 s64 s49 s138 s5
    """.split()  # noqa: SIM905
)


def prefix(shard: int) -> str:
    """Return what the keys of a shard begin with."""
    return f"{{{TAGS[shard]}}}:"


def homes_of(request_id: str, *, shards: int) -> tuple[int, ...]:
    """Return the shards that a request's batch can live in, so that a repeat finds it.

    The last is where it goes now; the others are where it went while there were fewer shards. That few are enough is
    what jump hashing gives: with one more shard a request stays or goes to the new one.

    Args:
        request_id: Of the submission.
        shards: How many there are.

    Source: Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014.
    """
    key = int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:8], "big")
    homes = []
    shard = 0
    while shard < shards:
        homes.append(shard)
        key = (key * _JUMP_FACTOR + 1) & _WORD
        shard = int((shard + 1) * ((1 << 31) / ((key >> 33) + 1)))
    return tuple(homes)


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
