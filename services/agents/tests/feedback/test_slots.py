"""Slots follow what is short on the machine, as the kernel's files tell it."""

from __future__ import annotations

import os

import pytest

from miyabi.coordinator.v1.limits_pb2 import LimitReason
from miyabi_agents.feedback.pressure import MachinePressure
from miyabi_agents.feedback.slots import EASED_REST, MEMORY_REST, PROCESSOR_REST, Pressure, Slots

CALM = Pressure(memory_free=0.6, memory_stalled=0.0, processor_stalled=0.1, processors=2)
SHORT = Pressure(memory_free=0.05, processors=2)
BUSY = Pressure(memory_free=0.6, processor_stalled=0.95, processors=2)
MEMORY, PROCESSOR, EASED = (getattr(LimitReason, f"LIMIT_REASON_{name}") for name in ("MEMORY", "PROCESSOR", "EASED"))


def followed(slots, pressure, readings):
    """Return the slots after each reading."""
    found = []
    for _ in range(readings):
        slots.observe(pressure)
        found.append(slots.now)
    return found


def test_short_memory_halves_the_slots_down_to_one_and_they_come_back_one_by_one():
    """Every step rests until what it did can be seen, and says why, once."""
    slots = Slots(least=1, most=8)
    assert followed(slots, CALM, 3) == [8, 8, 8]
    assert followed(slots, SHORT, 1 + 2 * MEMORY_REST) == [4, 4, 2, 2, 1]
    assert slots.take_change() == (MEMORY, "5% of the memory is free")
    assert slots.take_change() == (LimitReason.LIMIT_REASON_UNSPECIFIED, "")
    assert followed(slots, SHORT, 20)[-1] == 1
    assert followed(slots, CALM, 2 * EASED_REST) == [2, 2, 2, 3, 3, 3]
    assert slots.take_change() == (EASED, "")
    assert followed(slots, CALM, 40)[-1] == 8


def test_short_processors_take_one_slot_at_a_time_and_leave_none_idle():
    """Fewer slots than processors would make nothing faster."""
    slots = Slots(least=1, most=4)
    assert followed(slots, BUSY, 1 + PROCESSOR_REST) == [3] * PROCESSOR_REST + [2]
    assert slots.take_change() == (PROCESSOR, "tasks waited 95% of a minute for a processor")
    assert followed(slots, BUSY, 5 * PROCESSOR_REST)[-1] == 2
    assert followed(slots, SHORT, 1)[-1] == 1, "memory does not wait for the rest of a processor's step"


def test_what_is_neither_short_nor_at_ease_changes_nothing():
    """Between the two bounds the slots stay, so that they do not swing."""
    slots = Slots(least=1, most=8)
    followed(slots, SHORT, 1)
    for between in (Pressure(memory_free=0.15, processors=2), Pressure(memory_free=0.9, processor_stalled=0.7)):
        assert followed(slots, between, 50)[-1] == 4


def test_without_pressure_files_load_tells_and_without_anything_nothing_does():
    """The same steps by the number of processes that want to run; no file, no step."""
    slots = Slots(least=1, most=4)
    assert followed(slots, Pressure(load=5.0, processors=1), 1) == [3]
    assert followed(slots, Pressure(load=1.0, processors=1), 2 * PROCESSOR_REST)[-1] == 4
    assert followed(slots, Pressure(), 9)[-1] == 4


def test_the_operator_bounds_them_and_switches_them_off():
    """Never below the least; off, never changed."""
    slots = Slots(least=3, most=8)
    assert followed(slots, SHORT, 30)[-1] == 3
    slots.switch_off()
    assert slots.now == 8
    assert followed(slots, SHORT, 30)[-1] == 8
    assert followed(Slots(least=1, most=8, fixed=True), SHORT, 30)[-1] == 8


MEMINFO = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    800 kB\n"
PRESSURE = "some avg10=1.00 avg60=2.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
BOUND_V2 = {
    "proc/self/cgroup": "0::/pod/agent\n",
    "sys/fs/cgroup/pod/memory.max": "1000\n",
    "sys/fs/cgroup/pod/memory.current": "900\n",
    "sys/fs/cgroup/pod/memory.stat": "anon 5\ninactive_file 200\n",
    "sys/fs/cgroup/pod/agent/memory.max": "max\n",
    "sys/fs/cgroup/pod/agent/memory.current": "800\n",
}
BOUND_V1 = {
    "proc/self/cgroup": "9:cpu,cpuacct:/x\n4:memory:/docker/abc\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "950\n",
    "sys/fs/cgroup/memory/memory.stat": "cache 5\ntotal_inactive_file 100\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/meminfo": MEMINFO}, (0.8, None, None)),
        ({"proc/meminfo": MEMINFO, **BOUND_V2}, (0.3, None, None)),
        ({"proc/meminfo": MEMINFO, **BOUND_V1}, (0.15, None, None)),
        ({"proc/pressure/memory": PRESSURE, "proc/pressure/cpu": PRESSURE}, (None, 0.01, 0.02)),
        ({"proc/meminfo": "nothing", "proc/self/cgroup": "\n:::", "proc/pressure/cpu": "full"}, (None, None, None)),
        ({}, (None, None, None)),
    ],
    ids=["machine", "cgroup-v2", "cgroup-v1", "psi", "unreadable", "nothing"],
)
def test_what_the_kernel_tells_is_read(tmp_path, files, expected):
    """The tightest bound counts; files that can be dropped are free; what is not told is not invented."""
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = MachinePressure(tmp_path).read()
    assert (found.memory_free, found.memory_stalled, found.processor_stalled) == pytest.approx(expected)
    assert found.processors == len(os.sched_getaffinity(0))


def test_load_is_told_for_each_processor(tmp_path):
    """The first number of loadavg, shared."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text(f"{3 * len(os.sched_getaffinity(0))}.00 1.00 0.50 1/99 7\n")
    assert MachinePressure(tmp_path).read().load == 3.0


def test_this_machine_tells_how_much_memory_is_free():
    """The real files of the system that the tests run on."""
    free = MachinePressure().read().memory_free
    assert free is not None
    assert 0.0 <= free <= 1.0
