"""What a command may hand back beside its output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.sandbox.report import MAX_REPORT_BYTES, read_report


async def test_files_of_the_report_come_back(any_box: Any) -> None:
    """Regular files are returned by name, from a folder that is empty at first and gone afterwards."""
    code = """
import os
folder = os.environ['MIYABI_REPORT']
print(os.listdir(folder), folder)
open(folder + '/report.json', 'w').write('{}'); open(folder + '/é x', 'wb').write(b'\\x00\\xff')
"""
    result = await any_box.python(code)
    assert (dict(result.report), result.report_cut) == ({"report.json": b"{}", "é x": b"\x00\xff"}, False)
    empty, folder = result.output.split()
    assert (empty, Path(folder).exists()) == ("[]", False)


async def test_a_report_is_read_when_nothing_runs_any_more(any_box: Any) -> None:
    """A daemon that would write on has ended, also where the command passed its time."""
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    with open(os.environ['MIYABI_REPORT'] + '/count', 'wb', buffering=0) as file:
        while True: file.write(b'x'); time.sleep(0.01)
time.sleep(0.3)
"""
    result = await any_box.python(code)
    assert set(result.report["count"]) == set(b"x")


@pytest.mark.parametrize(
    "made",
    ["os.symlink('/etc/passwd', 'x')", "os.mkfifo('x')", "os.mkdir('x')", "os.link('good', 'x')",
     "open(b'\\xff', 'w')", "open('x', 'w').truncate(70 << 20)", "[open(f'{n}', 'w').close() for n in range(4200)]"],
)  # fmt: skip
async def test_what_is_no_report_is_said(any_box: Any, made: str) -> None:
    """Links, pipes, folders, odd names, too much of it: not returned, and the report is not to be believed."""
    code = f"import os; os.chdir(os.environ['MIYABI_REPORT']); open('good', 'w').write('1'); {made}"
    result = await any_box.python(code)
    assert result.exit_code == 0, result.output
    assert result.report_cut
    assert "x" not in result.report


def test_a_report_is_bounded(tmp_path: Path) -> None:
    """All files together are at most 64 MiB."""
    for name in "ab":
        with (tmp_path / name).open("wb") as file:
            file.truncate(MAX_REPORT_BYTES - 1)
    files, cut = read_report(tmp_path)
    assert (list(files), cut) == (["a"], True)


def test_a_report_that_is_locked(tmp_path: Path) -> None:
    """A file that cannot be read is left out and said."""
    os.mkfifo(tmp_path / "fifo")
    assert read_report(tmp_path) == ({}, True)
