"""Files are searched by regular expressions, whole or in part, and what was not shown or not taken as it is, is said."""

from __future__ import annotations

import pytest

FILES = {
    "src/app.py": b"import os\n\n\ndef run(value):\n    return os.path.join(value, 'x')\n\n\ndef stop():\n    pass\n",
    "src/deep/more.ts": b"export function run() {}\r\nconst a = 1;\r\n",
    "src/deep/view.tsx": b"const run = 2;\n",
    "docs/notes.md": "Läuft: run()\n".encode("utf-16"),
    "old.py": b"# coding: latin-1\n# L\xe4uft\nrun = 1\n",
    "data.bin": b"run\0run\n",
}
#: What is asked, and the answer.
QUERIES = {
    "an expression": ({"query": r"def \w+\(value"}, ["src/app.py:4:def run(value):"]),
    "alternatives": ({"query": "def (run|stop)"}, ["src/app.py:4:def run(value):", "src/app.py:8:def stop():"]),
    "ends of lines": ({"query": "1; *$|^import"}, ["src/app.py:1:import os", "src/deep/more.ts:2:const a = 1;"]),
    "the begin of text": ({"query": r"\Aconst"}, ["src/deep/more.ts:2:const a = 1;", "src/deep/view.tsx:1:const run = 2;"]),
    "a word in any case": ({"query": "EXPORT", "ignore_case": True}, ["src/deep/more.ts:1:export function run() {}"]),
    "a legacy encoding": ({"query": "Läuft$"}, ["old.py:2:# Läuft"]),
    "UTF-16": ({"query": "Läuft:"}, ["docs/notes.md:1:Läuft: run()"]),
    "a folder": ({"query": "run", "path": "src/deep"}, ["src/deep/more.ts:1:export function run() {}", "src/deep/view.tsx:1:const run = 2;"]),
    "a file": ({"query": "run", "path": "./old.py"}, ["old.py:3:run = 1"]),
    "a glob at any depth": ({"query": "run", "glob": "*.tsx"}, ["src/deep/view.tsx:1:const run = 2;"]),
    "a glob with braces": ({"query": "run", "glob": "src/**/*.{ts,tsx}"}, ["src/deep/more.ts:1:export function run() {}", "src/deep/view.tsx:1:const run = 2;"]),
    "lines around": (
        {"query": "def ", "context": 1},
        ["src/app.py-3-", "src/app.py:4:def run(value):", "src/app.py-5-    return os.path.join(value, 'x')", "--",
         "src/app.py-7-", "src/app.py:8:def stop():", "src/app.py-9-    pass"],
    ),
    "nothing": ({"query": "nowhere"}, ["nothing found"]),
    "plain text that is an expression too": (
        {"query": "run(value)", "path": "src"},
        ["src/app.py:4:def run(value):", "(as a regular expression query matches nothing; these lines hold it as plain text)"],
    ),
    "plain text that is no expression": (
        {"query": "run(", "path": "src/app.py"},
        ["src/app.py:4:def run(value):", "(query is no regular expression (missing ): run(), so it was searched for as plain text)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "lines"), QUERIES.values(), ids=QUERIES)
async def test_matches_are_named_by_file_and_line(on_files, given, lines) -> None:
    """Each kind of question gets the lines that match, and what was done differently is said."""
    async with on_files(FILES) as opened:
        assert (await opened.tools.search(given)).split("\n") == lines


async def test_more_matches_than_are_shown_are_said(on_files) -> None:
    """Sixty lines, and that there are more; exactly sixty are all."""
    async with on_files({"a.txt": b"x\n" * 61, "b.txt": b"y\n" * 60}) as opened:
        many = (await opened.tools.search({"query": "x"})).split("\n")
        assert (len(many), many[-1]) == (
            61,
            "(60 matching lines are shown, there are more: narrow query, path or glob)",
        )
        assert len((await opened.tools.search({"query": "y"})).split("\n")) == 60


async def test_what_was_edited_is_searched(on_files) -> None:
    """New, changed, moved and deleted files count as they are now."""
    async with on_files(FILES) as opened:
        await opened.tools.create({"path": "new.py", "content": "needle = 1\n"})
        await opened.tools.edit({"path": "old.py", "old_str": "run = 1", "new_str": "needle = 2"})
        await opened.tools.move({"path": "src/deep/view.tsx", "new_path": "view.tsx"})
        assert await opened.tools.search({"query": "needle"}) == "new.py:1:needle = 1\nold.py:3:needle = 2"
        assert await opened.tools.search({"query": "const run"}) == "view.tsx:1:const run = 2;"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"query": "x", "path": "nowhere"}, "path: there is no file nowhere"),
        ({"query": "x", "path": "../up"}, "path: '../up' is not a path that may be used"),
        ({"query": "x", "glob": "{a,b}" * 7}, "glob: it has more than 64 alternatives"),
    ],
)
async def test_what_cannot_be_searched_is_named(on_files, given, words: str) -> None:
    """The argument and what is wrong with it."""
    async with on_files(FILES) as opened:
        with pytest.raises(ValueError, match=words):
            await opened.tools.search(given)
