"""What a commit holds, by kind, as `git ls-tree` lists it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from miyabi_agents.workspace import linkfree

#: Most files of a commit that are listed; a tree with more is cut, and `cut` says so.
MAX_FILES = 300_000
#: Modes of what is no plain file (git-ls-tree(1)).
_LINK, _SUBMODULE, _EXECUTABLE = b"120000", b"160000", b"100755"


@dataclass(frozen=True)
class Listing:
    """What a commit holds, by kind."""

    blobs: dict[str, str]  #: object ids of regular files by path
    executable: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)  #: object ids of symbolic links by path
    submodules: Mapping[str, str] = field(default_factory=dict)  #: the commits that are pinned, by path
    refused: tuple[str, ...] = ()  #: names that may not be used, escaped
    cut: bool = False

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds something."""
        found = set()
        for path in (*self.blobs, *self.links):
            cut = path.rfind("/")
            while cut > 0 and path[:cut] not in found:
                found.add(path[:cut])
                cut = path.rfind("/", 0, cut)
        return frozenset(found)


def listing_of(raw: bytes) -> Listing:
    """Read the output of `git ls-tree -r -z`."""
    blobs: dict[str, str] = {}
    links: dict[str, str] = {}
    submodules: dict[str, str] = {}
    executable = set()
    refused = []
    entries = raw.split(b"\0")[:-1]
    for entry in entries[:MAX_FILES]:
        head, _, name = entry.partition(b"\t")
        mode, _, rest = head.partition(b" ")
        path = name.decode("utf-8", "surrogateescape")
        if not linkfree.is_usable(path):
            refused.append(ascii(path)[1:-1])
            continue
        if mode == _EXECUTABLE:
            executable.add(path)
        kind = submodules if mode == _SUBMODULE else links if mode == _LINK else blobs
        kind[path] = rest.partition(b" ")[2].decode()
    return Listing(blobs, frozenset(executable), links, submodules, tuple(refused), cut=len(entries) > MAX_FILES)
