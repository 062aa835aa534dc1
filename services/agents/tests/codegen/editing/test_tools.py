"""The tools with which the model works on a checkout."""

from __future__ import annotations

import asyncio
import time

import pytest

from miyabi_agents.agents.editing import EditingTools
from miyabi_agents.agents.editing.searching import Query, usable
from miyabi_agents.workspace import GitWorkspaces


@pytest.fixture
async def tools(workshop):
    """Give the tools of a checkout of the base."""
    workspaces = GitWorkspaces(f"file://{workshop.folder / 'remote'}", workshop.folder / "data")
    async with workspaces.edit(repository="acme/toy", sha=workshop.base_sha) as tree:
        yield EditingTools(tree)


async def test_a_search_names_file_line_and_text(tools) -> None:
    """Hits are listed by path and line; alternatives and gaps work, and what is not there is said."""
    assert await tools.search({"query": "return value"}) == "toy/numbers.py:2:    return value + 2"
    assert len((await tools.search({"query": "def double|def shout"})).splitlines()) == 2
    assert await tools.search({"query": r"def .*\(text\)"}) == "toy/words.py:1:def shout(text):"
    assert await tools.search({"query": "nowhere"}) == "nothing found"


@pytest.mark.parametrize("query", ["(a+)+$", "(a|a)*b", ".*.*.*.*.*x", "a{1,500}{1,500}", "[", "|", ".*" * 100])
def test_no_query_takes_long_on_any_line(query: str) -> None:
    """Expressions that would run for hours are literal texts here, and none is an error."""
    began = time.process_time()
    usable(Query(query))[0].finder().search("a" * 1_000_000)
    assert time.process_time() - began < 0.5


async def test_a_file_is_read_by_lines(tools) -> None:
    """Lines are numbered; a part says how many there are in all."""
    assert await tools.read({"path": "toy/numbers.py"}) == "1\tdef double(value):\n2\t    return value + 2"
    part = await tools.read({"path": "toy/numbers.py", "start_line": 2, "end_line": 2})
    assert part == "2\t    return value + 2\n(lines 2-2 of 2 lines in all)"


async def test_a_text_must_occur_exactly_once(tools) -> None:
    """An ambiguous or missing text is refused with its count, and the file stays as it is."""
    for old, count in (("e", "[0-9]+"), ("nowhere", "0")):
        with pytest.raises(ValueError, match=f"occurs {count} times"):
            await tools.edit({"path": "toy/numbers.py", "old_str": old, "new_str": "x"})
    assert "value + 2" in await tools.read({"path": "toy/numbers.py"})


async def test_a_file_is_created_once(tools) -> None:
    """What is there already is edited, not overwritten."""
    await tools.create({"path": "toy/new/deep.py", "content": "x = 1\n"})
    with pytest.raises(ValueError, match="there already"):
        await tools.create({"path": "toy/new/deep.py", "content": "x = 2\n"})


@pytest.mark.parametrize(
    "path",
    [
        "../x.py", "/etc/passwd", ".git/config", "toy/../../x", "a\0b", "a\nb.py", "a\r.py", "a\x1b[2Jb.py", "a\u202eb.py",
        "a\u2066b.py", "a\u200bb.py", "a\ufeff.py", ".GIT/config", "toy/.git./x", "git~1/x", ".g\u200cit/x", ".git::$DATA/x",
        "\uff0egit/x", "a\u2028b.py", "a\\b.py", "-rf", "toy/--help", "a/" * 70 + "b", "n" * 1100, "\ue000.py",
    ],
    ids=lambda path: ascii(path)[:30],
)  # fmt: skip
async def test_names_that_lead_outside_or_deceive_are_refused_by_every_tool(tools, path: str) -> None:
    """No tool reads, writes, moves, deletes, lists or searches there, and the sentence holds nothing that cannot be seen."""
    for attempt in (
        tools.read({"path": path}),
        tools.create({"path": path, "content": "x"}),
        tools.edit({"path": path, "old_str": "a", "new_str": "b"}),
        tools.delete({"path": path}),
        tools.move({"path": path, "new_path": "x.py"}),
        tools.move({"path": "toy/numbers.py", "new_path": path}),
        tools.list({"path": path}),
        tools.search({"query": "x", "path": path}),
    ):
        with pytest.raises(ValueError, match=r"^(new_)?path: .* is not a path that may be used: ") as refused:
            await attempt
        assert str(refused.value).isprintable()


async def test_edits_of_one_file_at_the_same_time_all_count(tools) -> None:
    """Twenty replacements in one file, all at once, are all there afterwards."""
    names = [f"name{number:02}" for number in range(20)]
    await tools.create({"path": "many.py", "content": "\n".join(names)})
    await asyncio.gather(*(tools.edit({"path": "many.py", "old_str": name, "new_str": name.upper()}) for name in names))
    assert (await tools.read({"path": "many.py"})).count("NAME") == 20


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/x.yml",
        ".GitHub/Workflows/x.yml",
        ".gitattributes",
        "a/.gitattributes",
        "Jenkinsfile",
        ".github/dependabot.yaml",
        ".github/Settings.yml",
        ".mergify.yml",
        "renovate.json5",
        ".forgejo/workflows/x.yml",
    ],
)
async def test_what_runs_with_the_repositorys_rights_is_not_the_models_to_write(tools, path: str) -> None:
    """CI's files and what git obeys are refused at the edit, in words for the model."""
    with pytest.raises(ValueError, match="may not be changed"):
        await tools.create({"path": path, "content": "x"})


@pytest.mark.parametrize(
    "path", ["toy/Numbers.py", "TOY/x.py", "toy/numbers.py/x", "-x.py", "a/-o", "a\u200d.py", ".g\u200cit/x"]
)
async def test_names_that_deceive_are_refused(tools, path: str) -> None:
    """Twins by case or form, options, invisible characters."""
    with pytest.raises(ValueError, match=r"take them for one|may be used|cannot be written"):
        await tools.create({"path": path, "content": "x"})


async def test_a_file_of_many_megabytes_is_refused(tools) -> None:
    """The limit is said where the file is written."""
    with pytest.raises(ValueError, match="at most"):
        await tools.create({"path": "toy/big.py", "content": "x" * 3_000_000})
