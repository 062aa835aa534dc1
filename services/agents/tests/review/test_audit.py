"""Dependencies that a change adds or raises are looked up in advisories; what cannot be asked says so, and why."""

from __future__ import annotations

import asyncio
import json
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from miyabi.coordinator.v1.result_pb2 import ReviewResult
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_agents.agents.reviewer import ReviewerAgent
from miyabi_agents.analysers.audit import fetch_advisories
from miyabi_agents.analysers.audit.manifests import Dependency, dependencies
from miyabi_agents.analysers.audit.osv import look_up
from services.agents.tests.review.test_native import base_has, run_of
from services.agents.tests.review.test_pull_requests import open_pull

#: What each kind of file names exactly, beside what it names as a range or takes from elsewhere.
FILES: dict[str, tuple[str, set[tuple[str, str, str]]]] = {
    "requirements/dev.txt": (
        "Django==3.2.1 ; python_version > '3'  # x\nflask>=2\n-r other.txt\nrich[jupyter]==13.0 --hash=sha256:0\n",
        {("PyPI", "django", "3.2.1"), ("PyPI", "rich", "13.0")},
    ),
    "pyproject.toml": (
        '[project]\nname = "x"\ndependencies = ["a==1.0", "b>=2"]\n[dependency-groups]\ndev = ["c==3"]\n',
        {("PyPI", "a", "1.0"), ("PyPI", "c", "3")},
    ),
    "uv.lock": (
        ('[[package]]\nname = "a"\nversion = "1"\nsource = { registry = "r" }\n'
        '[[package]]\nname = "own"\nversion = "0"\nsource = { editable = "." }\n'),
        {("PyPI", "a", "1")},
    ),
    "Pipfile.lock": ('{"default": {"A_b": {"version": "==1.2"}}}', {("PyPI", "a-b", "1.2")}),
    "package.json": ('{"dependencies": {"a": "1.2.3", "b": "^1.0.0", "@c/d": "=2.0.0"}}',
                     {("npm", "a", "1.2.3"), ("npm", "@c/d", "2.0.0")}),
    "web/package-lock.json": (
        ('{"packages": {"": {"version": "1.0.0"}, "node_modules/a": {"version": "1.0.0"},'
        ' "node_modules/a/node_modules/@b/c": {"version": "2.0.0"}, "node_modules/l": {"link": true, "version": "1"}}}'),
        {("npm", "a", "1.0.0"), ("npm", "@b/c", "2.0.0")},
    ),
    "yarn.lock": ('a@^1.0.0, a@^1.1.0:\n  version "1.1.5"\n"@b/c@^2":\n  version "2.0.1"\n',
                  {("npm", "a", "1.1.5"), ("npm", "@b/c", "2.0.1")}),
    "go.mod": ("module x/y\n\ngo 1.22\n\nrequire example.com/a v1.2.0 // indirect\n\nrequire (\n\texample.com/b/v2 v2.0.0\n)\n",
               {("Go", "example.com/a", "1.2.0"), ("Go", "example.com/b/v2", "2.0.0")}),
    "Cargo.toml": ('[dependencies]\na = "=1.0.0"\nb = "1"\nc = { version = "=2.0.1", package = "d" }\n',
                   {("crates.io", "a", "1.0.0"), ("crates.io", "d", "2.0.1")}),
    "Cargo.lock": (('[[package]]\nname = "own"\nversion = "0.1.0"\n[[package]]\nname = "a"\nversion = "1.0.0"\n'
                   'source = "registry+https://example.com/index"\n'), {("crates.io", "a", "1.0.0")}),
}  # fmt: skip


@pytest.mark.parametrize("path", FILES)
def test_exact_versions_are_read(path: str) -> None:
    """Of each kind of file; ranges, what is the repository's own and what comes from elsewhere are not among them."""
    text, expected = FILES[path]
    assert {(one.ecosystem, one.name, one.version) for one in dependencies(path, text.encode())} == expected


@pytest.mark.parametrize("path", ["package.json", "uv.lock", "Cargo.toml", "Pipfile.lock", "pyproject.toml"])
def test_what_is_no_manifest_is_one_clear_error(path: str) -> None:
    """Neither text that is none nor one of another shape ends a review."""
    for text in (b"]", b'{"dependencies": 3, "default": 3}', b"package = 3\ndependencies = 3\nproject = 3\n"):
        try:
            dependencies(path, text)
        except ValueError:
            continue


def test_what_no_index_can_have_is_none_of_the_versions() -> None:
    """Numbers, halves of characters and names without end in a stranger's file keep nothing else from being audited."""
    places = {"a": "1.0.0", "number": 5, "half\ud800": "1.0.0", "x" * 300: "1.0.0", "spaced name": "1.0.0", "b": "1 0"}
    text = json.dumps({"packages": {f"node_modules/{name}": {"version": said} for name, said in places.items()}})
    assert dependencies("package-lock.json", text.encode()) == {Dependency("npm", "a", "1.0.0")}


