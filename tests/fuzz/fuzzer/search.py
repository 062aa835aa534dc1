"""One search on one target, in a process of its own: guided by coverage where atheris is there, else by chance alone."""

from __future__ import annotations

import base64
import importlib.util
import json
import mmap
import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fuzzer.growth import pump
from fuzzer.mutation import mutated
from fuzzer.registry import Target, targets
from fuzzer.watch import MAX_BYTES, Watch

#: Packages whose branches guide the search: ours, without the generated stubs.
_OURS = ["miyabi_agents", "miyabi_cli", "miyabi_core", "miyabi_dashboard", "miyabi_github_gateway"]
#: Patterns that are repeated after a search.
_PUMPED = 150
#: How often a search writes down what it found, in seconds.
_WRITTEN_EVERY = 5.0
#: Inputs that a search by chance keeps to begin from, beside the seeds.
_MOST_SOURCES = 200


def search(name: str, seconds: float, folder: Path) -> None:
    """Search for *seconds*, and leave `found.json` and new inputs in *folder*; ends the process."""
    guided = importlib.util.find_spec("atheris") is not None
    with _instrumented(guided):
        target = targets()[name]
    watch = Watch(target, current=_shared(folder / "current"))
    ending = _ending(watch, folder, seconds, guided=guided)
    for data in (*target.seeds, *target.kept):
        watch.run(data)
    if guided:
        _guided(watch, folder, ending)
    _by_chance(watch, folder, ending)


def _shared(path: Path) -> mmap.mmap:
    """Return a file's content in memory: what stands there outlives a process that is killed."""
    path.write_bytes(bytes(MAX_BYTES + 4))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def _instrumented(guided: bool) -> AbstractContextManager[Any]:
    """Return a block in which our modules are imported so that their branches are seen."""
    if not guided:
        return nullcontext()
    import atheris

    return atheris.instrument_imports(include=_OURS, enable_loader_override=False)


def _ending(watch: Watch, folder: Path, seconds: float, *, guided: bool) -> Callable[[], None]:
    """Return what is called after each input: it writes down what was found, and ends the process in time."""
    began = written = time.monotonic()

    def after_each() -> None:
        nonlocal written
        now = time.monotonic()
        over = now - began >= seconds
        if over:
            _write(watch, folder, guided=guided, growths=_growths(watch))
            os._exit(0)
        if now - written >= _WRITTEN_EVERY:
            written = now
            _write(watch, folder, guided=guided, growths=[])

    return after_each


def _growths(watch: Watch) -> list[str]:
    """Return sentences on inputs whose time grows too fast."""
    worst = tuple(data for _, data in watch.slowest)
    return [str(growth) for growth in pump(watch.target, random.Random(1), rounds=_PUMPED, worst=worst)]


def _guided(watch: Watch, folder: Path, after_each: Callable[[], None]) -> None:
    """Search with atheris; never returns."""
    import atheris

    corpus = folder / "corpus"
    for number, data in enumerate((*watch.target.seeds, *watch.target.kept)):
        (corpus / f"seed-{number}").write_bytes(data)

    def one(data: bytes) -> None:
        watch.run(data)
        after_each()

    # Time is watched by us, in processor seconds; atheris would take the test of growth for a slow input.
    options = [f"-max_len={MAX_BYTES}", "-timeout=1000000", "-rss_limit_mb=3000", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, "-verbosity=0", str(corpus)], one)
    atheris.Fuzz()


def _by_chance(watch: Watch, folder: Path, after_each: Callable[[], None]) -> None:
    """Search by chance; never returns. An input that is slower than others is one to begin from."""
    chance = random.Random()
    sources = [*watch.target.seeds, *watch.target.kept]
    while True:
        data = mutated(sources, chance)
        if watch.run(data) and len(sources) < _MOST_SOURCES:
            sources.append(data)
            (folder / "corpus" / f"found-{len(sources)}").write_bytes(data)
        after_each()


def _write(watch: Watch, folder: Path, *, guided: bool, growths: list[str]) -> None:
    """Write down what was found so far, whole or not at all."""
    body = {
        "engine": "atheris" if guided else "chance",
        "inputs": watch.inputs,
        "slowest": watch.slowest[0][0] if watch.slowest else 0.0,
        "faults": {fault: base64.b64encode(data).decode() for fault, data in watch.faults.items()},
        "growths": growths,
    }
    new = folder / "found.new"
    new.write_text(json.dumps(body))
    new.replace(folder / "found.json")


def covered(target: Target, data: bytes) -> frozenset[tuple[str, int]]:
    """Return the lines of ours that an input reaches."""
    seen: set[tuple[str, int]] = set()

    def trace(frame: Any, event: str, _argument: object) -> Any:
        if "miyabi_" not in frame.f_code.co_filename:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        target.run(data)
    except Exception:  # noqa: BLE001 - what it reached is all that is asked
        seen.clear()
    finally:
        sys.settrace(None)
    return frozenset(seen)


def keep(name: str, folder: Path, corpus: Path) -> int:
    """Keep those inputs that together reach every line that all reached; returns how many are kept.

    Args:
        name: Of the target.
        folder: Of the search.
        corpus: The target's folder, which is written anew.
    """
    target = targets()[name]
    found = {path.read_bytes() for path in (folder / "corpus").iterdir()} | set(target.kept)
    short = sorted((data for data in found if len(data) < MOST_KEPT_BYTES), key=lambda data: (len(data), data))
    reached = frozenset[tuple[str, int]]().union(*(covered(target, seed) for seed in target.seeds))
    chosen: list[bytes] = []
    for data in short[:_MOST_TRIED]:
        lines = covered(target, data)
        if not lines <= reached and len(chosen) < MOST_KEPT:
            reached |= lines
            chosen.append(data)
    corpus.mkdir(parents=True, exist_ok=True)
    for path in corpus.iterdir():
        path.unlink()
    for number, data in enumerate(chosen):
        (corpus / f"{number:02}").write_bytes(data)
    return len(chosen)


#: The corpus is small: it is read in every run of the tests, and lies in git.
MOST_KEPT, MOST_KEPT_BYTES = 30, 2000
#: Inputs that are looked at for what is kept; shortest first.
_MOST_TRIED = 3000

if __name__ == "__main__":
    word, target_name, *rest = sys.argv[1:]
    if word == "search":
        search(target_name, float(rest[0]), Path(rest[1]))
    else:
        keep(target_name, Path(rest[0]), Path(rest[1]))
