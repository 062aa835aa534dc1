"""Submodules: read from git's objects, fetched at the proxy alone, laid into checkouts; what is not fetched is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.toolchains.python import PythonEnvironments
from miyabi_agents.workspace.access import OPEN
from miyabi_agents.workspace.submodules import LaidFiles, Submodules
from miyabi_agents.workspace.submodules.fetching import NotFetchedError, fetch_commit, has_commit, was_fetched
from services.agents.tests.toolchains.python.laid_out import MACHINE, PLAIN, TODAY
from services.agents.tests.workspace.submodule_site import Site, content, git, module


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give repositories and an agent."""
    return Site(tmp_path)


#: Addresses of `acme/lib` as `.gitmodules` of `acme/app` may have them.
ADDRESSES = [
    "https://github.com/acme/lib.git", "https://github.com/acme/lib", "https://github.com/acme/lib/",
    "https://user:secret@github.com/acme/lib", "https://GitHub.com:443/acme/lib", "https://www.github.com/acme/lib",
    "git@github.com:acme/lib.git", "github.com:acme/lib", "ssh://git@github.com/acme/lib.git",
    "ssh://git@github.com:22/acme/lib", "git://github.com/acme/lib.git", "../lib.git", "../lib", "../../acme/lib",
    "./../lib", "git+ssh://git@github.com/acme/lib",
]  # fmt: skip


@pytest.mark.parametrize("url", ADDRESSES)
async def test_submodule_is_fetched_and_laid(site: Site, url: str) -> None:
    """Checkouts and environments hold the files of the pinned commit, whatever form the address has."""
    pin = site.commit("acme/lib", {"lib.py": "x = 1\n", "deep/a.txt": "a"})
    site.commit("acme/lib", {"lib.py": "x = 2\n"})
    sha = site.app(pin, url)
    expected = {"app.py": "import lib\n", "vendor/lib/lib.py": "x = 1\n", "vendor/lib/deep/a.txt": "a"}
    assert (await site.files(sha), await site.notes(sha)) == (expected, [])


_KIND = "its address is of a kind that is not fetched"
#: Addresses that nothing is asked for, each with what is said.
REFUSED = {
    "--upload-pack=touch pwned": "its address would be taken for an option",
    "-u./payload": "its address would be taken for an option",
    "ext::sh -c 'touch pwned'": _KIND,
    "fd::7": _KIND,
    "file:///etc": f"{_KIND} (file)",
    "/etc/passwd": _KIND,
    "lib": _KIND,
    "http://github.com/acme/lib": f"{_KIND} (http)",
    "ftp://github.com/acme/lib": f"{_KIND} (ftp)",
    "https://gitlab.com/acme/lib": "gitlab.com is not served",
    "https://github.com.evil.test/acme/lib": "github.com.evil.test is not served",
    "https://github.com@evil.test/acme/lib": "evil.test is not served",
    "git@evil.test:acme/lib.git": "evil.test is not served",
    "ssh://-oProxyCommand=touch/acme/lib": "-oproxycommand=touch is not served",
    "https://127.0.0.1/acme/lib": "127.0.0.1 is not served",
    "https://github.com:8080/acme/lib": "its address has a port, a query or a fragment, and is no repository's",
    "https://github.com/acme/lib?x=1": "its address has a port, a query or a fragment, and is no repository's",
    "https://github.com/acme": "its address names no repository",
    "https://github.com/acme/lib/extra": "its address names no repository",
    "https://github.com/acme/..": "its address names no repository",
    "https://github.com/../../etc": "its address names no repository",
    "https://github.com/acme/%2e%2e": "its address names no repository",
    "../../../x": "its relative address leads out of its host",
    "./lib": "its address names no repository",
    "..\\\\lib": "its address holds a backslash, a control or an invisible character",
    '"https://github.com/acme/lib\\nhost=evil"': "its address holds a backslash, a control or an invisible character",
    "../" + "x" * 600: "its address is empty or too long",
    "": "its address is empty or too long",
}


@pytest.mark.parametrize("url", REFUSED)
async def test_other_address_is_never_contacted_and_named(site: Site, tmp_path: Path, url: str) -> None:
    """Nothing is fetched or run, the rest is laid, and a note names the submodule with the reason."""
    pin = site.commit("acme/lib", {"lib.py": "x = 1\n"})
    sha = site.app(pin, url)
    assert await site.notes(sha) == [f"submodule vendor/lib was not fetched: {REFUSED[url]}"]
    assert await site.files(sha) == {"app.py": "import lib\n"}
    assert list(tmp_path.rglob("pwned")) + list((tmp_path / "data/submodules").rglob("*.git")) == []


