"""Finding the files that an issue is about."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from miyabi_agents.localisation import CodeIndex, Locator

FILES = {
    "shop/forms/models.py": "class ModelChoiceField:\n    def to_python(self, value):\n        raise ValidationError\n",
    "shop/forms/__init__.py": "",
    "shop/http/cookies.py": "def parse_cookie(header):\n    return header.split(';')\n",
    "shop/db/query.py": "class QuerySet:\n    def bulk_update(self, rows):\n        return len(rows)\n",
    "tests/test_cookies.py": "from shop.http.cookies import parse_cookie\n\n\ndef test_parse_cookie():\n    pass\n",
    "broken.py": "def (:\n",
    "data.bin": "parse_cookie parse_cookie parse_cookie",
}


@pytest.fixture(scope="module")
def index() -> CodeIndex:
    """Index the files."""
    return CodeIndex.build(FILES, lambda path: FILES[path].encode())


@pytest.mark.parametrize(
    ("text", "path", "reason"),
    [
        ("Crash in shop/db/query.py", "shop/db/query.py", "named by path"),
        (
            'File "/usr/lib/site-packages/shop/http/cookies.py", line 2, in f',
            "shop/http/cookies.py",
            "in a stack trace",
        ),
        ("shop.forms.models.ModelChoiceField ignores values", "shop/forms/models.py", "named as a module"),
        ("`bulk_update` returns nothing", "shop/db/query.py", "defines bulk_update"),
        ("validation of the model choice field", "shop/forms/models.py", "words in common"),
    ],
)
def test_the_best_file_comes_first_with_its_reason(index: CodeIndex, text: str, path: str, reason: str) -> None:
    """Paths, traces, modules, symbols and mere words lead to the file."""
    best = index.rank(text)[0]
    assert best.path == path
    assert reason in best.reasons


def test_sources_come_before_their_tests(index: CodeIndex) -> None:
    """A test that shares more words ranks below what it tests."""
    ranked = [candidate.path for candidate in index.rank("parse_cookie parses a cookie wrongly")]
    assert ranked.index("shop/http/cookies.py") < ranked.index("tests/test_cookies.py")
    assert "data.bin" not in ranked


def test_nothing_in_common_finds_nothing(index: CodeIndex) -> None:
    """Words that occur nowhere lead nowhere."""
    assert index.rank("zyx wvu") == []


@pytest.fixture(scope="module")
def locator():
    """Give a locator with its worker."""
    made = Locator()
    yield made
    made.close()


def commit(folder: Path) -> str:
    """Commit everything in a folder; returns the commit."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def files_of(root: Path, opened: list[int]):
    """Return what opens the files of a commit and counts that."""

    @asynccontextmanager
    async def files():
        opened.append(1)
        yield SimpleNamespace(mirror=root / ".git")

    return files


async def test_a_commit_is_indexed_once(locator, tmp_path) -> None:
    """The second question about a commit is answered from memory; another commit is read. Links are not followed."""
    (tmp_path / "a.py").write_text("def alpha(): pass\n")
    (tmp_path / "outside.py").symlink_to("/etc/hostname")
    first = commit(tmp_path)
    opened: list[int] = []
    for _ in range(2):
        found = await locator.rank(("a/b", first), "`alpha` fails", files=files_of(tmp_path, opened))
        assert [candidate.path for candidate in found] == ["a.py"]
    assert len(opened) == 1
    (tmp_path / "b.py").write_text("x = 1\n")
    await locator.rank(("a/b", commit(tmp_path)), "`alpha` fails", files=files_of(tmp_path, opened))
    assert len(opened) == 2


async def test_the_event_loop_goes_on_while_a_repository_is_indexed(locator, tmp_path) -> None:
    """While the worker parses hundreds of files, the loop does other things; parsing on the loop would leave it none."""
    body = "\n".join(f"def function_{number}(value):\n    return value + {number}\n" for number in range(200))
    for number in range(200):
        (tmp_path / f"module_{number}.py").write_text(body)
    (tmp_path / "none").mkdir()
    empty, large = commit(tmp_path / "none"), commit(tmp_path)
    await locator.rank(("a/b", empty), "x", files=files_of(tmp_path / "none", []))
    ended = asyncio.Event()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while not ended.is_set():
            await asyncio.sleep(0.005)
            ticks += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tick())
        assert await locator.rank(("a/b", large), "function_7 fails", files=files_of(tmp_path, []))
        ended.set()
    assert ticks > 10


async def test_a_worker_that_dies_is_replaced(locator, tmp_path) -> None:
    """The process may be killed; the next question is answered all the same."""
    (tmp_path / "a.py").write_text("def alpha(): pass\n")
    sha = commit(tmp_path)
    await locator.rank(("a/b", sha), "`alpha`", files=files_of(tmp_path, []))
    for process in list(locator._pool._processes.values()):
        process.kill()
        process.join()
    found = await locator.rank(("a/b", sha), "`alpha`", files=files_of(tmp_path, []))
    assert [candidate.path for candidate in found] == ["a.py"]
