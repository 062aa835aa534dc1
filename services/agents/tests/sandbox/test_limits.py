"""What a command may use, with everything that it starts: time, output, memory, processes, disk."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest


async def test_wall_time_ends_it(any_box: Any) -> None:
    """A command that sleeps on is ended, and the result says so and keeps what it printed."""
    result = await any_box.python("import time; print('before', flush=True); time.sleep(60)", wall=timedelta(seconds=1))
    assert (result.timed_out, result.output, result.exit_code) == (True, "before\n", -9)
    assert result.duration < timedelta(seconds=3)


async def test_output_is_cut(any_box: Any) -> None:
    """A flood is read and thrown away beyond the limit."""
    result = await any_box.python("print('x' * 3_000_000)", output_bytes=1000)
    assert (result.output_cut, len(result.output), result.exit_code) == (True, 1000, 0)


async def test_memory_of_one_process(any_box: Any) -> None:
    """A hog is killed within a second of passing the limit."""
    code = "x = bytearray(400 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nimport time; time.sleep(30)"
    result = await any_box.python(code, memory_bytes=200 << 20)
    assert (result.limit_hit, result.exit_code) == ("memory", -9)
    assert result.duration < timedelta(seconds=4)


async def test_memory_of_all_processes_together(any_box: Any) -> None:
    """Thirty processes that are small each are killed together."""
    code = """
