"""Lists files for the model; where there are too many, by folder with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from miyabi_agents.agents.editing.files import normal
from miyabi_agents.agents.editing.globs import fits
from miyabi_agents.ports import Tree
from miyabi_agents.workspace.objects import Entry, EntryKind
from miyabi_core.text import enumerated, exact, first

#: Names that one answer lists.
MAX_LISTED = 400
#: Names that may not be used of which the names are said.
MAX_UNUSABLE = 5


def listed(tree: Tree, path: str, glob: str) -> str:
    """Return the files below a folder, with links and submodules as what they are.

    Args:
        tree: Where they are.
        path: The folder; empty: the repository.
        glob: Which of them.

    Raises:
        ValueError: the glob has too many alternatives.
    """
    below = normal(path)
    start = f"{below}/" if below else ""
    others = tree.list_others()
    there = [name for name in sorted([*tree.list_files(), *others]) if name.startswith(start) and fits(glob, name)]
    lines = [_named(name, others) for name in there] if len(there) <= MAX_LISTED else _folders(there, start, others)
    notes = [f"({len(there):,} entries; list_files with the path of a folder, or with a glob, shows them)"]
    notes = notes if len(there) > MAX_LISTED else []
    names = tree.unusable_names
    if names and not glob and not below:
        shown = enumerated(names, MAX_UNUSABLE)
        notes.append(f"({len(names)} names that cannot be used here, and stay as they are: {shown})")
    return "\n".join([*(lines or ["(no files)"]), *notes])


def _named(name: str, others: Mapping[str, Entry]) -> str:
    """Return one entry in one line."""
    other = others.get(name)
    if other is None:
        return exact(name)
    if other.kind is EntryKind.LINK:
        return f"{exact(name)} -> {exact(other.target) or '(no text)'} (symbolic link)"
    return f"{exact(name)} (submodule)"


def _folders(there: Sequence[str], start: str, others: Mapping[str, Entry]) -> list[str]:
    """Return the entries of a folder alone, its folders with the number of what they hold."""
    counts = Counter(name[len(start) :].partition("/")[0] + "/" for name in there if "/" in name[len(start) :])
    own = [_named(name, others) for name in there if "/" not in name[len(start) :]]
    lines = [*(f"{exact(start + folder)} ({count:,} entries)" for folder, count in sorted(counts.items())), *own]
    shown, rest = first(lines, MAX_LISTED)
    return [*shown, *([f"({rest:,} more of this folder are left out; narrow by glob)"] if rest else [])]