@pytest.mark.parametrize("name", ["../../../hooks", "..", "a/../b", "/abs", "-u", ".git", "a//b", "x" * 300])
async def test_hostile_name_is_refused(site: Site, name: str) -> None:
    """A submodule whose name leads out of where git keeps them, or is an option, is named and not fetched."""
    pin = site.commit("acme/lib", {"lib.py": "x = 1\n"})
    notes = await site.notes(site.app(pin, "../lib", name=name))
    reason = "its name leads out of where submodules are kept, or is taken for an option"
    assert notes == [f"submodule vendor/lib was not fetched: {reason}"]


BROKEN: dict[str, tuple[Callable[[str], str], str]] = {
    "no section": (lambda _: "", "submodule vendor/lib was not fetched: .gitmodules does not name it"),
    "another path": (lambda _: module("../../out", "../lib"), "submodule vendor/lib was not fetched: .gitmodules does not name it"),
    "no address": (lambda _: '[submodule "lib"]\n\tpath = vendor/lib\n', "submodule vendor/lib was not fetched: its address is empty or too long"),
    "no configuration": (lambda _: "[submodule\n", "no submodule was fetched of .gitmodules: git cannot read it"),
    "too large": (lambda _: "#" * (300 << 10), "no submodule was fetched of .gitmodules: it is larger than 256 KB"),
    "included": (lambda folder: f"[include]\n\tpath = {folder}/more\n", "submodule vendor/lib was not fetched: .gitmodules does not name it"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
async def test_broken_declaration_is_named(site: Site, tmp_path: Path, kind: str) -> None:
    """`.gitmodules` that git cannot read, names nothing of it, or includes a file of this machine: nothing is fetched."""
    (tmp_path / "more").write_text(module("vendor/lib", "../lib"))
    text, said = BROKEN[kind]
    pin = site.commit("acme/lib", {"lib.py": "x = 1\n"})
    sha = site.commit("acme/app", {"app.py": "a"}, {"vendor/lib": pin}, modules=text(str(tmp_path)))
    assert (await site.notes(sha), await site.files(sha)) == ([said], {"app.py": "a"})


async def test_what_the_proxy_does_not_have_is_named(site: Site) -> None:
    """A repository that is not there, and a commit that its repository has not, are told apart."""
    site.commit("acme/lib", {"lib.py": "x = 1\n"})
    gone = site.app("1" * 40, "../lib")
    assert await site.notes(gone) == ["submodule vendor/lib was not fetched: its commit was not found in acme/lib"]
    nowhere = site.app("1" * 40, "../none")
    said = "submodule vendor/lib was not fetched: there is no acme/none, or it may not be read"
    assert await site.notes(nowhere) == [said]


async def test_pin_that_moves_moves_the_checkout(site: Site) -> None:
    """The kept checkout follows: changed, new and removed files, other folders, no submodule at all, and back."""
    one = site.commit("acme/lib", {"lib.py": "x = 1\n", "old.py": "o"})
    two = site.commit("acme/lib", {"lib.py": "x = 2\n", "new/n.py": "n"})
    states = {
        site.app(one, "../lib"): {"vendor/lib/lib.py": "x = 1\n", "vendor/lib/old.py": "o"},
        site.app(two, "../lib"): {"vendor/lib/lib.py": "x = 2\n", "vendor/lib/new/n.py": "n"},
        site.app(two, "../lib", path="lib"): {"lib/lib.py": "x = 2\n", "lib/new/n.py": "n"},
        site.commit("acme/app", {"app.py": "import lib\n", "lib": "a file"}): {"lib": "a file"},
    }
    for sha in [*states, *reversed(states)]:
        assert await site.files(sha) == {"app.py": "import lib\n", **states[sha]}


async def test_pins_tell_environments_apart(site: Site) -> None:
    """What names a checkout's contents holds each folder with its commit, and is empty without submodules."""
    one = site.commit("acme/lib", {"lib.py": "x = 1\n"})
    plain = await site.workspaces.submodules(repository="acme/app", sha=site.commit("acme/app", {"a": "a"}))
    pinned = await site.workspaces.submodules(repository="acme/app", sha=site.app(one, "../lib"))
    assert (plain.key, pinned.key) == ((), (f"vendor/lib@{one}",))


async def test_what_a_run_did_to_a_submodule_is_undone(site: Site) -> None:
    """Its files may not be written; what a run replaced, removed or added there, no other run sees."""
    sha = site.app(site.commit("acme/lib", {"lib.py": "x = 1\n", "b.py": "b"}), "../lib")
    before = await site.files(sha)
    async with site.workspaces.open(repository="acme/app", sha=sha, label="t") as tree:
        place = tree.path / "vendor/lib"
        assert oct((place / "lib.py").stat().st_mode)[-3:] == "444"
        (place / "lib.py").unlink()
        (place / "lib.py").write_text("x = 9\n")
        (place / "b.py").unlink()
        (place / "added.py").write_text("z")
    assert await site.files(sha) == before


async def test_nested_submodules_are_laid_to_a_depth(site: Site) -> None:
    """Three lie in one another, addresses relative to each one's own repository; a fourth is named."""
    pin = "1" * 40
    for name in ("d", "c", "b", "a"):
        pins = {} if name == "d" else {"in": pin}
        pin = site.commit(f"org/{name}", {f"{name}.txt": name}, pins, modules=module("in", f"../{chr(ord(name) + 1)}"))
    sha = site.app(pin, "../../org/a", path="v")
    expected = {"app.py": "import lib\n", "v/a.txt": "a", "v/in/b.txt": "b", "v/in/in/c.txt": "c"}
    assert await site.files(sha) == expected
    assert await site.notes(sha) == ["submodules that lie deeper than 3 were not fetched: v/in/in/in"]


async def test_more_submodules_than_are_fetched_are_named(site: Site) -> None:
    """Twenty are laid; the others are counted."""
    pin = site.commit("acme/lib", {"x": "x"})
    paths = [f"m{number:02}" for number in range(23)]
    modules = "".join(module(path, "../lib", path) for path in paths)
    sha = site.commit("acme/app", {"app.py": "a"}, dict.fromkeys(paths, pin), modules=modules)
    assert sorted(await site.files(sha)) == ["app.py", *(f"{path}/x" for path in paths[:20])]
    assert await site.notes(sha) == ["submodules beyond the first 20 were not fetched: m20, m21, m22"]


async def test_no_more_are_asked_for_where_none_can_be_had(site: Site) -> None:
    """Twenty are tried and named one by one, the others are counted: a commit cannot have thousands asked for."""
    paths = [f"m{number:03}" for number in range(300)]
    modules = "".join(module(path, "../none", path) for path in paths)
    sha = site.commit("acme/app", {"app.py": "a"}, dict.fromkeys(paths, "1" * 40), modules=modules)
    notes = await site.notes(sha)
    assert notes[:20] == [
        f"submodule {path} was not fetched: there is no acme/none, or it may not be read" for path in paths[:20]
    ]
    beyond = "submodules beyond the first 20 were not fetched: m020, m021, m022, m023, m024 and 275 more"
    assert notes[20:] == [beyond]


async def test_submodule_in_the_place_of_files_is_not_laid(site: Site) -> None:
    """A tree that no git makes, with a folder and a submodule of one name: the folder's files are laid."""
    pin = site.commit("acme/lib", {"lib.py": "x = 1\n"})
    site.commit("acme/app", {"a": "a"})
    folder = site.folder / "remote/acme/app.git"
    blob = git(folder, "hash-object", "-w", "--stdin", stdin="mine")
    inner = git(folder, "mktree", stdin=f"100644 blob {blob}\town.py\n")
    modules = git(folder, "hash-object", "-w", "--stdin", stdin=module("lib", "../lib"))
    entries = f"100644 blob {modules}\t.gitmodules\n160000 commit {pin}\tlib\n040000 tree {inner}\tlib\n"
    tree = git(folder, "mktree", "--missing", stdin=entries)
    sha = git(folder, "commit-tree", tree, "-m", "both")
    git(folder, "update-ref", "refs/heads/main", sha)
    assert await site.notes(sha) == ["submodules in whose place other files lie were not fetched: lib"]


async def test_attributes_of_the_outer_repository_stay_outside(site: Site) -> None:
    """Each repository's own attributes turn its files, as where git checks submodules out."""
    pin = site.commit("acme/lib", {"a.txt": "one\ntwo\n"})
    files = {".gitattributes": "* text eol=crlf\n", "b.txt": "one\ntwo\n"}
    sha = site.commit("acme/app", files, {"lib": pin}, modules=module("lib", "../lib"))
    async with site.workspaces.open(repository="acme/app", sha=sha, label="t") as tree:
        found = [(tree.path / name).read_bytes() for name in ("b.txt", "lib/a.txt")]
    assert found == [b"one\r\ntwo\r\n", b"one\ntwo\n"]


async def test_links_of_a_submodule_stay_in_the_checkout(site: Site, tmp_path: Path) -> None:
    """A link in it that leads to its own files is made, one that leads out of the checkout is not."""
    folder = tmp_path / "remote/acme/lib.git"
    site.commit("acme/lib", {"a.txt": "a"})
    for path, target in {"in": "a.txt", "out": "../../../../etc/passwd", "abs": "/etc/passwd"}.items():
        blob = git(folder, "hash-object", "-w", "--stdin", stdin=target)
        git(folder, "update-index", "--add", "--cacheinfo", f"120000,{blob},{path}")
    git(folder, "commit", "-q", "-m", "links")
    sha = site.app(git(folder, "rev-parse", "HEAD"), "../lib")
    async with site.workspaces.open(repository="acme/app", sha=sha, label="t") as tree:
        links = {path.name: str(path.readlink()) for path in (tree.path / "vendor/lib").iterdir() if path.is_symlink()}
    assert links == {"in": "a.txt"}


async def test_head_of_a_stranger_gets_the_submodules_of_base(site: Site) -> None:
    """What it pins itself, a repository of ours that it could not read, is not fetched; what it removed is not laid."""
    one, two = (site.commit("acme/lib", {"lib.py": f"x = {number}\n"}) for number in (1, 2))
    secret = site.commit("acme/secret", {"key": "k"})
    base = site.app(one, "../lib")
    modules = module("vendor/lib", "../lib") + module("stolen", "../secret", "stolen")
    head = site.commit("acme/app", {"app.py": "a"}, {"vendor/lib": two, "stolen": secret}, modules=modules)
    removed = site.commit("acme/app", {"app.py": "a"})
    laid = {head: {"app.py": "a", "vendor/lib/lib.py": "x = 1\n"}, removed: {"app.py": "a"}}
    for sha, expected in laid.items():
        opened = site.workspaces.open(repository="acme/app", sha=sha, label="t", submodules_of=base)
        async with opened as tree:
            assert content(tree.path) == expected
    assert sorted(path.name for path in (site.folder / "data/submodules").rglob("*.git")) == ["lib.git"]


async def test_pack_that_is_too_large_is_given_up(site: Site, tmp_path: Path) -> None:
    """The fetch is ended where the pack grows beyond what is allowed, and the repository is named with it."""
    pin = site.commit("acme/lib", {"big": random.Random(1).randbytes(3 << 20).hex()})
    url, mirror = f"file://{tmp_path}/remote/acme/lib.git", tmp_path / "mirror.git"
    for most_bytes, fetched in ((1 << 20, False), (4 << 20, True)):
        with nullcontext() if fetched else pytest.raises(NotFetchedError, match="acme/lib is larger than 1 MB"):
            await fetch_commit(mirror, pin, url=url, repository="acme/lib", access=OPEN, most_bytes=most_bytes)
        assert (await has_commit(mirror, pin), await was_fetched(mirror, pin)) == (fetched, fetched)


async def test_files_that_are_too_large_together_are_not_laid(site: Site, tmp_path: Path) -> None:
    """What still fits is laid, the other one is named with its size."""
    big, small = site.commit("acme/big", {"x": "x" * 900}), site.commit("acme/small", {"x": "x" * 90})
    modules = module("a", "../big", "a") + module("b", "../big", "b") + module("c", "../small", "c")
    sha = site.commit("acme/app", {}, {"a": big, "b": big, "c": small}, modules=modules)
    git_url = f"file://{tmp_path}/remote"
    source = Submodules(git_url, tmp_path / "bounded", host="github.com", most_bytes=1000)
    found = await source.of("acme/app", tmp_path / "remote/acme/app.git/.git", sha)
    said = "submodule b was not fetched: with its 900 bytes, all submodules together would be too large"
    assert (found.key, found.notes) == ((f"a@{big}", f"c@{small}"), (said,))


async def test_no_change_holds_files_of_a_submodule(site: Site) -> None:
    """An edit of what lies in it is refused, and what is committed has its pin as before."""
    sha = site.app(site.commit("acme/lib", {"lib.py": "x = 1\n"}), "../lib")
    change = ChangeSet(base_sha=sha, files=[FileChange(path="vendor/lib/lib.py", content=b"x = 9\n")])
    async with site.workspaces.edit(repository="acme/app", sha=sha) as tree:
        assert [path for path in tree.list_files() if path.startswith("vendor")] == []
        with pytest.raises(WorkspaceError, match="lies in a submodule"):
            await tree.apply(change)


async def test_local_objects_are_used_where_they_are(site: Site, tmp_path: Path) -> None:
    """Of a checkout on this machine, nested ones too, whatever their address; its hooks and settings are not looked at."""
    inner = site.commit("far/inner", {"i.txt": "i"})
    outer = site.commit("far/lib", {"lib.py": "l"}, {"in": inner}, modules=module("in", "https://far.test/i", "in"))
    sha = site.app(outer, "https://far.test/lib")
    local = tmp_path / "checkout/modules"
    for name, source in {"lib": "far/lib", "lib/modules/in": "far/inner"}.items():
        git(tmp_path, "clone", "-q", "--bare", f"{tmp_path}/remote/{source}.git", str(local / name))
    with (local / "lib/config").open("a") as file:
        file.write(f'[core]\n\tfsmonitor = "touch {tmp_path}/pwned"\n[include]\n\tpath = /nowhere\n[broken\n')
    used = site.opened(local=local, data="other")
    expected = {"app.py": "import lib\n", "vendor/lib/lib.py": "l", "vendor/lib/in/i.txt": "i"}
    assert (await site.files(sha, used), (tmp_path / "pwned").exists()) == (expected, False)
    found = await used.submodules(repository="acme/app", sha=sha)
    assert (found.notes, [one.path for one in found.modules]) == ((), ["vendor/lib", "vendor/lib/in"])


async def test_local_objects_that_lie_elsewhere_are_not_used(site: Site, tmp_path: Path) -> None:
    """A link out of `.git/modules` is not followed, and the address decides."""
    site.commit("far/lib", {"lib.py": "l"})
    pin = git(tmp_path / "remote/far/lib.git", "rev-parse", "HEAD")
    local = tmp_path / "checkout/modules"
    local.mkdir(parents=True)
    (local / "lib").symlink_to(tmp_path / "remote/far/lib.git/.git")
    sha = site.app(pin, "https://far.test/lib")
    found = await site.opened(local=local, data="other").submodules(repository="acme/app", sha=sha)
    there = "it is not in the checkout (`git submodule update --init --recursive` brings it)"
    assert found.notes == (f"submodule vendor/lib was not fetched: far.test is not served, and {there}",)


async def test_environments_are_prepared_with_what_submodules_hold(site: Site) -> None:
    """A requirement of a folder in one is built, which base alone does not show; projects in it are not base's."""
    inner = site.commit("acme/inner", {"i.txt": "i"})
    modules = module("in", "../inner", "in")
    pin = site.commit("acme/lib", {"pyproject.toml": PLAIN, "thing.py": ""}, {"in": inner}, modules=modules)
    files = {"requirements.txt": "-e ./vendor/lib\n", "tests/test_app.py": "def test_it():\n    pass\n"}
    sha = site.commit("acme/app", files, {"vendor/lib": pin}, modules=module("vendor/lib", "../lib"))
    found = await site.workspaces.submodules(repository="acme/app", sha=sha)
    python = PythonEnvironments(lambda: TODAY)
    async with site.workspaces.files(repository="acme/app", sha=sha) as base:
        laid = LaidFiles(base, found)
        assert [path for path in laid.paths() if path.startswith("vendor")] == [
            "vendor/lib/.gitmodules", "vendor/lib/in/i.txt", "vendor/lib/pyproject.toml", "vendor/lib/thing.py",
        ]  # fmt: skip
        assert (laid.read("vendor/lib/in/i.txt"), laid.read("vendor/lib/no"), laid.read("no")) == (b"i", None, None)
        (project,) = python.recognise(base, None)
        recipes = [python.recipe(project, known, MACHINE) for known in (base, laid)]
    assert [any("vendor/lib" in f"{step.cwd} {step.command}" for step in one.steps) for one in recipes] == [False, True]
