"""Ranks the files of one issue with ours and with plain BM25, and measures what it takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.localise.baseline import PlainBM25
from benchmarks.localise.crossed import Judged, judge
from benchmarks.localise.sources import Source
from miyabi_agents.localisation.index import CodeIndex
from miyabi_agents.localisation.keeping.reading import read_commit
from miyabi_agents.localisation.keeping.store import IndexStore
from miyabi_agents.localisation.ranking.sides import tests_among
from miyabi_agents.localisation.reading.languages import Language, language_of
from miyabi_agents.localisation.reading.record import FileRecord, record_of
from miyabi_agents.localisation.reading.text import text_of
from miyabi_agents.workspace.commit_files import CommitFiles

#: Files of a ranking that are looked at.
DEPTH = 10
#: Bytes that the indexes of all repositories may take in the benchmark's folder.
STORE_BYTES = 4 << 30


@dataclass(frozen=True)
class Measured:
    """What became of one issue.

    Ranks are counted from 0; a file that is not among the first ten has rank 10.
    """

    ours: int
    plain: int
    plain_without_tests: int
    query_ms: float  #: CPU of one ranking
    judged: Judged  #: by other weights too


@dataclass(frozen=True)
class Indexing:
    """What it takes to index one commit, in CPU seconds of this process; git's own are beside."""

    files: int
    nothing_kept: float
    kept: float


class Reader:
    """Reads commits with all their words, each file once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Language], FileRecord] = {}

    def records(self, source: Source) -> dict[str, FileRecord]:
        """Return what is known of each file of a commit, by path."""
        records = {}
        with closing(CommitFiles(source.mirror, source.sha, kept_bytes=0)) as commit:
            for path, blob in commit.listing().blobs.items():
                language = language_of(path)
                if language is None:
                    continue
                if (blob, language) not in self._known:
                    self._known[blob, language] = record_of(text_of(commit.read(path) or b""), language)
                records[path] = self._known[blob, language]
        return records


def measure(repository: str, text: str, touched: frozenset[str], records: Mapping[str, FileRecord]) -> Measured:
    """Measure one issue.

    Args:
        repository: Of the issue.
        text: Its title in the first line, then its body.
        touched: Files that its fix touched.
        records: What is known of each file of the commit, by path.
    """
    index = CodeIndex(records)
    began = time.process_time()
    ours = [candidate.path for candidate in index.rank(text, limit=DEPTH)]
    query_ms = (time.process_time() - began) * 1000
    tests = tests_among(records)
    plain = PlainBM25(records).rank(text, DEPTH)
    bare = PlainBM25({path: one for path, one in records.items() if path not in tests}).rank(text, DEPTH)
    first, second, third = (_rank(found, touched) for found in (ours, plain, bare))
    judged = judge(repository, index, text, touched, depth=DEPTH)
    return Measured(first, second, third, query_ms, judged)


def index_twice(repository: str, source: Source) -> Indexing:
    """Index a commit with nothing kept, then from what was kept."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            began = time.process_time()
            with closing(CommitFiles(source.mirror, source.sha, kept_bytes=0)) as commit:
                records = read_commit(commit, repository, IndexStore(Path(folder), STORE_BYTES))
                CodeIndex(records)
            seconds.append(time.process_time() - began)
    return Indexing(len(records), *seconds)


def _rank(found: list[str], touched: frozenset[str]) -> int:
    """Return the place of the first file that the fix touched."""
    return next((place for place, path in enumerate(found) if path in touched), DEPTH)
