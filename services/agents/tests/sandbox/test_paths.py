"""Which paths a command may be given, and that they mean what they meant when they were checked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob


async def refused(box: Any, **fields: Any) -> None:
    """Check that a job is refused before anything runs."""
    with pytest.raises(SandboxError) as caught:
        await box.python("open('ran', 'w')", **fields)
    assert caught.value.code == "REFUSED"
    assert not (box.tree / "ran").exists()


@pytest.mark.parametrize(
    "cwd", ["/", "/root", "..", "../../../..", "link", "/tmp", "/opt", "/proc/self", "missing", "tree/../.."]
)
async def test_folder_to_run_in_is_among_the_others(any_box: Any, cwd: str) -> None:
    """Being run in makes a folder neither readable nor allowed, however it is spelled."""
    (any_box.tree / "link").symlink_to("/")
    await refused(any_box, cwd=any_box.tree / cwd)


async def test_running_in_a_folder_of_a_readable_one(box: Any) -> None:
    """A folder below what is readable is a place to run in, and is not written to."""
    (box.tree / "below").mkdir()
    result = await box.python("import os; print(os.getcwd()); open('x', 'w')", cwd=box.tree / "below", writable=(),
                              readable=[Path(sys.prefix), Path(sys.base_prefix), box.tree])  # fmt: skip
    assert result.output.startswith(str(box.tree / "below"))
    assert "Read-only file system" in result.output


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/etc",
        "/proc",
        "/proc/1",
        "/sys",
        "/dev",
        "/dev/shm",
        "/run",
        "/home",
        "/root",
        "/tmp",
        "relative",
        "/var/run/x",
        "~",
    ],
)
@pytest.mark.parametrize("way", ["readable", "writable"])
async def test_what_is_nobodys_to_have(box: Any, path: str, way: str) -> None:
    """Whole trees of the machine are refused, as interpreter's folders of an odd system would be."""
    given = Path(path).expanduser()
    fields = {"writable": [box.tree], "readable": []} | {way: [box.tree, given]}
    await refused(box, **fields)


@pytest.mark.parametrize("path", ["/usr/local", "/etc/ssl", "/bin", "/usr"])
async def test_system_is_never_writable(box: Any, path: str) -> None:
    """Programs and settings of the machine are not to be written, and neither by a link to them."""
    link = box.tree / "link"
    link.symlink_to(path)
    await refused(box, writable=[box.tree, link])


async def test_what_is_not_there_cannot_be_written(box: Any) -> None:
    """A folder is made by whoever asks, so that it is theirs."""
    await refused(box, writable=[box.tree, box.tree / "missing"])


async def test_a_command_is_needed(box: Any) -> None:
    """Nothing to run is refused."""
    for command in ([], ["a\0b"]):
        with pytest.raises(SandboxError) as caught:
            await box.sandbox.run(SandboxJob(command, box.tree, writable=[box.tree]))
        assert caught.value.code == "REFUSED"


async def test_a_program_that_is_not_there(any_box: Any) -> None:
    """What cannot be started is said, in an error of its own."""
    with pytest.raises(SandboxError) as caught:
        await any_box.command(["/usr/bin/no-such-program"])
    assert caught.value.code == "START_FAILED"
    assert "No such file" in str(caught.value)


async def test_links_on_the_way_are_there(apart_box: Any) -> None:
    """A program that is named through links is found, as are folders that are."""
    real = apart_box.tree / "real"
    real.mkdir()
    (real / "program").write_text("#!/bin/sh\necho ran\n")
    (real / "program").chmod(0o755)
    alias = apart_box.tree.parent / "alias"
    alias.symlink_to("tree/real")
    result = await apart_box.command([str(alias / "program")], readable=[alias], writable=(), cwd=alias)
    assert (result.exit_code, result.output) == (0, "ran\n")


async def test_only_what_was_given_is_there(apart_box: Any, tmp_path: Path) -> None:
    """Neighbours of a readable folder do not exist."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    code = "import os, sys; print(sorted(os.listdir(sys.argv[1])))"
    prefixes = [Path(sys.prefix), Path(sys.base_prefix)]
    result = await apart_box.python(code, str(tmp_path), readable=[*prefixes, tmp_path / "a"])
    assert result.output == "['a', 'tree']\n"


async def test_readable_in_writable_and_the_other_way(apart_box: Any) -> None:
    """The narrower word holds: a readable folder in a writable one is not written, and one that is writable is."""
    for name in ("env", "env/cache"):
        (apart_box.tree / name).mkdir()
    code = """
for path in ('x', 'env/x', 'env/cache/x'):
    try: open(path, 'w'); print('written')
    except OSError as error: print(error.strerror)
"""
    prefixes = [Path(sys.prefix), Path(sys.base_prefix)]
    result = await apart_box.python(code, readable=[*prefixes, apart_box.tree / "env"],
                                    writable=[apart_box.tree, apart_box.tree / "env/cache"])  # fmt: skip
    assert result.output == "written\nRead-only file system\nwritten\n"


async def test_files_of_others_stay_theirs(box: Any) -> None:
    """What is readable need not be everybody's: what its owner, us, may read, the command may."""
    private = box.tree.parent / "private"
    private.mkdir(mode=0o700)
    (private / "file").write_text("read")
    (private / "file").chmod(0o600)
    result = await box.command(["/bin/cat", str(private / "file")], readable=[private])
    assert result.output == "read"
    assert (private / "file").stat().st_uid == os.geteuid()
