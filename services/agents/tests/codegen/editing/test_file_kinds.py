"""What each tool does with each kind of file: a table, in which nothing is a crash, silent, or half done."""

from __future__ import annotations

import pytest

from miyabi_agents.agents.edit_policy import MAX_FILE_BYTES, problem_of

LARGE = b"".join(b"%07d 0123456\n" % number for number in range(200_000))
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
FILES = {
    "plain.py": b"value = 1\n",
    "tool.sh": b"#!/bin/sh\nvalue = 1\n",
    "empty.py": b"",
    "image.png": b"\x89PNG\r\n\x1a\n\0\0\0value = 1",
    "model.bin": POINTER,
    "folder/inner.py": b"value = 1\n",
    "link": b"plain.py",
    "outside": b"/etc/passwd",
    "vendor/other": b"",
    ".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
    ".github/workflows/ci.yml": b"value = 1\n",
    "conftest.py": b"value = 1\n",
}
MODES = {"tool.sh": "100755", "link": "120000", "outside": "120000", "vendor/other": "160000"}

DONE, SAID = "done", "said"
#: By kind: the path, then for read, edit, move, delete and create there: whether it is done, and words of the answer.
TABLE = {
    "a plain file": ("plain.py", {
        "read": (DONE, "1\tvalue = 1"), "edit": (DONE, "plain.py is changed"), "move": (DONE, "is moved to moved/x"),
        "delete": (DONE, "plain.py is deleted"), "create": (SAID, "path: plain.py is there already; use edit_file"),
    }),
    "an executable file": ("tool.sh", {
        "read": (DONE, "2\tvalue = 1"), "edit": (DONE, "is changed"), "move": (DONE, "is moved"),
        "delete": (DONE, "is deleted"), "create": (SAID, "there already"),
    }),
    "an empty file": ("empty.py", {
        "read": (DONE, "(empty.py is empty: 0 bytes)"), "edit": (SAID, "empty.py is empty; use insert_line 0"),
        "move": (DONE, "is moved"), "delete": (DONE, "is deleted"), "create": (SAID, "there already"),
    }),
    "a binary file": ("image.png", {
        "read": (SAID, "image.png is binary (20 bytes); it is not shown"),
        "edit": (SAID, "it cannot be edited as text"), "move": (DONE, "is moved"), "delete": (DONE, "is deleted"),
        "create": (SAID, "there already"),
    }),
    "a pointer of Git LFS": ("model.bin", {
        "read": (DONE, "a Git LFS pointer to 12345 bytes"), "edit": (SAID, "a Git LFS pointer to 12345 bytes"),
        "move": (SAID, ".gitattributes has model.bin in Git LFS"), "delete": (DONE, "is deleted"),
        "create": (SAID, "there already"),
    }),
    "a new file of Git LFS": ("new.bin", {
        "read": (SAID, "there is no file new.bin"), "edit": (SAID, "there is no file"),
        "move": (SAID, "there is no file"), "delete": (SAID, "there is no file"),
        "create": (SAID, "path: .gitattributes has new.bin in Git LFS, which cannot be written here"),
    }),
    "a large file": ("large.txt", {
        "read": (DONE, "go on with start_line 801"), "edit": (SAID, f"files up to {MAX_FILE_BYTES} bytes can be edited"),
        "move": (SAID, f"at most {MAX_FILE_BYTES} are taken"), "delete": (DONE, "is deleted"),
        "create": (SAID, "there already"),
    }),
    "a link": ("link", {
        "read": (SAID, "link is a symbolic link to `plain.py`, which is not followed"),
        "edit": (SAID, "use the path that it leads to"), "move": (SAID, "a symbolic link to"),
        "delete": (DONE, "the symbolic link link is deleted, not what it leads to"),
        "create": (SAID, "link cannot be written: link is a symbolic link"),
    }),
    "a link that leads outside": ("outside", {
        "read": (SAID, "a symbolic link to `/etc/passwd`, which is not followed"), "edit": (SAID, "not followed"),
        "move": (SAID, "not followed"), "delete": (DONE, "is deleted"), "create": (SAID, "a symbolic link"),
    }),
    "a path through a link": ("outside/x", {
        "read": (SAID, "outside is a symbolic link to `/etc/passwd`"), "edit": (SAID, "not followed"),
        "move": (SAID, "not followed"), "delete": (SAID, "not followed"), "create": (SAID, "not followed"),
    }),
    "a submodule": ("vendor/other", {
        "read": (SAID, "vendor/other is a submodule, which is another repository"), "edit": (SAID, "a submodule"),
        "move": (SAID, "a submodule"), "delete": (SAID, "a submodule"), "create": (SAID, "a submodule"),
    }),
    "a file of a submodule": ("vendor/other/x.py", {
        "read": (SAID, "vendor/other is a submodule"), "edit": (SAID, "a submodule"), "move": (SAID, "a submodule"),
        "delete": (SAID, "a submodule"), "create": (SAID, "vendor/other is a submodule"),
    }),
    "a folder": ("folder", {
        "read": (DONE, "folder/inner.py"), "edit": (SAID, "path: folder is a folder"),
        "move": (SAID, "is a folder"), "delete": (SAID, "is a folder"), "create": (SAID, "folder is a folder"),
    }),
    "a path below a file": ("plain.py/x", {
        "read": (SAID, "plain.py is a file, so nothing lies below it"), "edit": (SAID, "nothing lies below"),
        "move": (SAID, "nothing lies below"), "delete": (SAID, "nothing lies below"),
        "create": (SAID, "nothing lies below"),
    }),
    "a file that is elsewhere": ("other/inner.py", {
        "read": (SAID, "there is no file other/inner.py; there is folder/inner.py"), "edit": (SAID, "there is no file"),
        "move": (SAID, "there is no file"), "delete": (SAID, "there is no file"), "create": (DONE, "is created"),
    }),
    "a workflow": (".github/workflows/ci.yml", {
        "read": (DONE, "value = 1"), "edit": (SAID, "may not be changed"), "move": (SAID, "may not be changed"),
        "delete": (SAID, "may not be changed"), "create": (SAID, "may not be changed"),
    }),
    "what git obeys": (".gitattributes", {
        "read": (DONE, "filter=lfs"), "edit": (SAID, "may not be changed"), "move": (SAID, "may not be changed"),
        "delete": (SAID, "may not be changed"), "create": (SAID, "may not be changed"),
    }),
    "what decides how tests are run": ("conftest.py", {
        "read": (DONE, "value = 1"), "edit": (DONE, "a person has to approve"), "move": (DONE, "a person has to approve"),
        "delete": (DONE, "a person has to approve"), "create": (SAID, "there already"),
    }),
    "another test harness": ("folder/conftest.py", {
        "read": (SAID, "there is conftest.py"), "edit": (SAID, "there is no file"), "move": (SAID, "there is no file"),
        "delete": (SAID, "there is no file"), "create": (DONE, "a person has to approve"),
    }),
}  # fmt: skip
#: The call of each operation.
CALLS = {
    "read": lambda tools, path: tools.read({"path": path}),
    "edit": lambda tools, path: tools.edit({"path": path, "old_str": "value = 1", "new_str": "value = 2"}),
    "move": lambda tools, path: tools.move({"path": path, "new_path": "moved/x"}),
    "delete": lambda tools, path: tools.delete({"path": path}),
    "create": lambda tools, path: tools.create({"path": path, "content": "value = 3\n"}),
}
CASES = [(kind, path, call, *row[call]) for kind, (path, row) in TABLE.items() for call in CALLS]


