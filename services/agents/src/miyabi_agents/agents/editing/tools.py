"""Runs the tools with which the model looks at a commit and changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from miyabi_agents.agents import edit_policy
from miyabi_agents.agents.editing.changing import changed, edits_of
from miyabi_agents.agents.editing.files import (
    declared_of,
    described,
    entry_at,
    file_at,
    normal,
    not_usable,
    refuse_lfs,
    text_at,
)
from miyabi_agents.agents.editing.listing import listed
from miyabi_agents.agents.editing.reading import read_lines
from miyabi_agents.agents.editing.searching import Query, Search
from miyabi_agents.agents.editing.text.encodings import UnknownEncodingError, encoding_for
from miyabi_agents.agents.editing.text.line_ends import end_for
from miyabi_agents.agents.editing.text.textfile import created, refuse_other_cookie
from miyabi_agents.errors import CallRefusedError, WorkspaceError
from miyabi_agents.ports import Tree
from miyabi_agents.workspace.objects import EntryKind

#: Runs a call; returns what the model is told.
Handler = Callable[[Mapping[str, Any]], Awaitable[str]]
#: Refusals of a path, or of what is there, that the model can mend by another call.
_MENDABLE = frozenset({"PATH_REFUSED", "NO_SUCH_FILE", "TOO_LARGE"})


class EditingTools:
    """Runs the tools on one tree; conversations that run side by side share one of these.

    A call that cannot be done changes nothing, and raises ValueError with a sentence for the model that begins with the
    name of the argument; CallRefusedError where it asks for what no change may do.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lock = asyncio.Lock()

    def handlers(self) -> dict[str, Handler]:
        """Return the handler of each tool."""
        return {
            "list_files": self.list,
            "search_code": self.search,
            "read_file": self.read,
            "edit_file": self.edit,
            "create_file": self.create,
            "move_file": self.move,
            "delete_file": self.delete,
        }

    async def list(self, given: Mapping[str, Any]) -> str:
        """List files."""
        return await asyncio.to_thread(self._list, given)

    async def search(self, given: Mapping[str, Any]) -> str:
        """Return the lines that match the query."""
        return await asyncio.to_thread(self._search, given)

    async def read(self, given: Mapping[str, Any]) -> str:
        """Return numbered lines of a file."""
        return await asyncio.to_thread(self._read, given)

    async def edit(self, given: Mapping[str, Any]) -> str:
        """Edit a file."""
        return await self._alone(self._edit, given)

    async def create(self, given: Mapping[str, Any]) -> str:
        """Create a file."""
        return await self._alone(self._create, given)

    async def move(self, given: Mapping[str, Any]) -> str:
        """Move a file."""
        return await self._alone(self._move, given)

    async def delete(self, given: Mapping[str, Any]) -> str:
        """Delete a file, or a link itself."""
        return await self._alone(self._delete, given)

    async def _alone(self, work: Callable[[Mapping[str, Any]], str], given: Mapping[str, Any]) -> str:
        """Run a call that changes something, one at a time; only what the model can mend is told to it."""
        async with self._lock:
            try:
                return await asyncio.to_thread(work, given)
            except WorkspaceError as error:
                if error.code not in _MENDABLE:
                    raise
                kind = CallRefusedError if error.code == "PATH_REFUSED" else ValueError
                raise kind(f"path: {error}") from error

    def _list(self, given: Mapping[str, Any]) -> str:
        path = str(given.get("path", ""))
        if normal(path):
            found = entry_at(self._tree, path)
            if found.kind is not EntryKind.FOLDER:
                absent = found.kind is EntryKind.ABSENT
                message = f"there is no folder {path}" if absent else described(found, path)
                raise not_usable(found, f"path: {message}")
        return listed(self._tree, path, str(given.get("glob", "")))

    def _search(self, given: Mapping[str, Any]) -> str:
        path = str(given.get("path", ""))
        if normal(path):
            found = entry_at(self._tree, path)
            if found.kind is not EntryKind.FOLDER:
                file_at(self._tree, path)
        query = Query(str(given["query"]), ignore_case=bool(given.get("ignore_case")))
        context = int(given.get("context", 0))
        return Search(self._tree, query, path, str(given.get("glob", "")), context).run()

    def _read(self, given: Mapping[str, Any]) -> str:
        path = str(given["path"])
        if not normal(path) or entry_at(self._tree, path).kind is EntryKind.FOLDER:
            return self._list(given)
        found = file_at(self._tree, path)
        last = given.get("end_line")
        return read_lines(self._tree, found, int(given.get("start_line", 1)), None if last is None else int(last))

    def _edit(self, given: Mapping[str, Any]) -> str:
        path = _named(given)
        before = text_at(self._tree, path)
        refuse_lfs(self._tree, path)
        after = changed(before, edits_of(given))
        content = after.content
        if content == before.content:
            return f"nothing changes in {path}: the new text is the same as the old"
        _refuse(edit_policy.size_refusal(path, len(content)))
        refuse_other_cookie(before, after)
        self._tree.write(path, content)
        return f"{path} is changed{edit_policy.harness_note(path, before.content, content)}"

    def _create(self, given: Mapping[str, Any]) -> str:
        path, text = _named(given), str(given["content"])
        self._refuse_taken(path, "path")
        declared = declared_of(self._tree, path)
        try:
            file = created(path, text, encoding_for(text, declared), end_for(text, declared))
        except UnknownEncodingError as error:
            raise ValueError(f"content: {error}") from error
        _refuse(edit_policy.size_refusal(path, len(file.content)))
        self._tree.write(path, file.content)
        return f"{path} is created{edit_policy.harness_note(path, None, file.content)}"

    def _move(self, given: Mapping[str, Any]) -> str:
        path, new = _named(given), _named(given, "new_path")
        found = file_at(self._tree, path)
        if new == path:
            return f"nothing changes: {path} is there already"
        _refuse(edit_policy.size_refusal(path, found.size))
        refuse_lfs(self._tree, path)
        self._refuse_taken(new, "new_path", leaving=path)
        content = self._tree.read(path)
        self._tree.move(path, new)
        notes = edit_policy.harness_note(path, content, None) or edit_policy.harness_note(new, None, content)
        return f"{path} is moved to {new}{notes}"

    def _delete(self, given: Mapping[str, Any]) -> str:
        path = _named(given)
        link = entry_at(self._tree, path)
        if link.kind is EntryKind.LINK and link.path == path:
            self._tree.delete(path)
            return f"the symbolic link {path} is deleted, not what it leads to"
        found = file_at(self._tree, path)
        content = self._tree.read(path) if found.size <= edit_policy.MAX_FILE_BYTES else b""
        self._tree.delete(path)
        return f"{path} is deleted{edit_policy.harness_note(path, content, None)}"

    def _refuse_taken(self, path: str, argument: str, leaving: str = "") -> None:
        """Refuse a path where something is, or that some system takes for one where something is.

        Args:
            path: Where a file is to be.
            argument: The argument that names it.
            leaving: A file that will be gone by then.

        Raises:
            ValueError: it is not free.
        """
        found = entry_at(self._tree, path, argument)
        if found.kind is EntryKind.FILE and found.path == path:
            raise ValueError(f"{argument}: {path} is there already; use edit_file")
        if found.kind is not EntryKind.ABSENT and found.path != leaving:
            raise not_usable(found, f"{argument}: {path} cannot be written: {described(found, path)}")
        others = (other for other in self._tree.list_files() if other != leaving)
        twin = edit_policy.twin_of(path, others)
        if twin:
            message = f"{path} cannot be there beside {twin}: some systems take them for one"
            raise CallRefusedError(f"{argument}: {message}")
        refuse_lfs(self._tree, path, argument)


def _named(given: Mapping[str, Any], argument: str = "path") -> str:
    """Return the path that is to be changed, without `./` and the like.

    Raises:
        CallRefusedError: it may not be changed.
    """
    path = normal(str(given[argument])) if not str(given[argument]).startswith("/") else str(given[argument])
    if refused := edit_policy.refusal_of(path):
        raise CallRefusedError(f"{argument}: {refused}")
    return path


def _refuse(reason: str) -> None:
    """Tell the model why a call is not done, where there is a reason.

    Raises:
        ValueError: there is one.
    """
    if reason:
        raise ValueError(reason)
