"""An edit matches whatever the line ends are, and leaves every other line's end as it was."""

from __future__ import annotations

import pytest

ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}
#: What is done to a file of the lines `one`, `two`, `three`, with what its lines are afterwards.
EDITS = {
    "a line is replaced": ({"old_str": "two", "new_str": "2"}, ["one", "2", "three"]),
    "several lines are matched": ({"old_str": "one\ntwo\n", "new_str": "1\n2\n"}, ["1", "2", "three"]),
    "lines are added": ({"old_str": "two\n", "new_str": "two\nnew\nnewer\n"}, ["one", "two", "new", "newer", "three"]),
    "lines are taken away": ({"old_str": "one\ntwo\n", "new_str": ""}, ["three"]),
    "lines are joined": ({"old_str": "one\ntwo", "new_str": "one two"}, ["one two", "three"]),
    "a line is split": ({"old_str": "two", "new_str": "t\nwo"}, ["one", "t", "wo", "three"]),
    "lines are put first": ({"insert_line": 0, "new_str": "zero\n"}, ["zero", "one", "two", "three"]),
    "lines are put last": ({"insert_line": 3, "new_str": "four"}, ["one", "two", "three", "four"]),
    "the model sends other ends": ({"old_str": "one\r\ntwo\r\n", "new_str": "1\r\n2\r\n"}, ["1", "2", "three"]),
    "everything is replaced": ({"old_str": "one\ntwo\nthree\n", "new_str": "a\nb\n"}, ["a", "b"]),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize(("edit", "lines"), EDITS.values(), ids=EDITS)
async def test_a_file_with_one_kind_of_ends_keeps_it(on_files, edit, lines, end: bytes) -> None:
    """Whatever is done, no other end arises, and what is committed is what was asked for."""
    async with on_files({"a.txt": b"".join(line + end for line in (b"one", b"two", b"three"))}) as opened:
        await opened.tools.edit({"path": "a.txt", **edit})
        assert opened.tree.read("a.txt") == b"".join(line.encode() + end for line in lines)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_a_file_without_a_last_line_end_stays_so(on_files, end: bytes) -> None:
    """Unless the edit is there: what is put behind the last line leaves that one with an end, and has none itself."""
    base = b"one" + end + b"two"
    async with on_files({"a.txt": base, "b.txt": base, "c.txt": base}) as opened:
        await opened.tools.edit({"path": "a.txt", "old_str": "one", "new_str": "1"})
        await opened.tools.edit({"path": "b.txt", "old_str": "two", "new_str": "2\n"})
        await opened.tools.edit({"path": "c.txt", "insert_line": 2, "new_str": "three\n"})
        read = opened.tree.read
        assert read("a.txt") == b"1" + end + b"two"
        assert read("b.txt") == b"one" + end + b"2" + end
        assert read("c.txt") == b"one" + end + b"two" + end + b"three"


async def test_a_mixed_file_keeps_the_end_of_each_untouched_line(on_files) -> None:
    """Lines between two edits too; a new line takes its neighbour's end, a changed one keeps its own."""
    base = b"a\r\nb\nc\rd\r\ne\n"
    async with on_files({"a.txt": base}) as opened:
        await opened.tools.edit({"path": "a.txt", "old_str": "a\nb\nc\nd\n", "new_str": "a\nB\nc\nnew\nd\n"})
        assert opened.tree.read("a.txt") == b"a\r\nB\nc\rnew\rd\r\ne\n"
        await opened.tools.edit({"path": "a.txt", "insert_line": 0, "new_str": "first"})
        assert opened.tree.read("a.txt").startswith(b"first\r\na\r\n")


async def test_a_long_mixed_file_is_edited_in_time(on_files) -> None:
    """Ten thousand lines by turns, all of them replaced at once: the ends stay, in well under a second's work."""
    base = b"".join(b"line%d" % number + (b"\r\n" if number % 2 else b"\n") for number in range(10_000))
    old = base.decode().replace("\r\n", "\n")
    async with on_files({"a.txt": base}) as opened:
        await opened.tools.edit({"path": "a.txt", "old_str": old, "new_str": old.replace("line", "row")})
        assert opened.tree.read("a.txt") == base.replace(b"line", b"row")


async def test_what_ends_no_line_is_part_of_it(on_files) -> None:
    """Form feeds, vertical tabs, U+0085, U+2028 shift no number, and are kept."""
    base = "a\fb\vc\x85d\u2028e\nfound\n".encode()
    async with on_files({"a.txt": base}) as opened:
        assert (await opened.tools.read({"path": "a.txt"})).split("\n")[1] == "2\tfound"
        assert await opened.tools.search({"query": "found"}) == "a.txt:2:found"
        await opened.tools.edit({"path": "a.txt", "old_str": "found", "new_str": "changed"})
        assert opened.tree.read("a.txt") == base.replace(b"found", b"changed")


async def test_the_model_is_told_of_ends_that_it_does_not_see(on_files) -> None:
    """Kinds with their numbers, and a missing last end; of plain files nothing."""
    async with on_files({"a.txt": b"a\r\nb\nc", "b.txt": b"a\n"}) as opened:
        told = (await opened.tools.read({"path": "a.txt"})).split("\n")
        assert told[3:] == [
            "(line ends: LF 1, CRLF 1; they are kept, so write plain line feeds)",
            "(there is no line end at the end of the file)",
        ]
        assert await opened.tools.read({"path": "b.txt"}) == "1\ta"


@pytest.mark.parametrize(
    ("rules", "given", "stored"),
    [
        ({}, "a\nb\n", b"a\nb\n"),
        ({}, "a\r\nb\r\n", b"a\r\nb\r\n"),
        ({}, "a\r\nb\n", b"a\nb\n"),
        ({".editorconfig": b"root = true\n[*.txt]\nend_of_line = crlf\n"}, "a\nb\n", b"a\r\nb\r\n"),
        ({".editorconfig": b"[*.py]\nend_of_line = crlf\n"}, "a\nb\n", b"a\nb\n"),
        ({".gitattributes": b"*.txt text eol=crlf\n"}, "a\r\nb\r\n", b"a\nb\n"),
        ({".gitattributes": b"* text=auto\n"}, "a\r\nb", b"a\nb"),
    ],
)
async def test_a_new_file_has_the_ends_that_the_repository_wants(on_files, rules, given, stored) -> None:
    """Attributes of git, then EditorConfig, else what the model sent where it is of one kind; never a mixture."""
    async with on_files({"old.txt": b"x\n", **rules}) as opened:
        await opened.tools.create({"path": "new.txt", "content": given})
        assert opened.tree.read("new.txt") == stored
