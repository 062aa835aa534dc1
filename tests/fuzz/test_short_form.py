"""The short form of `make fuzz`: what is kept, and some hundred inputs near it, the same in every run."""

from __future__ import annotations

import random
import time

import pytest
from fuzzer.growth import pump
from fuzzer.mutation import mutated
from fuzzer.registry import CORPUS, targets
from fuzzer.search import MOST_KEPT, MOST_KEPT_BYTES
from fuzzer.watch import Watch

TARGETS = targets()
#: Inputs of a target, and processor seconds after which no more are tried: all targets together take under 20 s.
MOST_INPUTS, MOST_SECONDS = 300, 0.15
#: Patterns that are repeated; the long form tries many times more.
PUMPED, PUMPED_BYTES = 2, 1 << 14


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_parser_ends_in_its_one_error(name: str) -> None:
    """Whatever a parser is given, it ends in a value that holds, or in its one error."""
    target, chance = TARGETS[name], random.Random(name)
    watch = Watch(target)
    sources = [*target.seeds, *target.kept]
    for data in (*sources, b""):
        watch.run(data)
    began = time.process_time()
    while watch.inputs < MOST_INPUTS and time.process_time() - began < MOST_SECONDS:
        watch.run(mutated(sources, chance))
    assert not watch.faults


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_time_grows_with_the_input_only(name: str) -> None:
    """Four times as much of the same takes about four times as long."""
    assert not pump(TARGETS[name], random.Random(name), rounds=PUMPED, size=PUMPED_BYTES)


def test_corpus_is_small_and_of_targets_that_are_there() -> None:
    """What is kept is little, since every run reads it."""
    for folder in CORPUS.iterdir():
        files = list(folder.iterdir())
        assert folder.name in TARGETS
        assert len(files) <= MOST_KEPT
        assert all(path.stat().st_size < MOST_KEPT_BYTES for path in files)
