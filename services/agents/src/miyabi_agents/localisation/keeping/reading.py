"""Reads the files of a commit for the index: from what is kept by object id, else from git, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from miyabi_agents.localisation.keeping.coding import encode
from miyabi_agents.localisation.keeping.pack import Pack
from miyabi_agents.localisation.keeping.store import KEPT_SHARE, IndexStore
from miyabi_agents.localisation.ranking.sides import tests_among
from miyabi_agents.localisation.reading.languages import language_of
from miyabi_agents.localisation.reading.record import FileRecord, record_of
from miyabi_agents.localisation.reading.text import text_of
from miyabi_agents.workspace.commit_files import CommitFiles

#: Files that are read; a repository with more is indexed in part, and that is said.
MAX_FILES = 50_000
#: Bytes of all files that are read, likewise.
MAX_BYTES = 1 << 30


@dataclass
class _Reader:
    """Reads files that are not kept yet.

    Args:
        commit: The commit.
        kept: What is kept of its repository.
    """

    commit: CommitFiles
    kept: Pack
    used: dict[str, bytes] = field(default_factory=dict)
    fresh: int = 0
    size: int = 0

    def record(self, path: str, blob: str, *, test: bool) -> FileRecord | None:
        """Return what is known of a file; None where the bytes are used up."""
        language = language_of(path)
        assert language is not None
        key = f"{blob}.{language.value}{'.test' if test else ''}"
        found = self.kept.record(key)
        if found is not None:
            self.used[key] = self.kept.entries[key]
            return found
        if self.size > MAX_BYTES:
            return None
        content = self.commit.read(path) or b""
        self.size += len(content)
        found = record_of(text_of(content), language, with_words=not test)
        self.used[key] = encode(found)
        self.fresh += 1
        return found


def read_commit(commit: CommitFiles, repository: str, store: IndexStore) -> Mapping[str, FileRecord]:
    """Return what is known of each source file of a commit, by its path.

    Raises:
        WorkspaceError: git cannot read the commit.
    """
    with store.hold(repository):
        reader = _Reader(commit, store.load(repository))
        blobs = {path: blob for path, blob in commit.listing().blobs.items() if language_of(path) is not None}
        chosen = sorted(blobs)[:MAX_FILES]
        tests = tests_among(chosen)
        records: dict[str, FileRecord] = {}
        for path in chosen:
            record = reader.record(path, blobs[path], test=path in tests)
            if record is not None:
                records[path] = record
        if len(records) < len(blobs):
            store.notes.append(f"of {len(blobs):,} source files of {repository}, {len(records):,} are in the index")
        if reader.fresh:
            store.save(repository, _brought_forward(reader))
    return records


def _brought_forward(reader: _Reader) -> Pack:
    """Return the entries of the commit, with some of earlier ones: the bases of open work differ."""
    room = int(KEPT_SHARE * len(reader.used))
    earlier = [key for key in reader.kept.entries if key not in reader.used][:room]
    return Pack({**reader.used, **{key: reader.kept.entries[key] for key in earlier}})