def advisory(name: str, ecosystem: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    """Return an advisory on a package."""
    ranges = [{"type": "ECOSYSTEM" if ecosystem == "PyPI" else "SEMVER", "events": list(events)}]
    package = {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges}
    return {"id": f"T-{name}", "summary": "it is unsafe", "affected": [package], **more}


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [("0.9", False), ("1.0rc1", False), ("1.0", True), ("1.10", True), ("2.0", False), ("3.0", True), ("3.1", False)],
)
def test_ranges_are_walked_as_their_description_says(tmp_path: Path, version: str, is_affected: bool) -> None:
    """Introduced, fixed, introduced again, last affected; names of Python in any spelling; what was withdrawn says nothing."""
    events = [{"introduced": "1.0"}, {"fixed": "2.0"}, {"introduced": "3.0"}, {"last_affected": "3.0"}]
    gone = advisory("my-pkg", "PyPI", {"introduced": "0"}, id="T-gone", withdrawn="2026-01-01T00:00:00Z")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.json", json.dumps(advisory("My_Pkg", "PyPI", *events)))
        archive.writestr("b.json", json.dumps(gone))
    found = look_up(tmp_path, [Dependency("PyPI", "my-pkg", version)]).found
    assert [one.id for entries in found.values() for one in entries] == ["T-My_Pkg"] * is_affected


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [("1.0.0-rc.2", False), ("1.0.0", True), ("1.9.9", True), ("2.0.0-a.1", True), ("2.0.0", False)],
)
def test_semantic_versions_are_compared_as_such(tmp_path: Path, version: str, is_affected: bool) -> None:
    """What comes before a release is less than it."""
    (tmp_path / "a.json").write_text(json.dumps(advisory("x/y", "Go", {"introduced": "1.0.0"}, {"fixed": "2.0.0"})))
    assert bool(look_up(tmp_path, [Dependency("Go", "x/y", version)]).found) is is_affected


def test_a_database_answers_for_the_ecosystems_that_it_has(tmp_path: Path) -> None:
    """One of Python's alone says nothing of npm's packages; an entry that cannot be read is counted, and ends nothing."""
    (tmp_path / "a.json").write_text(json.dumps(advisory("a", "PyPI", {"introduced": "0"})))
    (tmp_path / "b.json").write_text(json.dumps(["PyPI"]))
    known = look_up(tmp_path, [Dependency("PyPI", "a", "1.0"), Dependency("npm", "a", "1.0.0")])
    assert {one: [entry.id for entry in entries] for one, entries in known.found.items()} == {
        Dependency("PyPI", "a", "1.0"): ["T-a"]
    }
    assert (known.asked, list(known.notes)) == (
        frozenset({"PyPI"}), ["2 advisories were looked through", "1 could not be read"],
    )  # fmt: skip
    with pytest.raises(ValueError, match="holds no advisory about npm"):
        look_up(tmp_path, [Dependency("npm", "a", "1.0.0")])


async def reviewed(workshop: Any, edit: Callable[[Path], object], **settings: Any) -> ReviewResult:
    """Review a change by an agent with some settings."""
    open_pull(workshop, edit)
    inputs = {"pipeline": Pipeline.PIPELINE_REVIEW}
    return (await workshop.run(ReviewerAgent(), inputs=inputs, with_model=False, more=settings)).review


async def test_what_a_change_raises_is_found_in_the_operator_s_database(workshop: Any) -> None:
    """On the line that names it, by the advisory's severity; what base has already is not the change's."""
    folder = workshop.folder / "osv"
    folder.mkdir()
    entries = [
        advisory("evil", "PyPI", {"introduced": "0"}, database_specific={"severity": "MODERATE"}),
        advisory("example.com/bad", "Go", {"introduced": "1.0.0"}, database_specific={"severity": "CRITICAL"}),
    ]
    for number, entry in enumerate(entries):
        (folder / f"{number}.json").write_text(json.dumps(entry))
    old = "evil==1.0\n"
    base_has(workshop, {"requirements.txt": old, "sub/requirements.txt": "other==1\n"})

    def edit(path: Path) -> None:
        (path / "requirements.txt").write_text(f"{old}fine==2.0\n")
        (path / "sub/requirements.txt").write_text("other==1\nEvil==2.0\n")
        (path / "go.mod").write_text("module x\n\ngo 1.22\n\nrequire example.com/bad v1.2.0\n")

    result = await reviewed(workshop, edit, osv_database=folder)
    found = [(entry.path, entry.line, entry.rule, entry.penalty) for entry in result.findings]
    assert found == [("go.mod", 5, "T-example.com/bad", 40), ("sub/requirements.txt", 2, "T-evil", 10)]
    run = run_of(result, "dependency audit")
    assert (run.completed, run.version, run.penalty) == (True, "OSV database osv", 50)
    assert (result.incomplete, result.escalated) == (False, True)