@pytest.mark.parametrize(("path", "call", "end", "words"), [case[1:] for case in CASES], ids=[
    f"{call} {kind}" for kind, _, call, _, _ in CASES
])  # fmt: skip
async def test_each_tool_does_or_says(on_files, path: str, call: str, end: str, words: str) -> None:
    """A call is done, or refused in one sentence that names an argument; what is refused changes nothing."""
    large = {"large.txt": LARGE} if path == "large.txt" else {}
    async with on_files(FILES | large, MODES) as opened:
        attempt = CALLS[call](opened.tools, path)
        if end == DONE:
            assert words in await attempt
        else:
            with pytest.raises(ValueError, match=r"^(path|new_path|old_str): |^large.txt would") as refused:
                await attempt
            assert words in str(refused.value)
            assert "\n" not in str(refused.value)
        assert bool(await opened.paths()) == (end == DONE and call != "read")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("folder/inner.py", "new_path: folder/inner.py is there already"),
        ("FOLDER/x.py", "take them for one"),
        ("link", "new_path: link cannot be written: link is a symbolic link"),
        ("vendor/other/x.py", "a submodule"),
        ("folder", "folder is a folder"),
        ("x.bin", "in Git LFS"),
        (".github/workflows/x.yml", "new_path: .github/workflows/x.yml may not be changed"),
        (".git/hooks/x", "below `.git`"),
        ("../x", "stay inside"),
        ("a\nb.py", "a control or an invisible character"),
        ("a\u202eb.py", "a control or an invisible character"),
        ("\u200b.git/x", "a control or an invisible character"),
    ],
)
async def test_a_file_is_moved_only_to_where_one_may_be_created(on_files, target: str, words: str) -> None:
    """The other end of a move is refused as a new file there is, and the file stays where it was."""
    async with on_files(FILES, MODES) as opened:
        for attempt in (
            opened.tools.move({"path": "plain.py", "new_path": target}),
            opened.tools.create({"path": target, "content": "x"}),
        ):
            with pytest.raises(ValueError, match="path: ") as refused:
                await attempt
            assert words.removeprefix("new_path: ") in str(refused.value)
        assert await opened.paths() == []


