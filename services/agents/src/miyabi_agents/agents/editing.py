"""The tools with which the model looks at a checkout and changes it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from miyabi_agents.agents import edit_policy
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.ports import Tree

#: Lines that a search returns.
MAX_HITS = 60
#: Lines of a file that are shown at once.
MAX_LINES = 800
#: A character that a regular expression would escape; models write queries so.
_ESCAPED = re.compile(r"\\([^\w\s])")
#: Larger files are not searched.
MAX_SEARCHED_BYTES = 1_000_000


def tool(
    name: str, description: str, required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a tool's definition."""
    properties = {**required, **(optional or {})}
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {"name": name, "description": description, "input_schema": schema}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 1}

#: Tools that every editing conversation offers.
TOOLS = [
    tool(
        "search_code",
        "Search all files, line by line, for a text; `|` parts alternatives, `.*` stands for any text between.",
        {"query": {"type": "string", "minLength": 1, "maxLength": 300}},
    ),
    tool("read_file", "Read a file, or lines of it.", {"path": _TEXT}, {"start_line": _NUMBER, "end_line": _NUMBER}),
    tool(
        "replace_in_file",
        "Replace old_text, which must occur exactly once in the file, by new_text.",
        {"path": _TEXT, "old_text": {"type": "string", "minLength": 1}, "new_text": _TEXT},
    ),
    tool("create_file", "Create a file that is not there yet.", {"path": _TEXT, "content": _TEXT}),
]

#: Names existing tests whose expectation is edited on purpose.
CHANGED_EXPECTATIONS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "test": {"type": "string", "minLength": 1, "maxLength": 1000},
            "reason": {"type": "string", "maxLength": 2000},
        },
        "required": ["test", "reason"],
    },
}


def search_matcher(query: str) -> Callable[[str], bool]:
    """Return what tells whether a line holds *query*: `|` parts alternatives, `.*` is any text; all else is literal.

    Whole regular expressions would let a text in an issue talk the model into one that takes hours on a line, and no
    thread can be stopped in the middle of a match. Looking for the pieces in their order takes linear time.
    """
    split = [[_ESCAPED.sub(r"\1", piece) for piece in part.split(".*")] for part in query.split("|") if part]

    def holds(line: str, pieces: Sequence[str]) -> bool:
        start = 0
        for piece in pieces:
            found = line.find(piece, start)
            if found < 0:
                return False
            start = found + len(piece)
        return True

    return lambda line: any(holds(line, pieces) for pieces in split or [[query]])


class EditingTools:
    """Runs the tools on one checkout; conversations that run side by side share one of these.

    A call that cannot be done raises ValueError with a sentence for the model.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lock = asyncio.Lock()

    def handlers(self) -> dict[str, Callable[[Mapping[str, Any]], Awaitable[str]]]:
        """Return the handler of each tool."""
        return {
            "search_code": self.search,
            "read_file": self.read,
            "replace_in_file": self.replace,
            "create_file": self.create,
        }

    async def search(self, given: Mapping[str, Any]) -> str:
        """Return the lines that contain the query."""
        return await asyncio.to_thread(self._search, str(given["query"]))

    def _search(self, query: str) -> str:
        """Look through all files."""
        matches = search_matcher(query)
        hits: list[str] = []
        for path in self._tree.list_files():
            for number, line in enumerate(self._lines(path), 1):
                if matches(line[:1000]):
                    hits.append(f"{path}:{number}: {line.strip()[:200]}")
                    if len(hits) == MAX_HITS:
                        return "\n".join([*hits, "(more; narrow the query)"])
        return "\n".join(hits) or "nothing found"

    def _lines(self, path: str) -> list[str]:
        """Return a text file's lines; none of a binary or huge one."""
        try:
            content = self._tree.read(path)
        except WorkspaceError:
            return []
        if len(content) > MAX_SEARCHED_BYTES or b"\0" in content[:8000]:
            return []
        return content.decode("utf-8", "replace").splitlines()

    def _text(self, path: str) -> str:
        """Read a text file."""
        try:
            return self._tree.read(path).decode("utf-8")
        except WorkspaceError as error:
            raise ValueError(str(error)) from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no UTF-8 text") from error

    async def read(self, given: Mapping[str, Any]) -> str:
        """Return numbered lines of a file."""
        lines = (await asyncio.to_thread(self._text, str(given["path"]))).splitlines()
        first = int(given.get("start_line", 1))
        last = min(int(given.get("end_line", len(lines))), first + MAX_LINES - 1)
        shown = [f"{number}\t{line}" for number, line in enumerate(lines[first - 1 : last], first)]
        rest = f"\n({len(lines)} lines in all)" if last < len(lines) or first > 1 else ""
        return "\n".join(shown) + rest

    async def replace(self, given: Mapping[str, Any]) -> str:
        """Replace a text that occurs once."""
        path, old, new = str(given["path"]), str(given["old_text"]), str(given["new_text"])
        _refuse(edit_policy.refusal_of(path))
        async with self._lock:
            text = await asyncio.to_thread(self._text, path)
            count = text.count(old)
            if count != 1:
                raise ValueError(f"old_text occurs {count} times in {path}; it must occur exactly once")
            await self._write(path, text.replace(old, new))
        return f"{path} is changed"

    async def create(self, given: Mapping[str, Any]) -> str:
        """Create a file."""
        path = str(given["path"])
        _refuse(edit_policy.refusal_of(path))
        async with self._lock:
            twin = await asyncio.to_thread(lambda: edit_policy.twin_of(path, self._tree.list_files()))
            _refuse(f"{path} cannot be there beside {twin}: some systems take them for one" if twin else "")
            try:
                await asyncio.to_thread(self._tree.read, path)
            except WorkspaceError as error:
                if error.code != "NO_SUCH_FILE":
                    raise ValueError(str(error)) from error
            else:
                raise ValueError(f"{path} is there already; use replace_in_file")
            await self._write(path, str(given["content"]))
        return f"{path} is created"

    async def _write(self, path: str, text: str) -> None:
        """Write a file; only a refusal of the path is the model's to mend."""
        content = text.encode("utf-8", "replace")
        _refuse(edit_policy.size_refusal(path, len(content)))
        try:
            await asyncio.to_thread(self._tree.write, path, content)
        except WorkspaceError as error:
            if error.code != "PATH_REFUSED":
                raise
            raise ValueError(str(error)) from error


def _refuse(reason: str) -> None:
    """Tell the model why a call is not done, where there is a reason.

    Raises:
        ValueError: there is one.
    """
    if reason:
        raise ValueError(reason)
