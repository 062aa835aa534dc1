"""Repositories with submodules behind a proxy of which files do the work, for the tests of submodules."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from miyabi_agents.workspace import GitWorkspaces

#: Who commits, and what a repository of a file must allow so that a pin alone can be fetched.
WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "uploadpack.allowAnySHA1InWant=true")


def git(folder: Path, *arguments: str, stdin: str = "") -> str:
    """Run git."""
    done = subprocess.run(
        ["git", *WHO, *arguments], cwd=folder, check=True, capture_output=True, text=True, input=stdin
    )
    return done.stdout.strip()


class Site:
    """Repositories behind a proxy of which files do the work, and what an agent sees of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspaces = self.opened()

    def opened(self, *, local: Path | None = None, data: str = "data") -> GitWorkspaces:
        """Return an agent's workspaces."""
        return GitWorkspaces(f"file://{self.folder / 'remote'}", self.folder / data, local_submodules=local)

    def commit(
        self, name: str, files: Mapping[str, str], pins: Mapping[str, str] | None = None, *, modules: str = ""
    ) -> str:
        """Commit files, and what is pinned by path, as the newest state of a repository; returns the commit."""
        folder = self.folder / "remote" / f"{name}.git"
        if not folder.exists():
            folder.mkdir(parents=True)
            git(folder, "init", "-q", "-b", "main")
            git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
        git(folder, "read-tree", "--empty")
        every = {**files, **({".gitmodules": modules} if modules else {})}
        for path, text in every.items():
            blob = git(folder, "hash-object", "-w", "--stdin", stdin=text)
            git(folder, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        for path, pin in (pins or {}).items():
            git(folder, "update-index", "--add", "--cacheinfo", f"160000,{pin},{path}")
        git(folder, "commit", "-q", "--allow-empty", "-m", "state")
        return git(folder, "rev-parse", "HEAD")

    def app(self, pin: str, url: str, *, path: str = "vendor/lib", name: str = "lib") -> str:
        """Commit `acme/app` with one submodule."""
        return self.commit("acme/app", {"app.py": "import lib\n"}, {path: pin}, modules=module(path, url, name))

    async def notes(self, sha: str) -> list[str]:
        """Return what is said of the submodules of a commit of `acme/app`."""
        return list((await self.workspaces.submodules(repository="acme/app", sha=sha)).notes)

    async def files(self, sha: str, workspaces: GitWorkspaces | None = None) -> dict[str, str]:
        """Return what a checkout of `acme/app` and an environment's tree hold, which is the same."""
        used = workspaces or self.workspaces
        async with used.open(repository="acme/app", sha=sha, label="t") as tree:
            found = content(tree.path)
        laid = used.scratch("laid")
        await used.lay(repository="acme/app", sha=sha, path=laid)
        assert content(laid) == found
        return found


def module(path: str, url: str, name: str = "lib") -> str:
    """Return a section of `.gitmodules`."""
    return f'[submodule "{name}"]\n\tpath = {path}\n\turl = {url}\n'


def content(root: Path) -> dict[str, str]:
    """Return the files of a folder but for what declares submodules."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".gitmodules")
    return {str(path.relative_to(root)): path.read_text() for path in files}
