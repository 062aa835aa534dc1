"""Turns files of a change into what a checkout of it would hold: attributes turn line ends, encodings and keywords."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.git import git
from miyabi_agents.workspace.objects.attributes import BaseAttributes


async def as_checked_out(files: Sequence[FileChange], *, base_sha: str, git_dir: Path) -> Sequence[FileChange]:
    """Return files with the content that git would write for them; what no attribute turns is returned as it is.

    Args:
        files: As git stores them.
        base_sha: Whose `.gitattributes` count; a change may not touch them.
        git_dir: A git directory that has that commit.

    Raises:
        WorkspaceError: git failed, as where a text does not fit into the encoding of checkouts.
    """
    name = f"conversion-{secrets.token_hex(8)}"
    index, folder = git_dir / name, git_dir / f"{name}.files"
    try:
        attributes = BaseAttributes(git_dir, base_sha, index=name)
        paths = [file.path for file in files if not file.deleted]
        said = await asyncio.to_thread(attributes.of_all, paths) if paths else {}
        turned = [file for file in files if not file.deleted and _turns(said[file.path])]
        if not turned:
            return files
        await asyncio.to_thread(folder.mkdir)
        await _check_out(turned, git_dir=git_dir, index=index, folder=folder)
        found = {file.path: (await asyncio.to_thread(linkfree.read, folder, file.path))[0] for file in turned}
        return [_with_content(file, found[file.path]) if file.path in found else file for file in files]
    finally:
        await asyncio.shield(asyncio.to_thread(_remove, index, folder))


def _turns(said: Mapping[str, str]) -> bool:
    """Tell whether a checkout differs from what git stores; `text` alone changes nothing on this system."""
    encoding = said.get("working-tree-encoding", "unset")
    return said.get("eol") == "crlf" or encoding not in {"set", "unset"} or said.get("ident") == "set"


async def _check_out(files: Iterable[FileChange], *, git_dir: Path, index: Path, folder: Path) -> None:
    """Let git write files into a folder, by attributes of base, which the index holds."""
    variables = {"GIT_DIR": str(git_dir), "GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(folder)}
    entries, names = [], []
    for file in files:
        blob = (await git("hash-object", "-w", "--stdin", stdin=file.content, variables=variables)).decode().strip()
        entries.append(f"100644 {blob}\t{file.path}\0")
        names.append(f"{file.path}\0")
    add = ("update-index", "--add", "--replace", "-z", "--index-info")
    await git(*add, cwd=folder, variables=variables, stdin="".join(entries).encode())
    command = ("checkout-index", "--force", "-z", "--stdin")
    await git(*command, cwd=folder, variables=variables, stdin="".join(names).encode())


def _with_content(file: FileChange, content: bytes) -> FileChange:
    """Return a file with other content."""
    found = FileChange()
    found.CopyFrom(file)
    found.content = content
    return found


def _remove(index: Path, folder: Path) -> None:
    """Remove what was made beside git's own files."""
    index.unlink(missing_ok=True)
    remove_tree(folder)