import os, time
for _ in range(12):
    if os.fork() == 0:
        x = bytearray(30 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(30)
time.sleep(30)
"""
    result = await any_box.python(code, memory_bytes=200 << 20)
    assert result.limit_hit == "memory"


async def test_memory_that_is_shared_counts_once(any_box: Any) -> None:
    """Twelve children that only read what their parent holds need no more than it."""
    code = """
import os, time
x = bytearray(60 << 20)
for i in range(0, len(x), 4096): x[i] = 1
children = []
for _ in range(12):
    pid = os.fork()
    if pid == 0:
        time.sleep(1.5); os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
print('fine')
"""
    result = await any_box.python(code, memory_bytes=250 << 20)
    assert (result.output, result.limit_hit) == ("fine\n", "")


async def test_memory_in_private_folders_counts(apart_box: Any) -> None:
    """Files in /dev/shm and /tmp are memory, and are counted as such."""
    code = "import time\nfor d in ('/dev/shm', '/tmp'): open(d + '/x', 'wb').write(b'1' * (120 << 20))\ntime.sleep(30)"
    result = await apart_box.python(code, memory_bytes=200 << 20)
    assert result.limit_hit == "memory"


async def test_address_space_is_not_memory(any_box: Any) -> None:
    """Reserving 64 GiB without using them, as WebAssembly and Go do, is no use of memory."""
    code = """
import mmap
held = [mmap.mmap(-1, 8 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=0) for _ in range(8)]
x = bytearray(100 << 20)
for i in range(0, len(x), 4096): x[i] = 1
print('fine')
"""
    result = await any_box.python(code, memory_bytes=300 << 20)
    assert (result.output, result.limit_hit) == ("fine\n", "")


async def test_file_size_is_limited(any_box: Any) -> None:
    """A file cannot grow beyond its limit."""
    result = await any_box.python("open('big', 'wb').write(b'x' * 5_000_000)", file_bytes=1 << 20)
    assert result.exit_code != 0
    assert (any_box.tree / "big").stat().st_size <= 1 << 20


async def test_many_files_are_a_limit(any_box: Any) -> None:
    """Files that are small enough each are not, together."""
    code = "import time\nfor n in range(100): open(f'f{n}', 'wb').write(b'x' * (4 << 20)); time.sleep(0.02)\ntime.sleep(30)"
    result = await any_box.python(code, disk_bytes=64 << 20)
    assert (result.limit_hit, result.exit_code) == ("disk", -9)
    assert result.duration < timedelta(seconds=15)


async def test_many_entries_are_a_limit(any_box: Any) -> None:
    """So are empty ones."""
    code = "import time\nfor n in range(3000): open(f'f{n}', 'w').close()\ntime.sleep(30)"
    result = await any_box.python(code, disk_entries=1000)
    assert result.limit_hit == "disk"


async def test_files_without_a_name_count(any_box: Any) -> None:
    """Removing a file that is still open hides nothing."""
    code = """
import os, time
held = []
for n in range(30):
    held.append(open('f', 'wb')); os.unlink('f'); held[-1].write(b'x' * (4 << 20)); held[-1].flush(); time.sleep(0.02)
time.sleep(30)
"""
    result = await any_box.python(code, disk_bytes=64 << 20)
    assert result.limit_hit == "disk"


async def test_a_locked_folder_hides_nothing(apart_box: Any) -> None:
    """Nor does a folder that its owner may not read."""
    code = """
import os, time
os.mkdir('d'); d = os.open('d', os.O_RDONLY); held = []
for n in range(30): held.append(os.open(f'f{n}', os.O_CREAT | os.O_WRONLY, dir_fd=d))
os.chmod('d', 0)
for h in held: os.write(h, b'x' * (4 << 20)); time.sleep(0.02)
time.sleep(30)
"""
    result = await apart_box.python(code, disk_bytes=64 << 20)
    assert result.limit_hit == "disk"


async def test_too_deep_is_a_limit(any_box: Any) -> None:
    """Folders in folders in folders end the command, not the one that watches it."""
    code = "import os, time\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\nopen('x', 'wb').write(b'x' * 9000000); time.sleep(30)"
    result = await any_box.python(code, disk_bytes=64 << 20)
    assert result.limit_hit == "disk"
    assert (any_box.tree / "d").is_dir()


async def test_private_folders_are_limited(apart_box: Any) -> None:
    """/tmp is full at the disk's limit."""
    code = """
try:
    for n in range(100): open(f'/tmp/f{n}', 'wb').write(b'x' * (1 << 20))
except OSError as error: print(error.strerror)
"""
    result = await apart_box.python(code, disk_bytes=20 << 20)
    assert result.output == "No space left on device\n"


async def test_too_many_processes_are_killed_together(any_box: Any) -> None:
    """More processes than allowed end the command."""
    code = "import os, time\nfor _ in range(80):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)"
    result = await any_box.python(code, processes=50)
    assert (result.timed_out, result.limit_hit, result.exit_code) == (False, "processes", -9)


@pytest.mark.parametrize("most", [512, 100_000])
async def test_fork_bomb_does_not_outlive_its_time(apart_box: Any, most: int) -> None:
    """Whether it passes the number of processes or only its time, a fork bomb is over two seconds later."""
    if most > 512:
        code = "import os\nfor _ in range(600):\n    if os.fork() == 0:\n        while True: pass\nwhile True: pass"
    else:
        code = "import os\nwhile True: os.fork()"
    began = time.monotonic()
    result = await apart_box.python(code, wall=timedelta(seconds=3), processes=most)
    assert result.timed_out or result.limit_hit == "processes"
    # Much more than the two seconds, since the bomb itself takes the machine from whoever ends it.
    assert time.monotonic() - began < 20


async def test_cpu_time_ends_it(any_box: Any) -> None:
    """A loop is ended by the kernel."""
    result = await any_box.python("while True: pass", cpu=timedelta(seconds=1))
    assert result.exit_code < 0
    assert not result.timed_out


async def test_what_was_there_before_does_not_count(any_box: Any) -> None:
    """Only growth is limited."""
    Path(any_box.tree, "large").write_bytes(os.urandom(8 << 20))
    code = "import time; open('small', 'wb').write(b'x' * 1000000); time.sleep(0.6); print('fine')"
    result = await any_box.python(code, disk_bytes=4 << 20)
    assert (result.output, result.limit_hit) == ("fine\n", "")
