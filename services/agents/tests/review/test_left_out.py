"""What nobody looked at is said with its reason; a review is incomplete only where code was not read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from miyabi_agents.analysers.changed.contents import MAX_FILE_BYTES, MAX_LINES, as_utf8, obstacle
from miyabi_agents.analysers.changed.exhibits import Exhibits, lay_out
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.pulls.comparison import ChangedFile, Mode, Version
from services.agents.tests.test_review import Files

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4" * 64 + b"\nsize 12345\n"


def version(content: bytes, mode: Mode = Mode.FILE, oid: str = "") -> Version:
    """Return a side with a content."""

    def read(longest: int) -> bytes:
        if len(content) > longest:
            raise WorkspaceError("too large", code="TOO_LARGE")
        return content

    return Version(mode, read, oid)


def laid(folder: Path, *files: ChangedFile, base: dict[str, bytes] | None = None) -> Exhibits:
    """Lay files out."""
    return lay_out(files, Files(base or {}), folder / "exhibits")


SAME = version(b"#!/bin/sh\n", oid="1" * 40)
#: Files of a change, with the reason why nobody looks at them.
OUT = {
    "deleted": (ChangedFile("a.py", version(b"a = 1\n"), None), "deleted, so that nothing of it is left to look at"),
    "mode only": (ChangedFile("run.sh", SAME, SAME), "changed in name or mode only"),
    "link": (ChangedFile("a.py", None, version(b"b.py", Mode.LINK)), "a symbolic link, which is not followed"),
    "submodule": (
        ChangedFile("lib", None, version(b"", Mode.SUBMODULE)),
        "a submodule, which is another repository",
    ),
    "binary": (ChangedFile("a.png", None, version(b"\x89PNG\0\0")), "binary"),
    "pointer": (
        ChangedFile("model.bin", None, version(POINTER)),
        "in Git LFS: the repository holds a pointer to it only",
    ),
    "large data": (
        ChangedFile("data.json", None, version(b"x" * (MAX_FILE_BYTES + 1))),
        "larger than 4 MiB or longer than 200,000 lines",
    ),
}


@pytest.mark.parametrize("name", OUT)
def test_what_is_left_out_is_said_and_keeps_no_review_from_its_end(tmp_path: Path, name: str) -> None:
    """Each with its reason; none of it is code that should have been read."""
    file, reason = OUT[name]
    found = laid(tmp_path, file)
    assert found.left_out == [f"{file.path}: {reason}"]
    assert (found.subject.files, dict(found.unread), found.count) == ((), {}, 1)


@pytest.mark.parametrize("content", [b"x" * (MAX_FILE_BYTES + 1), b"\n" * (MAX_LINES + 1)], ids=["bytes", "lines"])
def test_code_that_is_too_large_to_be_read_is_no_verdict(tmp_path: Path, content: bytes) -> None:
    """It is left out, and the review cannot be complete."""
    found = laid(tmp_path, ChangedFile("big.py", None, version(content)))
    assert list(found.unread.values()) == [["big.py"]]


def test_many_files_of_one_reason_are_one_sentence(tmp_path: Path) -> None:
    """Ten are named, the others counted."""
    found = laid(tmp_path, *(ChangedFile(f"{number:02}.png", None, version(b"\0")) for number in range(300)))
    names = ", ".join(f"{number:02}.png" for number in range(10))
    assert found.left_out == [f"{names} and 290 more: binary"]


@pytest.mark.parametrize(
    ("content", "path", "expected"),
    [
        ("# coding: cp1252\nx = '\u20ac'\n".encode("cp1252"), "a.py", ("# coding: cp1252\nx = '\u20ac'\n", "cp1252")),
        (b"x = '\xe9'\n", "a.js", ("x = '\u00e9'\n", "latin-1")),
        (b"# coding: nonsense\nx = '\xe9'\n", "a.py", ("# coding: nonsense\nx = '\u00e9'\n", "latin-1")),
        ("x = '\u00e9'\n".encode(), "a.py", ("x = '\u00e9'\n", "")),
    ],
)
def test_text_of_another_encoding_is_read(content: bytes, path: str, expected: tuple[str, str]) -> None:
    """As what it says that it is, else as Latin-1; its lines stay where they are."""
    text, encoding = as_utf8(path, content)
    assert (text.decode(), encoding) == expected
    assert not obstacle(text)


@pytest.mark.parametrize(
    "name", ["-c.py", "caf\udce9.py", "a\nb.py", "a\u202egnp.py", "d/" * 70 + "deep.py", ".git/x.py"]
)
def test_a_name_that_no_program_is_shown_hides_no_code(tmp_path: Path, name: str) -> None:
    """It lies under a name of ours with its ending, and readers see the characters of its own."""
    found = laid(tmp_path, ChangedFile(name, None, version(b"x = 1\n")))
    (place,) = found.subject.files
    assert (place, found.subject.shown[place]) == ("named_by_miyabi/file_1.py", ascii(name)[1:-1][:300])
    assert (found.subject.root / place).read_bytes() == b"x = 1\n"
    assert "looked at under another name" in found.left_out[0]


def test_base_s_configuration_lies_beside_what_stands_in_its_way(tmp_path: Path) -> None:
    """A change that puts a folder where base's configuration is, or a file where its folder is, is laid all the same."""
    base = {"ruff.toml": b"line-length = 80\n", "app/ruff.toml": b"", "app/a.py": b"a = 1\n"}
    found = laid(
        tmp_path,
        ChangedFile("ruff.toml", version(base["ruff.toml"]), None),
        ChangedFile("ruff.toml/x.py", None, version(b"x = 1\n")),
        ChangedFile("app/a.py", version(b"a = 1\n"), None),
        ChangedFile("app/ruff.toml", version(b""), None),
        ChangedFile("app", None, version(b"#!/bin/sh\n")),
        base=base,
    )
    assert found.subject.files == ("app", "ruff.toml/x.py")
    assert (found.subject.base_root / "ruff.toml").read_bytes() == base["ruff.toml"]
    assert not os.path.lexists(found.subject.root / "app" / "ruff.toml")
