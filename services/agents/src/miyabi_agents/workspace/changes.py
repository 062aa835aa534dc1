"""Builds change sets: content-addressed, with their diff."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange

#: The diff of a change is cut here, at a line's end.
MAX_DIFF_BYTES = 1_000_000


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
    lines = diff.decode("utf-8", "replace").splitlines()
    return ChangeSet(
        digest=digest_of(base_sha, ordered),
        base_sha=base_sha,
        files=ordered,
        diff=_cut(diff).decode("utf-8", "replace"),
        additions=sum(line.startswith("+") and not line.startswith("+++ ") for line in lines),
        deletions=sum(line.startswith("-") and not line.startswith("--- ") for line in lines),
    )


def _cut(diff: bytes) -> bytes:
    """Cut a long diff at the end of a line."""
    if len(diff) <= MAX_DIFF_BYTES:
        return diff
    return diff[: diff.rfind(b"\n", 0, MAX_DIFF_BYTES) + 1]
