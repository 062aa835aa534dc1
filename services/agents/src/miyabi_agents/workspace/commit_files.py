"""Reads the files of a commit from git's objects, without a checkout."""

from __future__ import annotations

import subprocess
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.git import SAFE, environment
from miyabi_agents.workspace.listing import Listing, listing_of
from miyabi_core.text import ending

#: Bytes of one file that are returned; what is larger is no manifest and no test.
MAX_FILE_BYTES = 1 << 20
#: Longest target of a symbolic link (limits.h, PATH_MAX).
MAX_TARGET_BYTES = 4096
#: Bytes that are kept of what was read before.
MAX_KEPT_BYTES = 64 << 20


class CommitFiles:
    """Implements `toolchains.port.BaseFiles` over a bare mirror; calls block, so they belong into a thread.

    Args:
        mirror: The bare repository.
        sha: The commit.
        kept_bytes: Of what was read, so much is held for the next who asks; 64 MiB by default.
    """

    def __init__(self, mirror: Path, sha: str, *, kept_bytes: int = MAX_KEPT_BYTES) -> None:
        self._mirror, self._sha = mirror, sha
        self._most_kept = kept_bytes
        self._lock = threading.Lock()
        self._reader: subprocess.Popen[bytes] | None = None
        self._listing: Listing | None = None
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._committed: datetime | None = None

    @property
    def mirror(self) -> Path:
        """The bare repository."""
        return self._mirror

    @property
    def sha(self) -> str:
        """The commit."""
        return self._sha

    @property
    def committed(self) -> datetime:
        """When the commit was made."""
        if self._committed is None:
            seconds = self._git("show", "-s", "--format=%ct", self._sha).strip()
            self._committed = datetime.fromtimestamp(int(seconds), UTC)
        return self._committed

    def paths(self) -> Sequence[str]:
        """List regular files whose names may be used, sorted."""
        return sorted(self.listing().blobs)

    def listing(self) -> Listing:
        """Return everything that the commit holds."""
        with self._lock:
            if self._listing is None:
                self._listing = listing_of(self._git("ls-tree", "-r", "-z", self._sha))
            return self._listing

    def read(self, path: str) -> bytes | None:
        """Return a file's content, at most 1 MiB of it; None where it is not there."""
        blob = self.listing().blobs.get(path)
        if blob is None:
            return None
        with self._lock:
            if blob in self._kept:
                self._kept.move_to_end(blob)
                return self._kept[blob]
            content, _ = self._blob(blob, MAX_FILE_BYTES)
            self._keep(blob, content)
            return content

    def read_whole(self, path: str, *, longest: int) -> bytes | None:
        """Return a file's whole content; None where it is not there.

        Raises:
            WorkspaceError: it has more than *longest* bytes (`TOO_LARGE`).
        """
        blob = self.listing().blobs.get(path)
        if blob is None:
            return None
        with self._lock:
            content, size = self._blob(blob, longest)
        if size > longest:
            raise WorkspaceError(f"{path!r} is larger than {longest} bytes", code="TOO_LARGE")
        return content

    def size(self, path: str) -> int:
        """Return how many bytes a file has; 0 where it is not there."""
        blob = self.listing().blobs.get(path)
        return int(self._git("cat-file", "-s", blob)) if blob else 0

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file of any size piece by piece, at most 1 MiB each; nothing where it is not there."""
        blob = self.listing().blobs.get(path)
        if blob is None:
            return
        reader = self._start("cat-file", "blob", blob)
        assert reader.stdout is not None
        try:
            while piece := reader.stdout.read(MAX_FILE_BYTES):
                yield piece
        finally:
            _end(reader)

    def read_object(self, oid: str, longest: int) -> bytes:
        """Return the whole content of an object of this repository, whichever commit has it.

        Raises:
            WorkspaceError: it has more than *longest* bytes (`TOO_LARGE`), or it is not there.
        """
        with self._lock:
            content, size = self._blob(oid, longest)
        if size > longest:
            raise WorkspaceError(f"it has {size:,} bytes, which is more than {longest:,}", code="TOO_LARGE")
        return content

    def link_target(self, path: str) -> str | None:
        """Return where a symbolic link leads, as it is written; None where it is no link, or no text."""
        blob = self.listing().links.get(path)
        if blob is None:
            return None
        with self._lock:
            content, size = self._blob(blob, MAX_TARGET_BYTES)
        if size > MAX_TARGET_BYTES:
            return None
        try:
            return content.decode()
        except UnicodeDecodeError:
            return None

    def close(self) -> None:
        """End the reading process."""
        with self._lock:
            reader, self._reader = self._reader, None
            if reader is not None:
                _end(reader)

    def _keep(self, blob: str, content: bytes) -> None:
        """Remember content, within bounds."""
        self._kept[blob] = content
        self._kept_bytes += len(content)
        while self._kept_bytes > self._most_kept:
            _, gone = self._kept.popitem(last=False)
            self._kept_bytes -= len(gone)

    def _blob(self, blob: str, longest: int) -> tuple[bytes, int]:
        """Read the first bytes of an object, and its size, by a process that is kept (git-cat-file(1), --batch)."""
        if self._reader is None:
            self._reader = self._start("cat-file", "--batch")
        assert self._reader.stdin is not None
        assert self._reader.stdout is not None
        self._reader.stdin.write(f"{blob}\n".encode())
        self._reader.stdin.flush()
        head = self._reader.stdout.readline().split()
        if len(head) != 3:
            raise WorkspaceError(f"git has no object {blob[:12]}", code="GIT_FAILED")
        size = int(head[2])
        content = self._reader.stdout.read(min(size, longest))
        left = size + 1 - len(content)
        while left > 0:
            left -= len(self._reader.stdout.read(min(left, 1 << 20)))
        return content, size

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a process that reads objects."""
        return subprocess.Popen(
            ["git", *SAFE, *arguments],
            env=environment(GIT_DIR=str(self._mirror)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _git(self, *arguments: str) -> bytes:
        """Run git on the mirror."""
        done = subprocess.run(
            ["git", *SAFE, *arguments],
            env=environment(GIT_DIR=str(self._mirror)),
            capture_output=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            words = ending(done.stderr.decode(errors="replace"), 300)
            raise WorkspaceError(f"git {arguments[0]} failed: {words}", code="GIT_FAILED")
        return done.stdout


def _end(reader: subprocess.Popen[bytes]) -> None:
    """End the process and close its pipes."""
    for pipe in (reader.stdin, reader.stdout):
        if pipe is not None:
            pipe.close()
    reader.kill()
    reader.wait()
