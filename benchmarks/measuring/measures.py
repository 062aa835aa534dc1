"""What the kernel says about a process: CPU seconds, and memory now and at its peak."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: Clock ticks a second, the unit of /proc/PID/stat.
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads. Source: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main_thread_seconds(pid: int) -> float:
    """Return the CPU time of a process's main thread alone. Source: proc(5), /proc/PID/task/TID/stat."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process now, in MiB."""
    return _status(pid, "VmRSS:") / 1024


def _status(pid: int, name: str) -> int:
    """Return a number of /proc/PID/status, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


class CpuMeter:
    """Reads the CPU time of named processes and tells what they used since."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before = {name: cpu_seconds(pid) for name, pid in pids.items()}

    def used(self) -> dict[str, float]:
        """Return the CPU seconds since the meter was made, by name."""
        return {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
