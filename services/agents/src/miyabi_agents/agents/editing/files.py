"""Looks at paths for the tools: what is no plain text file is said in one sentence, and text is opened as it is."""

from __future__ import annotations

import re
from posixpath import basename, dirname, join, normpath

from miyabi_agents.agents.edit_policy import MAX_FILE_BYTES
from miyabi_agents.agents.editing.text.editorconfig import properties_of
from miyabi_agents.agents.editing.text.encodings import BinaryFileError, Declared, UnknownEncodingError, encoding_of
from miyabi_agents.agents.editing.text.textfile import TextFile, opened
from miyabi_agents.errors import CallRefusedError, WorkspaceError
from miyabi_agents.ports import Tree
from miyabi_agents.workspace.linkfree import alike
from miyabi_agents.workspace.objects import Entry, EntryKind
from miyabi_core.text import exact

#: A pointer that Git LFS leaves in place of a file (git-lfs specification, "The Pointer").
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v\d+\n(?:ext-[^\n]+\n)*oid (\S+)\nsize (\d+)\n")
#: No pointer is longer.
_MAX_POINTER = 1024
#: Paths of the same name that are offered where one is not there.
MAX_SUGGESTED = 3


def entry_at(tree: Tree, path: str, argument: str = "path") -> Entry:
    """Return what lies at a path.

    Raises:
        CallRefusedError: it is no path that may be used; the argument is named.
    """
    try:
        return tree.entry(path)
    except WorkspaceError as error:
        raise CallRefusedError(f"{argument}: {error}") from error


def file_at(tree: Tree, path: str, argument: str = "path") -> Entry:
    """Return a regular file.

    Raises:
        ValueError: there is none; the sentence says what is there instead, or where one of that name is.
        CallRefusedError: the path may not be used, or what is there leads out of the repository.
    """
    found = entry_at(tree, path, argument)
    if found.kind is EntryKind.FILE and found.path == normal(path):
        return found
    raise not_usable(found, f"{argument}: {described(found, path)}{_suggested(tree, path, found)}")


def not_usable(found: Entry, message: str) -> ValueError:
    """Return the error for what lies at a path; what leads out of the repository is one that people are told of."""
    return CallRefusedError(message) if _leads_out(found) else ValueError(message)


def _leads_out(found: Entry) -> bool:
    """Tell whether a link leads out of the repository, or the entry is another repository."""
    if found.kind is EntryKind.SUBMODULE:
        return True
    aim = normpath(join(dirname(found.path), found.target)) if found.kind is EntryKind.LINK else ""
    return aim.startswith("/") or aim.partition("/")[0] == ".."


def normal(path: str) -> str:
    """Return a path without `./`, `//` and a slash at its end."""
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def described(found: Entry, path: str) -> str:
    """Say what lies at a path that is no file."""
    name = exact(found.path)
    if found.kind is EntryKind.LINK:
        return f"{name} is a symbolic link to {_target(found)}, which is not followed; use the path that it leads to"
    if found.kind is EntryKind.SUBMODULE:
        return f"{name} is a submodule, which is another repository; nothing in it can be read or edited here"
    if found.kind is EntryKind.FOLDER:
        return f"{name} is a folder"
    if found.kind is EntryKind.FILE:
        return f"{name} is a file, so nothing lies below it"
    return f"there is no file {exact(path)}"


def _target(found: Entry) -> str:
    """Return where a link leads."""
    return f"`{exact(found.target)}`" if found.target else "what is no text"


def _suggested(tree: Tree, path: str, found: Entry) -> str:
    """Name files of the same name elsewhere, where there is none at a path."""
    if found.kind is not EntryKind.ABSENT:
        return ""
    wanted = alike(basename(path))
    same = [exact(other) for other in tree.list_files() if alike(basename(other)) == wanted][:MAX_SUGGESTED]
    return f"; there is {' and '.join(same)}" if same else "; list_files shows what there is"


def pointer_of(content: bytes) -> str:
    """Say what a Git LFS pointer stands for; empty where the content is none."""
    found = _POINTER.match(content) if len(content) <= _MAX_POINTER else None
    if found is None:
        return ""
    oid = found[1].decode("ascii", "replace")
    return f"a Git LFS pointer to {int(found[2])} bytes ({oid}), which are not in the repository"


def declared_of(tree: Tree, path: str) -> Declared:
    """Return what the repository says of a file's encoding and line ends."""
    return Declared(tree.attributes(path), properties_of(path, lambda name: _read(tree, name)))


def _read(tree: Tree, path: str) -> bytes | None:
    """Read a file that need not be there."""
    try:
        return tree.read(path)
    except WorkspaceError:
        return None


def text_at(tree: Tree, path: str) -> TextFile:
    """Open a text file to be edited.

    Raises:
        ValueError: it is none, is too large to be edited, or its encoding cannot be known; the sentence says which.
    """
    found = file_at(tree, path)
    if found.size > MAX_FILE_BYTES:
        message = f"{found.path} has {found.size} bytes; files up to {MAX_FILE_BYTES} bytes can be edited"
        raise ValueError(f"path: {message}, larger ones only read and searched")
    content = tree.read(found.path)
    pointer = pointer_of(content)
    if pointer:
        raise ValueError(f"path: {found.path} is {pointer}; it cannot be edited")
    try:
        return opened(found.path, content, encoding_of(content, declared_of(tree, found.path)))
    except BinaryFileError as error:
        raise ValueError(f"path: {found.path} is binary ({len(content)} bytes); it cannot be edited as text") from error
    except UnknownEncodingError as error:
        message = f"the encoding of {found.path} is not known: {error}"
        raise ValueError(f"path: {message}; it can be read, not edited") from error


def refuse_lfs(tree: Tree, path: str, argument: str = "path") -> None:
    """Refuse to write a file whose content belongs into Git LFS.

    Raises:
        ValueError: `.gitattributes` says so.
    """
    if tree.attributes(path).get("filter") == "lfs":
        raise ValueError(f"{argument}: .gitattributes has {path} in Git LFS, which cannot be written here")