@asynccontextmanager
async def index() -> AsyncIterator[str]:
    """Serve advisories as PyPI does; yields the address."""

    async def pypi(request: web.Request) -> web.Response:
        if request.match_info["name"] == "private":
            raise web.HTTPNotFound
        ids = ["PYSEC-1"] if request.match_info["version"] == "1.0" else []
        return web.json_response({"vulnerabilities": [{"id": one, "summary": "bad", "withdrawn": None} for one in ids]})

    application = web.Application()
    application.router.add_get("/pypi/{name}/{version}/json", pypi)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def packages(path: Path) -> None:
    """Require something of every ecosystem."""
    (path / "requirements.txt").write_text("evil==1.0\nfine==2.0\nprivate==1.0\n")
    (path / "package.json").write_text('{"dependencies": {"bad": "1.0.0", "good": "2.0.0"}}')
    (path / "go.mod").write_text("module x\n\ngo 1.22\n\nrequire example.com/a v1.2.0\n")


async def test_indexes_are_asked_by_the_proxy_of_builds(workshop: Any) -> None:
    """Without a database: PyPI's own, through the list of hosts; what has no advisories, or may not be asked, is said.

    npm's registry is asked with POST, which the proxy lets through by TLS only.
    """
    async with index() as url:
        own = {"UV_DEFAULT_INDEX": f"{url}/simple", "npm_config_registry": url}
        result = await reviewed(workshop, packages, **own)
    found = {(entry.path, entry.line, entry.rule, entry.penalty) for entry in result.findings}
    assert found == {("requirements.txt", 1, "PYSEC-1", 20)}
    run = run_of(result, "dependency audit")
    assert (run.completed, run.version) == (True, "advisories of the index of PyPI")
    assert "the index does not know private 1.0" in run.notes
    assert any("not run for bad 1.0.0, good 2.0.0: " in note and "POST is not passed on" in note for note in run.notes)
    assert any(note.startswith("not run for example.com/a 1.2.0: no index of theirs") for note in run.notes)


async def test_a_machine_that_reaches_nothing_says_so(workshop: Any) -> None:
    """No host is allowed: the audit was not run, with the reason, which is neither a pass nor an incomplete review."""
    result = await reviewed(workshop, packages, package_hosts="")
    run = run_of(result, "dependency audit")
    assert (run.completed, run.not_applicable, result.incomplete) == (False, True, False)
    assert run.notes[0].startswith("not run for")
    assert "refused" in run.notes[0]
    assert "dependency audit - not run for" in workshop.gateway.comments["review"]


async def test_an_index_without_advisories_is_no_audit(workshop: Any) -> None:
    """A mirror that knows no version by PyPI's interface: the audit was not run, rather than found nothing."""
    async with index() as url:
        own = {"UV_DEFAULT_INDEX": f"{url}/simple"}
        result = await reviewed(workshop, lambda path: (path / "requirements.txt").write_text("private==1.0\n"), **own)
    run = run_of(result, "dependency audit")
    said = "not run for private 1.0: the index of PyPI gives advisories for none of them"
    assert (run.completed, list(run.notes)) == (False, [said])


async def test_a_database_of_one_ecosystem_does_not_clear_the_others(workshop: Any) -> None:
    """On a machine without a network: Python's packages are looked up, those of npm and Go are not, and it says so."""
    folder = workshop.folder / "osv"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(advisory("evil", "PyPI", {"introduced": "0"})))
    result = await reviewed(workshop, packages, osv_database=folder, package_hosts="")
    run = run_of(result, "dependency audit")
    assert (run.completed, run.version, run.penalty) == (True, "OSV database osv", 20)
    assert any(note.startswith("not run for bad 1.0.0, good 2.0.0: ") for note in run.notes), run.notes
    said = (
        "not run for example.com/a 1.2.0: no index of theirs gives advisories, and the OSV database has none about it"
    )
    assert said in run.notes


async def test_a_registry_without_advisories_of_npm_is_no_audit() -> None:
    """A mirror that answers 404 where npm gives advisories: the script fails and says why, rather than find nothing."""
    words = [str(fetch_advisories.__file__), json.dumps({"npm": [["bad", "1.0.0"]]}), "/dev/null"]
    async with index() as url:
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-I", *words, env={"npm_config_registry": url}, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(asking.communicate(), 60)
    assert (asking.returncode, said.decode().strip()) == (1, "ValueError: the index of npm gives no advisories")


async def test_manifests_that_nobody_can_read_are_no_audit(workshop: Any) -> None:
    """Where no file that names versions could be read, the audit was not run, and says which file it was."""
    result = await reviewed(workshop, lambda path: (path / "package-lock.json").write_text("]"))
    run = run_of(result, "dependency audit")
    assert (run.completed, run.not_applicable) == (False, True)
    assert run.notes[0].startswith("package-lock.json was not read: ")


async def test_a_lock_file_of_another_kind_is_said_not_to_be_audited(workshop: Any) -> None:
    """That of pnpm names all exact versions: to look at the ranges of the manifest alone is no audit."""

    def edit(path: Path) -> None:
        (path / "package.json").write_text('{"dependencies": {"bad": "^1.0.0"}}')
        (path / "pnpm-lock.yaml").write_text("lockfileVersion: '9.0'\npackages:\n  bad@1.0.0: {}\n")

    run = run_of(await reviewed(workshop, edit), "dependency audit")
    said = "pnpm-lock.yaml was not read: lock files of this kind are not audited"
    assert (run.completed, run.not_applicable, list(run.notes)) == (False, True, [said])
