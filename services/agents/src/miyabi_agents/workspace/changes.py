"""Builds change sets: content-addressed, with their diff."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange

#: The diff of a change is cut here, at a line's end.
MAX_DIFF_BYTES = 1_000_000
#: The head of a hunk, with the lines that it takes of the old and of the new version; no number means one.
_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def digest_of(base_sha: str, files: Iterable[FileChange]) -> str:
    """Return the SHA-256 of a change.

    The digest is over the base commit and, in order of their paths, each file's path, mode (`-`, `x` or `deleted`) and
    the SHA-256 of its content, each followed by a NUL: the same change has the same digest wherever it is made.
    """
    total = hashlib.sha256(f"{base_sha}\0".encode())
    for file in sorted(files, key=lambda entry: entry.path):
        mode = "deleted" if file.deleted else ("x" if file.executable else "-")
        content = hashlib.sha256(file.content).hexdigest()
        total.update(f"{file.path}\0{mode}\0{content}\0".encode())
    return total.hexdigest()


def change_set(base_sha: str, files: list[FileChange], diff: bytes) -> ChangeSet:
    """Return the change with its digest, diff and line counts."""
    ordered = sorted(files, key=lambda entry: entry.path)
    additions, deletions = _counted(diff)
    return ChangeSet(
        digest=digest_of(base_sha, ordered),
        base_sha=base_sha,
        files=ordered,
        diff=cut_at_line(diff).decode("utf-8", "replace"),
        additions=additions,
        deletions=deletions,
    )


def _counted(diff: bytes) -> tuple[int, int]:
    """Return how many lines a diff adds and takes away.

    A line ends at a line feed only, as git counts them here, and what is in a hunk is told by the hunk's head: a line
    of a file may itself begin with `++ `.
    """
    added = removed = left_old = left_new = 0
    for line in diff.split(b"\n"):
        if left_old <= 0 and left_new <= 0:
            head = _HUNK.match(line)
            if head is not None:
                left_old, left_new = (1 if size is None else int(size) for size in head.groups())
            continue
        kind = line[:1]
        added, removed = added + (kind == b"+"), removed + (kind == b"-")
        left_old, left_new = left_old - (kind in b"- "), left_new - (kind in b"+ ")
    return added, removed


def cut_at_line(diff: bytes) -> bytes:
    """Cut a long diff at the end of a line."""
    if len(diff) <= MAX_DIFF_BYTES:
        return diff
    return diff[: diff.rfind(b"\n", 0, MAX_DIFF_BYTES) + 1]
