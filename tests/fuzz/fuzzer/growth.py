"""Finds parsers whose time grows faster than their input: the same pattern twice as often must take twice as long."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from fuzzer.mutation import PIECES
from fuzzer.registry import Target
from fuzzer.watch import MAX_BYTES, Watch

#: How much longer the longer of two inputs is.
TIMES = 4
#: Faster answers than this say nothing about growth, since set-up and chance make most of them.
MIN_SECONDS = 0.1
#: Four times the input takes four times as long; with the square it would be sixteen. Between lies what chance makes.
MAX_RATIO = 9.0
#: Longest piece that is repeated.
MAX_PIECE = 200


@dataclass(frozen=True)
class Growth:
    """An input that took too long for what it holds more, or broke something."""

    target: str
    size: int  #: of the longer input; the shorter has a quarter
    short_seconds: float
    long_seconds: float
    data: bytes  #: the longer one
    fault: str = ""  #: what the longer one raised, also where it took too long

    def __str__(self) -> str:
        """Return a sentence for a person."""
        shown = f"{self.data[:60]!r}…"
        times = f"{self.size // TIMES} bytes {self.short_seconds:.3f} s, {self.size} bytes {self.long_seconds:.3f} s"
        return f"{self.target}: {times}: {self.fault} {shown}"


def pump(
    target: Target,
    chance: random.Random,
    *,
    rounds: int,
    worst: tuple[bytes, ...] = (),
    most_seconds: float = 15,
    size: int = MAX_BYTES,
) -> list[Growth]:
    """Repeat pieces of seeds, of slow inputs and of what parsers stumble over, within parts of a seed.

    Args:
        target: What is looked at.
        chance: Where pieces and places come from.
        rounds: How many are tried.
        worst: The slowest inputs of a search.
        most_seconds: Processor time after which no further pattern is begun.
        size: Of the longer inputs.
    """
    found: list[Growth] = []
    began = time.process_time()
    for head, piece, tail in _patterns(target, chance, worst, rounds):
        if time.process_time() - began > most_seconds:
            break
        grown = _measured(target, head, piece, tail, size)
        # Once more, since another process may have had the processor's cache.
        if grown is not None and (again := _measured(target, head, piece, tail, size)) is not None:
            found.append(again)
    return found


def _patterns(
    target: Target, chance: random.Random, worst: tuple[bytes, ...], rounds: int
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield what stands before, what is repeated, and what stands after."""
    sources = [*target.seeds, *target.kept, *worst]
    for _ in range(rounds):
        source = chance.choice(sources) if sources else b""
        start, middle, end = sorted(chance.randrange(len(source) + 1) for _ in range(3))
        piece = source[start : middle + 1][:MAX_PIECE] if chance.random() < 0.6 else chance.choice(PIECES)[:MAX_PIECE]
        lines = source.split(b"\n")
        if chance.random() < 0.3 and len(lines) > 1:
            piece = chance.choice(lines)[:MAX_PIECE] + b"\n"
        yield source[:start], piece or b"a", source[end:]


def _measured(target: Target, head: bytes, piece: bytes, tail: bytes, size: int) -> Growth | None:
    """Return a growth that is too fast; None where it is not, or too small to be told."""
    # What was imported before is looked at by each collection: its time is not the parser's.
    gc.collect()
    gc.freeze()
    watch = Watch(target)
    short, long = (_tiled(head, piece, tail, length) for length in (size // TIMES, size))
    watch.run(long)
    slow, faults = watch.seconds, watch.faults
    if slow < MIN_SECONDS and not faults:
        return None
    watch = Watch(target)
    watch.run(short)
    grows = slow > max(MIN_SECONDS, MAX_RATIO * watch.seconds)
    return Growth(target.name, size, watch.seconds, slow, long, "; ".join(faults)) if grows or faults else None


def _tiled(head: bytes, piece: bytes, tail: bytes, size: int) -> bytes:
    """Return a text of about *size* bytes."""
    times = max(1, (size - len(head) - len(tail)) // len(piece))
    return head[:size] + piece * times + tail[: max(0, size - len(head))]
