"""Reads how short memory and processors are: of the process's own group where it is bounded, and of the machine."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

from miyabi_agents.feedback.slots import Pressure, Slots

#: Seconds between two readings: half of the shortest time that PSI averages over.
INTERVAL = 5.0


class MachinePressure:
    """The state of the machine, or of what is bounded of it.

    Sources: docs.kernel.org/accounting/psi.html, docs.kernel.org/admin-guide/cgroup-v2.html (`memory.max`,
    `memory.current`, `memory.stat`), docs.kernel.org/admin-guide/cgroup-v1/memory.html, proc_meminfo(5).

    Args:
        root: Of the files; another one for a test.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self._groups = root / "sys/fs/cgroup"

    def read(self) -> Pressure:
        """Return what is short now; what the system does not tell is None."""
        processors = os.cpu_count() or 1 if not hasattr(os, "sched_getaffinity") else len(os.sched_getaffinity(0))
        free = [share for share in (*self._groups_free(), self._machine_free()) if share is not None]
        load = _first_number(_text(self._proc / "loadavg"))
        return Pressure(
            memory_free=min(free, default=None),
            memory_stalled=_stalled(_text(self._proc / "pressure/memory"), "avg10"),
            processor_stalled=_stalled(_text(self._proc / "pressure/cpu"), "avg60"),
            load=None if load is None else load / processors,
            processors=processors,
        )

    def _machine_free(self) -> float | None:
        """Return the share of the machine's memory that could be had without swapping."""
        found = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", _text(self._proc / "meminfo"), re.MULTILINE))
        total, available = int(found.get("MemTotal", 0)), found.get("MemAvailable")
        return int(available) / total if total and available is not None else None

    def _groups_free(self) -> Iterator[float | None]:
        """Yield the share that is free of each bounded group that the process is in, by cgroup v2 or v1."""
        for line in _text(self._proc / "self/cgroup").split("\n"):
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if number == "0" and not controllers:
                names = ("memory.max", "memory.current", "inactive_file")
                yield from self._chain_free(self._groups, path, names)
            elif "memory" in controllers.split(","):
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                yield from self._chain_free(self._groups / "memory", path, names)

    def _chain_free(self, root: Path, path: str, names: tuple[str, str, str]) -> Iterator[float | None]:
        """Yield the free share of a group and of those above it; in a container the group is its own root."""
        parts = [part for part in path.split("/") if part and part != ".."]
        for depth in range(len(parts), -1, -1):
            yield _free(root.joinpath(*parts[:depth]), *names)


async def watch(pressure: MachinePressure, slots: Slots) -> None:
    """Let the slots follow the machine until it is cancelled."""
    while True:
        slots.observe(await asyncio.to_thread(pressure.read))
        await asyncio.sleep(INTERVAL)


def _free(group: Path, limit_name: str, used_name: str, cache_name: str) -> float | None:
    """Return the free share of a group; files that were read and can be dropped count as free."""
    limit, used = _first_number(_text(group / limit_name)), _first_number(_text(group / used_name))
    if not limit or used is None:
        return None
    cached = re.search(rf"^{cache_name} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
    return max(0.0, 1.0 - max(0.0, used - int(cached[1] if cached else 0)) / limit)


def _stalled(text: str, average: str) -> float | None:
    """Return the share of time that at least one task was stalled; None where the kernel does not tell."""
    found = re.search(rf"^some .*\b{average}=([0-9.]+)", text, re.MULTILINE)
    return float(found[1]) / 100 if found else None


def _first_number(text: str) -> float | None:
    """Return the number that a text begins with; None where there is none (`max`)."""
    found = re.match(r"[0-9]+(\.[0-9]+)?", text)
    return float(found[0]) if found else None


def _text(file: Path) -> str:
    """Return the text of a file; empty where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