async def test_the_executable_bit_is_kept_over_edit_and_move(on_files) -> None:
    """And over a file that is deleted and made anew; a new file has none."""
    async with on_files(FILES, MODES) as opened:
        await opened.tools.edit({"path": "tool.sh", "old_str": "value = 1", "new_str": "value = 2"})
        await opened.tools.move({"path": "tool.sh", "new_path": "bin/tool.sh"})
        await opened.tools.create({"path": "tool.sh", "content": "#!/bin/sh\n"})
        await opened.tools.create({"path": "new.sh", "content": "#!/bin/sh\n"})
        bits = {file.path: file.executable for file in (await opened.tree.change_set()).files}
    assert bits == {"bin/tool.sh": True, "new.sh": False, "tool.sh": True}


async def test_a_name_may_change_its_case(on_files) -> None:
    """The file that leaves is no twin of the one that comes; the change as a whole is taken."""
    async with on_files(FILES, MODES) as opened:
        await opened.tools.move({"path": "plain.py", "new_path": "Plain.py"})
        assert await opened.paths() == ["Plain.py", "plain.py"]
        assert problem_of((await opened.tree.change_set()).files) == ""


async def test_the_same_text_is_no_edit(on_files) -> None:
    """It is said that nothing changes, and the change stays empty."""
    async with on_files(FILES, MODES) as opened:
        told = await opened.tools.edit({"path": "plain.py", "old_str": "value", "new_str": "value"})
        assert told == "nothing changes in plain.py: the new text is the same as the old"
        await opened.tools.move({"path": "plain.py", "new_path": "./plain.py"})
        assert await opened.paths() == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"start_line": 3}, "start_line: 3 is behind the end of folder/two.py, which has 2 lines"),
        ({"start_line": 2, "end_line": 1}, "end_line: 1 lies before start_line 2"),
    ],
)
async def test_a_range_that_names_no_line_is_said(on_files, given, words: str) -> None:
    """Behind the end with the number of lines there are; reversed."""
    async with on_files({"folder/two.py": b"a\nb\n"}) as opened:
        with pytest.raises(ValueError, match=words):
            await opened.tools.read({"path": "folder/two.py", **given})


@pytest.mark.parametrize(
    ("given", "first", "last", "words"),
    [
        ({}, "1\t0000000 0123456", "800\t0000799 0123456", "(lines 1-800 of a file of 3200000 bytes; go on with start_line 801)"),
        ({"start_line": 199_999}, "199999\t0199998 0123456", "200000\t0199999 0123456", "(lines 199999-200000 of 200000 lines in all)"),
        ({"start_line": 100_000, "end_line": 100_001}, "100000\t0099999 0123456", "100001\t0100000 0123456", "(lines 100000-100001 of a file of 3200000 bytes)"),
    ],
)  # fmt: skip
async def test_a_large_file_is_read_by_range_and_searched(on_files, given, first, last, words) -> None:
    """Piece by piece, to its last line."""
    async with on_files({"large.txt": LARGE}) as opened:
        told = (await opened.tools.read({"path": "large.txt", **given})).split("\n")
        shown = [line for line in told if not line.startswith("(")]
        assert (shown[0], shown[-1], told[-1]) == (first, last, words)
        assert await opened.tools.search({"query": "^0150000 "}) == "large.txt:150001:0150000 0123456"


async def test_a_file_beyond_all_limits_is_searched_in_bounded_memory(on_files) -> None:
    """Of 20 MB, one line of it 5 MB long, the last line is found and read."""
    content = b"x" * 5_000_000 + b"\n" + (b"y" * 99 + b"\n") * 150_000 + b"needle\r\nend"
    async with on_files({"huge.txt": content}) as opened:
        assert await opened.tools.search({"query": "needle"}) == "huge.txt:150002:needle"
        told = await opened.tools.read({"path": "huge.txt", "start_line": 150_002})
        assert told.startswith("150002\tneedle\n150003\tend\n")


async def test_a_listing_says_what_things_are(on_files) -> None:
    """Links with their targets, submodules, what was created and what is gone."""
    async with on_files(FILES, MODES) as opened:
        await opened.tools.delete({"path": "plain.py"})
        await opened.tools.create({"path": "folder/new.py", "content": ""})
        told = (await opened.tools.list({})).split("\n")
        assert [line for line in told if line.startswith(("link", "outside", "vendor", "folder", "plain"))] == [
            "folder/inner.py",
            "folder/new.py",
            "link -> plain.py (symbolic link)",
            "outside -> /etc/passwd (symbolic link)",
            "vendor/other (submodule)",
        ]
        assert await opened.tools.list({"path": "folder", "glob": "in*.{py,txt}"}) == "folder/inner.py"
        with pytest.raises(ValueError, match="path: there is no folder nowhere"):
            await opened.tools.list({"path": "nowhere"})


async def test_a_long_listing_is_by_folder_with_numbers(on_files) -> None:
    """What is not shown is counted, and the way to it is said."""
    files = {f"src/deep{number % 3}/f{number}.py": b"" for number in range(500)} | {"top.py": b""}
    async with on_files(files) as opened:
        assert (await opened.tools.list({})).split("\n") == [
            "src/ (500 entries)",
            "top.py",
            "(501 entries; list_files with the path of a folder, or with a glob, shows them)",
        ]
        assert (await opened.tools.list({"path": "src"})).split("\n")[0] == "src/deep0/ (167 entries)"
